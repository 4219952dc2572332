"""Image records of a RecordIO file, many at once, as rows that point into the file.

A compiled loop reads what each record says (label, where its image begins) and the size of its JPEG through
a memory map. Records that are not plain (in parts, cut off, of an unusual image or label) are left to the
reader of single records, which knows why. Nothing is copied, and most bytes of an image aren't looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.records import PLACED
from pipeline.records.places import PROBE
from pipeline.sources._image import MAX_PIXELS
from pipeline.sources._insightface import EXACT
from pipeline.sources._recordio import HEADERS, MAGIC, MAX_LENGTH, Ints, Labels

Bytes = npt.NDArray[np.uint8]
SHORTEST = 64  # bytes of a plain image


@numba.njit(cache=True, error_model="numpy")
def _word(data: Bytes, at: int) -> int:
    """The little-endian uint32 at byte `at`."""
    low, high = (
        np.int64(data[at]) | np.int64(data[at + 1]) << 8,
        np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8,
    )
    return int(low | high << 16)


@numba.njit(cache=True, error_model="numpy")
def _short(data: Bytes, at: int) -> int:
    """The big-endian uint16 at byte `at`."""
    return int(np.int64(data[at]) << 8 | np.int64(data[at + 1]))


@numba.njit(cache=True, error_model="numpy")
def _size(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """(width, height) of the JPEG in bytes `at` to `end`, as `records.images.jpeg`; zeros if not plain."""
    width, height = 0, 0
    if _short(data, at) != 0xFFD8 or _short(data, end - 2) != 0xFFD9:
        return 0, 0
    at += 2
    while at + 9 <= end and data[at] == 0xFF:
        marker = np.int64(data[at + 1])
        if marker == 0xDA:  # the scans
            return width, height
        if marker in (0x01, 0xE1, 0xFF) or 0xD0 <= marker < 0xDA:  # alone or fill; EXIF may turn the image
            return 0, 0
        if 0xC0 <= marker < 0xD0 and marker not in (0xC4, 0xC8, 0xCC) and width == 0:
            height, width = _short(data, at + 5), _short(data, at + 7)
        at += 2 + max(2, _short(data, at + 2))
    return 0, 0


@numba.njit(cache=True, error_model="numpy")
def _look(
    data: Bytes, offsets: Ints, header: int, width: int, images: Ints, labels: Bytes, marks: Bytes
) -> None:
    """Of plain records: `images` (start, length, width, height), bytes of the label and of `places.mark`.

    An image record's header is `header` bytes long before a vector of labels, `width` bytes each; a single
    label stands before its last 16 bytes. Where `images` has no length the record isn't plain.
    """
    probe = marks.shape[1] // 2
    for row in range(len(offsets)):
        at = offsets[row]
        if at < 0 or at + 8 + header + width > len(data) or _word(data, at) != MAGIC:
            continue
        length, flag = _word(data, at + 4), _word(data, at + 8)
        start, end = at + 8 + header + flag * width, at + 8 + length
        if length > MAX_LENGTH or end > len(data) or end - start < SHORTEST:  # the upper bits mark parts
            continue
        images[row, 0], images[row, 1] = start, end - start
        images[row, 2], images[row, 3] = _size(data, start, end)
        label = at + 8 + (header if flag else header - 16 - width)
        labels[row] = data[label : label + width]
        middle = start + (end - start) // 2
        marks[row, :probe] = data[middle : middle + probe]
        marks[row, probe:] = data[end - 2 - probe : end - 2]


@dataclass(frozen=True)
class Plain:
    """Which of some records are plain, and of these what follows."""

    good: npt.NDArray[np.bool_]
    images: Ints  # (n, 4) byte, length, width, height
    labels: Ints
    marks: Bytes

    def table(self, keys: Ints, file: str, whole: bool) -> pa.Table:
        """Rows in columns of `records.PLACED`; `whole` gives each the box of its image."""
        rows = len(keys)
        marks = [None, pa.py_buffer(self.marks.tobytes())]
        known: dict[str, pa.Array] = {
            "sample_id": pc.utf8_lpad(pa.array(keys).cast(pa.string()), 8, "0"),
            "identity": pa.array(self.labels).cast(pa.string()),
            "file": pa.repeat(file, rows),
            "offset": pa.array(self.images[:, 0]),
            "length": pa.array(self.images[:, 1]),
            "mark": pa.FixedSizeBinaryArray.from_buffers(pa.binary(2 * PROBE), rows, marks),
        }
        if whole:
            box = np.concatenate([np.full((rows, 2), -0.5), self.images[:, 2:]], 1)
            known["box"] = pa.FixedSizeListArray.from_arrays(box.astype(np.float32).ravel(), 4)
        known |= {name: pa.nulls(rows, PLACED.field(name).type) for name in ("name", "image")}
        return pa.Table.from_arrays([*known.values()], schema=pa.schema(map(PLACED.field, known)))


class Records:
    """A .rec file in memory, as far as it is looked at."""

    def __init__(self, path: Path, labels: Labels) -> None:
        self.labels = labels
        self.data: Bytes = np.asarray(np.memmap(path, np.uint8, "r"))

    def plain(self, offsets: Ints) -> Plain:
        """What the records at `offsets` hold; negative ones are left out."""
        kind, rows = np.dtype(self.labels), len(offsets)
        images, labels = np.zeros((rows, 4), np.int64), np.zeros((rows, kind.itemsize), np.uint8)
        marks = np.zeros((rows, 2 * PROBE), np.uint8)
        _look(self.data, offsets, HEADERS[self.labels].size, kind.itemsize, images, labels, marks)
        label = labels.view(kind.newbyteorder("<"))[:, 0]
        pixels = images[:, 2] * images[:, 3]
        good = (pixels > 0) & (pixels <= MAX_PIXELS)
        good &= (label == np.floor(label)) & (label >= 0) & (label < EXACT[self.labels])
        return Plain(good, images[good], label[good].astype(np.int64), marks[good])
