"""Encoded images: decoding, encoding, and what their headers say without a pixel being decoded."""

from __future__ import annotations

import re

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

Image = npt.NDArray[np.uint8]  # (h, w, 3) RGB
_PNM = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)")
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, of every kind of JPEG


class BadImageError(ValueError):
    """Bytes that are no image, or only a part of one."""


def decode(data: bytes | memoryview | pa.Buffer) -> Image:
    """RGB (h, w, 3) uint8 of encoded bytes; grey becomes three equal channels."""
    raw = np.frombuffer(data, np.uint8)
    try:
        image = cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB) if len(raw) else None
    except cv2.error as error:  # more pixels than OpenCV dares to decode, broken headers
        raise BadImageError(f"not an image: {error.err}") from error
    if image is None:
        raise BadImageError("not an image, or truncated")
    return np.asarray(image, np.uint8)


def is_whole(data: bytes) -> bool:
    """False for an image cut off before its end: decoders fill what is missing with grey."""
    if data[:2] == b"\xff\xd8":
        return data.find(b"\xff\xd9", _jpeg_scan(data)) >= 0  # bytes may follow it: some cameras add theirs
    if data[:4] == b"\x89PNG":
        return b"IEND" in data[-16:]
    if data[:4] == b"RIFF":  # WebP
        return len(data) >= int.from_bytes(data[4:8], "little") + 8
    if data[:2] == b"BM":
        return len(data) >= int.from_bytes(data[2:6], "little")
    return len(data) > 0


def _jpeg_scan(data: bytes) -> int:
    """Where a JPEG's first scan starts: before it may lie thumbnails with end markers of their own."""
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return at


def encode(image: Image, quality: int = 95) -> bytes:
    """JPEG bytes of RGB (h, w, 3) uint8; `quality` above 100 means PNG, which loses nothing."""
    suffix, options = (".png", []) if quality > 100 else (".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    done, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise BadImageError(f"could not encode an image of shape {image.shape}")
    return data.tobytes()


def size(data: bytes) -> tuple[int, int] | None:
    """(width, height) as the header says it, before any EXIF rotation; None if there is no known header."""
    if data[:2] == b"\xff\xd8":
        return jpeg(data)[0]
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


def jpeg(data: bytes) -> tuple[tuple[int, int] | None, bool]:
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


def sizes(images: pa.BinaryArray) -> list[tuple[int, int] | None]:
    """`size` of each; those that begin as the first one does, up to its frame, have that one's."""
    if not len(images):
        return []
    head = _up_to_frame(images[0].as_py())
    borders = np.frombuffer(images.buffers()[1], np.int32)[images.offset :][: len(images) + 1]
    starts, lengths = borders[:-1], np.diff(borders)
    alike = np.full(len(images), len(head) > 0) & (lengths >= len(head))
    data = np.frombuffer(images.buffers()[2], np.uint8)
    begins = data[starts[alike, None] + np.arange(len(head))]
    alike[alike] = (begins == np.frombuffer(head, np.uint8)).all(1)
    told = [size(head)] * len(images)
    for row in np.flatnonzero(~alike).tolist():
        told[row] = size(images[row].as_py())
    return told


def _up_to_frame(data: bytes) -> bytes:
    """The part of a JPEG that tells its size; nothing of what isn't told so."""
    frame = data.find(b"\xff\xc0", 0, 4096)
    head = data[: frame + 9] if frame > 0 and data[:2] == b"\xff\xd8" else b""
    return head if head and jpeg(head)[0] == jpeg(data)[0] is not None else b""


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
