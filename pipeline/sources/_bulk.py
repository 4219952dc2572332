"""Image records of a RecordIO file, many at once, as rows that point into the file.

A compiled loop reads the file in blocks, in its order, and takes from them what each record says (label,
where its image begins) and the size of its JPEG. For images of a few kilobytes whole blocks are faster than
the parts of them that are needed; a memory map would be faster still, but a file that is cut while it is
mapped ends the process. Records that are not plain (in parts, cut off, longer than a block, of an unusual
image or label) are left to the reader of single records, which knows why.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from numba import types

from pipeline.compiled import compiled
from pipeline.records import PLACED
from pipeline.records.places import PROBE
from pipeline.sources._image import MAX_PIXELS
from pipeline.sources._insightface import EXACT
from pipeline.sources._recordio import HEADERS, MAGIC, MAX_LENGTH, Ints, Labels

Bytes = npt.NDArray[np.uint8]
SHORTEST = 64  # bytes of a plain image
BLOCK = 1 << 18  # bytes that are read at a time, few enough to stay near the processor
# file, address, bytes, offset: POSIX's; called from Python, it and the loop would cost a third more
_pread: Any = types.ExternalFunction("pread", types.intp(types.int32, types.uintp, types.uintp, types.int64))


@compiled
def _word(data: Bytes, at: int) -> int:
    """The little-endian uint32 at byte `at`."""
    low, high = (
        np.int64(data[at]) | np.int64(data[at + 1]) << 8,
        np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8,
    )
    return int(low | high << 16)


@compiled
def _short(data: Bytes, at: int) -> int:
    """The big-endian uint16 at byte `at`."""
    return int(np.int64(data[at]) << 8 | np.int64(data[at + 1]))


@compiled
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


@compiled
def _read(file: int, data: Bytes, begin: int, ends: Ints) -> int:
    """Fills `data` from byte `begin` of the file up to the last of `ends` that it holds; bytes read."""
    size, row = min(ends[0] - begin, len(data)), 1
    while row < len(ends) and ends[row] - begin <= len(data):
        size, row = ends[row] - begin, row + 1
    return int(max(0, _pread(file, data.ctypes.data, size, begin)))


@compiled
def _look(
    file: int, rows: Ints, begins: Ints, ends: Ints, header: int, images: Ints, labels: Bytes, marks: Bytes
) -> None:
    """Of plain records: `images` (start, length, width, height), bytes of the label and of `places.mark`.

    They lie from `begins` to at most `ends`, both ascending, and are told of at `rows`. An image record's
    header is `header` bytes long before a vector of labels; a single label stands before its last 16 bytes.
    Where `images` has no length the record isn't plain.
    """
    data, width, probe = np.empty(BLOCK, np.uint8), labels.shape[1], marks.shape[1] // 2
    first, size = 0, 0  # bytes of the file that `data` holds
    for place, row in enumerate(rows):
        if ends[place] > first + size:
            first = begins[place]
            size = _read(file, data, first, ends[place:])
        at = begins[place] - first
        if at + 8 + header + width > size or _word(data, at) != MAGIC:
            continue
        length, flag = _word(data, at + 4), _word(data, at + 8)
        start, end = at + 8 + header + flag * width, at + 8 + length
        if length > MAX_LENGTH or end > size or end - start < SHORTEST:  # the upper bits mark parts
            continue
        images[row, 0], images[row, 1] = first + start, end - start
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
    """The records of a .rec file that begin at `begins`: each ends before the next one begins."""

    def __init__(self, path: Path, labels: Labels, begins: Ints) -> None:
        self.path, self.labels = path, labels
        self.borders = np.append(np.sort(begins), np.iinfo(np.int64).max)

    def plain(self, offsets: Ints) -> Plain:
        """What the records at `offsets` hold; negative ones are left out. For any thread."""
        kind, count = np.dtype(self.labels), len(offsets)
        images, labels = np.zeros((count, 4), np.int64), np.zeros((count, kind.itemsize), np.uint8)
        marks = np.zeros((count, 2 * PROBE), np.uint8)
        rows = np.argsort(offsets, kind="stable")
        rows = rows[offsets[rows] >= 0]
        begins = offsets[rows]
        ends = self.borders[np.searchsorted(self.borders, begins, "right")]
        with open(self.path, "rb", buffering=0) as file:
            _look(file.fileno(), rows, begins, ends, HEADERS[self.labels].size, images, labels, marks)
        label = labels.view(kind.newbyteorder("<"))[:, 0]
        pixels = images[:, 2] * images[:, 3]
        good = (pixels > 0) & (pixels <= MAX_PIXELS)
        good &= (label == np.floor(label)) & (label >= 0) & (label < EXACT[self.labels])
        kept = slice(None) if good.all() else good
        return Plain(good, images[kept], label[kept].astype(np.int64), marks[kept])
