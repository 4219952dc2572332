"""Encoded bytes -> a sample, or the reason why they are none: told from headers, before a pixel is decoded.

A header of a few bytes can promise a picture of a terabyte. Its size is read first, and what is larger
than `MAX_PIXELS` never reaches a decoder. Formats: JPEG, PNG, GIF, BMP, WebP, PNM (P1 to P6).
"""

from __future__ import annotations

from typing import Any, Literal

from pipeline import records
from pipeline.records import Sample
from pipeline.records.images import jpeg, size
from pipeline.sources import Skipped
from pipeline.strict import Strict

SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".pnm", ".bmp", ".webp", ".gif")
MAX_PIXELS = 100_000_000  # 300 MB once decoded; a 45-megapixel photo and a page scan pass
NO_IMAGE = "not an image, or truncated"
Check = Literal["decode", "header"]


class Images(Strict):
    """What every source of encoded images lets one choose."""

    box: Literal["none", "whole"] = "none"  # whole: every image is one face up to its borders
    check: Check = "header"  # decode: find images that are damaged inside, too, at the price of decoding all


def trouble(data: bytes, check: Check = "decode") -> str | None:
    """Why these bytes can't be used as an image; None if they can."""
    if not data:
        return "empty file"
    if data[:2] == b"\xff\xd8":
        told, whole = jpeg(data)
    else:
        told, whole = size(data), records.is_whole(data)
    if not whole:
        return "truncated image"
    if told is None or 0 in told:
        return NO_IMAGE
    if told[0] * told[1] > MAX_PIXELS:
        return f"{told[0]} x {told[1]} pixels, more than {MAX_PIXELS // 1_000_000} million"
    if check == "decode":
        try:
            records.decode(data)
        except records.BadImageError as error:
            return str(error)
    return None


def whole_box(data: bytes) -> tuple[float, float, float, float]:
    """The box of a face that fills its image; pixels are centred on whole numbers."""
    told = size(data)
    if told is None or b"Exif" in data[:4096]:  # may be turned when it is decoded
        height, width = records.decode(data).shape[:2]
        told = width, height
    return -0.5, -0.5, told[0], told[1]


def sample(
    sample_id: str, data: bytes, face: str = "none", check: Check = "decode", **known: Any
) -> Sample | Skipped:
    """The sample of these bytes, or why there is none; `face` whole: its box, if unknown, is the image."""
    reason = trouble(data, check)
    if reason:
        return Skipped(sample_id, reason)
    found = Sample(sample_id=sample_id, image=data, **known)
    if face == "whole" and found.box is None:
        try:
            found.box = whole_box(data)
        except records.BadImageError as error:
            return Skipped(sample_id, str(error))
    return found
