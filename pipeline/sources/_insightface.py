"""What InsightFace puts into a RecordIO file: images, identities as ranges of them, and a header record.

Keys of the .idx, n images of c identities:

    1 .. n           images, identity after identity; label: the identity's number (or [number, aligned])
    n+1 .. n+c       identities, without an image; labels: [first image, last image + 1]
    0                header, without an image; labels: [n + 1, n + c + 1]

`property`, a text file beside it: "<c>,<height>,<width>" on its first line. A shuffled file has no .idx, no
identities and no header. Layout: deepinsight/insightface, recognition/arcface_mxnet/common/rec_builder.py
and rec2shufrec.py (7fadd42), src/data/face2rec2.py (2a1bae5); recognition/arcface_torch/dataset.py reads it.
Checked against a set written by RecBuilder's steps with MXNet 1.9.1: .rec and .idx are equal to the byte.

Labels are float32, which holds whole numbers up to 2^24 only: beyond, the place of the identity whose range
holds an image tells what its label can't.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from pipeline import files
from pipeline.sources import SourceError
from pipeline.sources._recordio import Header, Ints, Labels, RecordError, pack, write

LOG = logging.getLogger(__name__)
EXACT = {"float32": 2**24, "float64": 2**53}  # whole numbers up to here are what they seem


class LabelError(ValueError):
    """A label that names nobody."""


def slack(values: Ints, labels: Labels) -> Ints:
    """By how much a whole number that was stored as this float may be off: half the distance to the next."""
    step = np.spacing(values.astype(labels)).astype(np.int64)
    return np.where(np.abs(values) > EXACT[labels], np.maximum(step // 2, 0), 0).astype(np.int64)


class Ranges:
    """Which images are whose, by the header's identities; `starts` and `ends` are keys of images."""

    def __init__(self, starts: Ints, ends: Ints, labels: Labels, where: str) -> None:
        self.labels = labels
        self.starts, self.ends = starts - slack(starts, labels), ends + slack(ends, labels)
        if (starts > ends).any() or (np.diff(self.starts) < 0).any() or (np.diff(self.ends) < 0).any():
            raise RecordError(f"{where}: its identities' ranges of images don't follow one another")

    def of(self, key: int, label: float) -> int | None:
        """The number of the one identity that may have image `key` of this label, None if it is unclear."""
        first = int(np.searchsorted(self.ends, key, "right"))
        last = int(np.searchsorted(self.starts, key, "right"))
        found = range(first, last)
        if len(found) > 1:  # at a border that is itself rounded, the label decides
            rounded = np.arange(first, last).astype(self.labels)
            found = [first + int(i) for i in np.flatnonzero(rounded == label)]  # type: ignore[assignment]
        return found[0] if len(found) == 1 else None


def identity(label: float, key: int, labels: Labels, ranges: Callable[[], Ranges | None]) -> str:
    """The identity that a label means, by the ranges where it is inexact; LabelError if none can be told."""
    if not float(label).is_integer() or label < 0:
        raise LabelError(f"label {label} is no identity: it should be a whole number from 0")
    if label < EXACT[labels]:
        return str(int(label))
    known = ranges()
    if known is None:
        raise LabelError(f"label {label:.0f} is beyond what {labels} holds, and the file has no identities")
    number = known.of(key, label)
    if number is None:
        raise LabelError(f"label {label:.0f} is beyond what {labels} holds, and so is its identity's range")
    # labels that are no places: both together name the identity, since neighbours share the rounded label
    return str(number) if np.asarray(number).astype(labels) == label else f"{label:.0f}/{number}"


def read_property(path: Path) -> dict[str, Any]:
    """What the first line of `property` says; an absent file says nothing."""
    if not path.is_file():
        return {}
    text = path.read_text(errors="replace")
    fields = text.splitlines()[0].split(",") if text else []
    if len(fields) != 3 or not all(field.strip().isdigit() for field in fields):
        raise SourceError(f"{path} line 1: should be '<identities>,<height>,<width>', is {text[:80]!r}")
    return dict(zip(("identities", "height", "width"), map(int, fields), strict=True))


class Packer:
    """Writes `stem`.rec, `stem`.idx and property: whole or not at all, identity after identity.

    Use as a context. The bytes are those of InsightFace's RecBuilder, given the same encoded images.
    """

    def __init__(
        self,
        folder: Path,
        stem: str = "train",
        size: tuple[int, int] = (112, 112),
        labels: Labels = "float32",
    ) -> None:
        self.folder, self.stem, self.size, self.labels = folder, stem, size, labels
        self.ranges: list[tuple[int, int]] = []
        self.index: list[tuple[int, int]] = []
        self.next = 1
        self._writing = files.writing(folder / f"{stem}.rec")
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Packer:
        self._file = self._writing.__enter__()
        return self

    def add(self, label: int, images: list[bytes]) -> None:
        """All images of one identity; labels count from 0, without a gap."""
        if label != len(self.ranges):
            raise RecordError(f"identity {label} follows {len(self.ranges) - 1}: labels count from 0")
        if label > EXACT[self.labels]:
            raise RecordError(f"label {label} is beyond what {self.labels} holds exactly: use float64 labels")
        first = self.next
        for image in images:
            self._write(self.next, Header((float(label),), self.next), image)
            self.next += 1
        self.ranges.append((first, self.next))

    def _write(self, key: int, header: Header, image: bytes = b"") -> None:
        if self._file is None:
            raise RecordError(f"{self.folder}: use the packer as a context, `with Packer(...) as packer`")
        self.index.append((key, self._file.tell()))
        write(self._file, pack(header, image, self.labels))

    def _close(self) -> None:
        first = self.next
        if first + len(self.ranges) > EXACT[self.labels]:
            LOG.warning("%s: %d images, %s rounds their ranges", self.folder, first - 1, self.labels)
        for start, end in self.ranges:
            self._write(self.next, Header((float(start), float(end)), self.next, flag=2))
            self.next += 1
        self._write(0, Header((float(first), float(self.next)), 0, 1, flag=2))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._close()
        self._writing.__exit__(kind, error, trace)
        if kind is None:
            files.write_text(
                self.folder / f"{self.stem}.idx", "".join(f"{key}\t{at}\n" for key, at in self.index)
            )
            height, width = self.size
            files.write_text(self.folder / "property", f"{len(self.ranges)},{height},{width}\n")
