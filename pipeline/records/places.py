"""Images that lie in raw files: where, and how they are read back.

An image of `length` bytes at byte `offset` of a raw file need not be copied. What a raw file holds may change
behind a table that points into it, so that each row keeps a mark of its image as well:

    mark    8 bytes from the middle of the image, then the 8 bytes before its last two

(zeros where it is shorter). A JPEG's last two bytes are the same in all, those before them are its pixels'.
Other bytes at a place are an error, never an image; so is a file that is gone or ends too early.
"""

from __future__ import annotations

import os
import weakref
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

PROBE = 8  # bytes that a mark takes from each of two spots
OPEN = 64  # raw files that are kept open
STRETCH = 2**30  # bytes that are read as one, at most
SHORTEST = 2 * PROBE + 2  # bytes of an image whose mark has no zeros in place of bytes
Ints = npt.NDArray[np.int64]


class ChangedError(ValueError):
    """A raw file that is not what it was when it was indexed."""


class Place(NamedTuple):
    """Where an image lies: a file below the dataset's raw folder ("." is the folder's place itself)."""

    file: str
    offset: int
    length: int


def mark(image: bytes) -> bytes:
    """16 bytes that tell this image from others."""
    end = max(0, len(image) - 2)
    middle = image[len(image) // 2 :][:PROBE]
    return middle.ljust(PROBE, b"\0") + image[max(0, end - PROBE) : end].rjust(PROBE, b"\0")


def marks(images: bytes, borders: Ints) -> npt.NDArray[np.uint8]:
    """(n, 16) marks of images between n + 1 `borders`, each of `SHORTEST` bytes or more."""
    starts, ends = borders[:-1], borders[1:]
    spots = np.stack([starts + (ends - starts) // 2, ends - 2 - PROBE], 1)
    return np.frombuffer(images, np.uint8)[spots[:, :, None] + np.arange(PROBE)].reshape(-1, 2 * PROBE)


class _Open:
    """A file that is read from any number of threads; it is closed with the last reference to it."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self.number)


class RawFiles:
    """The raw files of a dataset, read at random. `root` is its raw folder, or the one file that it is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open = lru_cache(OPEN)(lambda file: _Open(root / file))

    def read(self, place: Place, expected: bytes, sample_id: str) -> bytes:
        """The image at `place`, if its mark is the one `expected`."""
        try:
            image = os.pread(self._open(place.file).number, place.length, place.offset)
        except OSError as error:
            raise self._changed(place, sample_id, f"can't be read ({error.strerror})") from error
        if len(image) < place.length:
            raise self._changed(place, sample_id, f"ends before byte {place.offset + place.length}")
        if mark(image) != expected:
            raise self._changed(place, sample_id, f"holds something else at byte {place.offset}")
        return image

    def read_run(self, places: pa.Table) -> pa.Array | None:
        """Images that follow one another in a file, read as one; None if they don't or one has changed."""
        files, offsets, lengths = (places[name].to_numpy() for name in Place._fields)
        if not len(files) or files[0] is None or (files != files[0]).any():
            return None
        starts = offsets - offsets[0]
        ends, most = starts + lengths, min(2 * lengths.sum(), STRETCH)
        if lengths.min() < SHORTEST or (starts[1:] < ends[:-1]).any() or ends[-1] > most:
            return None
        try:
            data = os.pread(self._open(files[0]).number, int(ends[-1]), int(offsets[0]))
        except OSError:
            return None
        both = zip(starts.tolist(), ends.tolist(), strict=True)
        images = b"".join([memoryview(data)[start:end] for start, end in both])
        borders = np.append(0, np.cumsum(lengths))
        expected = np.frombuffer(b"".join(places["mark"].to_pylist()), np.uint8)
        if len(images) < borders[-1] or (marks(images, borders).ravel() != expected).any():
            return None
        buffers = map(pa.py_buffer, (borders.astype(np.int32), images))
        return pa.Array.from_buffers(pa.binary(), len(files), [None, *buffers])

    def _changed(self, place: Place, sample_id: str, what: str) -> ChangedError:
        return ChangedError(
            f"{self.root / place.file} {what}: sample {sample_id} was there when the dataset was ingested; "
            "put the file back, or ingest it again"
        )
