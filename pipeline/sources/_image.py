"""Encoded bytes -> a sample, or the reason why they are none: told from headers, before a pixel is decoded.

A header of a few bytes can promise a picture of a terabyte. Its size is read first, and what is larger
than `MAX_PIXELS` never reaches a decoder. Formats: JPEG, PNG, GIF, BMP, WebP, PNM (P1 to P6).
"""

from __future__ import annotations

import re
from typing import Any, Literal

from pipeline import records
from pipeline.records import Sample
from pipeline.sources import Skipped
from pipeline.strict import Strict

SUFFIXES = (".jpg", ".jpeg", ".png", ".pgm", ".ppm", ".pnm", ".bmp", ".webp", ".gif")
MAX_PIXELS = 100_000_000  # 300 MB once decoded; a 45-megapixel photo and a page scan pass
NO_IMAGE = "not an image, or truncated"
Check = Literal["decode", "header"]
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)")
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, of every kind of JPEG


class Images(Strict):
    """What every source of encoded images lets one choose."""

    box: Literal["none", "whole"] = "none"  # whole: every image is one face up to its borders
    check: Check = "header"  # decode: find images that are damaged inside, too, at the price of decoding all


def size(data: bytes) -> tuple[int, int] | None:
    """(width, height) as the header says it, before any EXIF rotation; None if there is no known header."""
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)[0]
    if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR" and len(data) >= 24:
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data[:4] in (b"GIF8",) and len(data) >= 10:
        return int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    if data[:2] == b"BM" and len(data) >= 26:
        width, height = (int.from_bytes(data[at : at + 4], "little", signed=True) for at in (18, 22))
        return abs(width), abs(height)  # a negative height: lines run downward
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    found = _PNM.match(data[:512])
    return (int(found[1]), int(found[2])) if found else None


def _jpeg(data: bytes) -> tuple[tuple[int, int] | None, bool]:
    """Its size, and whether the end of its scans is there: one walk over the headers."""
    at, told = 2, None
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:  # scans; before them may lie thumbnails with end markers of their own
            return told, data[-2:] == b"\xff\xd9" or data.find(b"\xff\xd9", at) >= 0
        if marker in _SOF and told is None:
            told = int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        if marker == 0xFF:  # fill
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:  # stands alone
            at += 2
        else:
            at += 2 + max(2, data[at + 2] << 8 | data[at + 3])
    return told, data.find(b"\xff\xd9", at) >= 0


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    both = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return tuple(both) if kind == b"VP8 " else None  # type: ignore[return-value]


def trouble(data: bytes, check: Check = "decode") -> str | None:
    """Why these bytes can't be used as an image; None if they can."""
    if not data:
        return "empty file"
    if data[:2] == b"\xff\xd8":
        told, whole = _jpeg(data)
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
