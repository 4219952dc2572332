"""InsightFace's training sets: faces in a RecordIO file (train.rec, train.idx, property), without MXNet.

A sample's id is its record's key, its identity the number that its label says. The order is that of the keys.
Without an .idx the file is read through once, for the ids in its records (in its own order if ids repeat).
A damaged file is an error that names record and byte; a record without a usable image or label is set aside.
Layouts: `_recordio` and `_insightface`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import threads
from pipeline.records import ROWS_PER_SHARD, Sample
from pipeline.records.places import Place
from pipeline.sources import Skipped, SourceError, _bulk, _image
from pipeline.sources._image import Check, Images
from pipeline.sources._index import read_index
from pipeline.sources._insightface import EXACT, LabelError, Ranges, identity, read_property
from pipeline.sources._recordio import (
    HEAD,
    HEADERS,
    Header,
    Ints,
    Labels,
    Reader,
    header_size,
    unpack,
)
from pipeline.strict import Inside

LOG = logging.getLogger(__name__)
READERS = 2  # threads: while one waits for the file the other looks at what it read


class Params(Images):
    """Which file."""

    file: Inside = "train.rec"  # in the dataset's folder, its .idx and property beside it
    labels: Labels = "float32"  # float64: packed with the wide header "IdQQ"


class RecordSource:
    """Samples in the order of their keys."""

    def __init__(
        self,
        path: Path,
        labels: Labels = "float32",
        box: str = "none",
        check: Check = "header",
        where: str | None = None,
    ) -> None:
        if not path.is_file():
            raise SourceError(f"{path} does not exist: put a .rec there, or a link to one")
        self.path, self.labels, self.box, self.check = path, labels, box, check
        self.where = where or path.name  # the file's own path below the dataset's raw folder
        self.reader = Reader(path)
        self.property = read_property(path.with_name("property"))
        index = path.with_suffix(".idx")
        self.indexed = index.is_file()
        keys, offsets = read_index(index, self.reader.size) if self.indexed else self._scanned()
        order = np.argsort(keys, kind="stable")
        self.keys, self.offsets = keys[order], offsets[order]
        self.header = self._header()
        self.images = self._images()
        self._ranges: Ranges | None = None

    def _scanned(self) -> tuple[Ints, Ints]:
        """Keys and bytes without an .idx: the records' ids, or their places where ids repeat."""
        found = [(self._unpack(data, at, None)[0].id, at) for at, data in self.reader.scan()]
        ids, offsets = np.array(found, np.uint64).reshape(-1, 2).T
        if len(np.unique(ids)) == len(ids) and not (ids > 2**62).any():
            return ids.astype(np.int64), offsets.astype(np.int64)
        LOG.warning("%s has no .idx and its ids repeat: records are counted from 0", self.path)
        return np.arange(len(offsets), dtype=np.int64), offsets.astype(np.int64)

    def _unpack(self, data: bytes, offset: int, key: int | None) -> tuple[Header, bytes]:
        try:
            return unpack(data, self.labels)
        except ValueError as error:
            raise self.reader.error(offset, str(error), key) from error

    def _record(self, place: int) -> tuple[Header, bytes]:
        key, offset = int(self.keys[place]), int(self.offsets[place])
        return self._unpack(self.reader.at(offset, key), offset, key)

    def _header(self) -> tuple[int, int] | None:
        """Keys of the identities, [first, last + 1), as record 0 says them."""
        if not len(self.keys) or self.keys[0] != 0:
            return None
        header, content = self._record(0)
        if header.flag != 2 or content:
            return None
        first, end = header.label
        if not (first == first and end == end and 1 <= first <= end < 2**62):
            raise self.reader.error(int(self.offsets[0]), f"the header's identities are {first} to {end}", 0)
        return int(first), int(end)

    def _images(self) -> Ints:
        """Places of the records that hold images."""
        if self.header is None:
            return np.arange(len(self.keys))
        if self.header[1] <= EXACT[self.labels]:
            return np.flatnonzero((self.keys >= 1) & (self.keys < self.header[0]))
        ends = np.append(np.sort(self.offsets), self.reader.size)  # rounded keys: identities have no image
        length = ends[np.searchsorted(ends, self.offsets, "right")] - self.offsets
        empty = HEAD.size + HEADERS[self.labels].size + 2 * np.dtype(self.labels).itemsize
        return np.flatnonzero((self.keys >= 1) & (length != empty))

    def ranges(self) -> Ranges | None:
        """Of the identities; read when first asked for."""
        if self._ranges is None and self.header is not None:
            others = np.setdiff1d(np.flatnonzero(self.keys > 0), self.images)
            told = [self._record(int(place))[0] for place in others]
            if not all(header.flag == 2 and np.isfinite(header.label).all() for header in told):
                raise SourceError(f"{self.path}: an identity's record has no range of images")
            both = np.array([header.label for header in told], np.float64).reshape(-1, 2).astype(np.int64)
            self._ranges = Ranges(both[:, 0], both[:, 1], self.labels, str(self.path))
        return self._ranges

    def __len__(self) -> int:
        return len(self.images)

    def samples(self) -> Iterator[Sample | Skipped]:
        for place in self.images.tolist():
            yield self._sample(place)

    def _sample(self, place: int) -> Sample | Skipped:
        header, data = self._record(place)
        key, offset = int(self.keys[place]), int(self.offsets[place])
        sample_id = f"{key:08d}"
        try:
            who = identity(header.label[0], key, self.labels, self.ranges)
        except LabelError as error:
            return Skipped(sample_id, str(error))
        start = offset + HEAD.size + header_size(header, self.labels)
        there = Place(self.where, start, len(data)) if self.reader.is_whole(offset) else None
        return _image.sample(sample_id, data, self.box, self.check, identity=who, place=there)

    def tables(self) -> Iterator[pa.Table | Sample | Skipped]:
        """What `samples` yields, in its order: runs of plain records as tables that point into the file."""
        if self.check == "decode":
            yield from self.samples()
            return
        records = _bulk.Records(self.path, self.labels, self.offsets)

        def plain(places: Ints) -> _bulk.Plain:
            return records.plain(np.where(self.keys[places] < 0, -1, self.offsets[places]))

        stretches = np.split(self.images, range(ROWS_PER_SHARD, len(self.images), ROWS_PER_SHARD))
        both = zip(stretches, threads.ahead(plain, stretches, READERS), strict=True)
        for places, found in both:
            rows = found.table(self.keys[places[found.good]], self.where, self.box == "whole")
            at = 0
            for run in np.split(np.arange(len(places)), np.flatnonzero(np.diff(found.good)) + 1):
                if len(run) and found.good[run[0]]:
                    yield rows.slice(at, len(run))
                    at += len(run)
                else:
                    yield from map(self._sample, places[run].tolist())

    def pairs(self) -> list[dict[str, Any]]:
        return []

    def about(self) -> dict[str, Any]:
        told: dict[str, Any] = {"records": len(self.keys), "index": self.indexed}
        if self.header is not None:
            told["identities_in_header"] = self.header[1] - self.header[0]
        return {**told, **({"property": self.property} if self.property else {})}


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> RecordSource:
    path, where = (raw / params.file, params.file) if raw.is_dir() else (raw, ".")
    return RecordSource(path, params.labels, params.box, params.check, where)
