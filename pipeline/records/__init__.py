"""The one table schema of samples, in shards of Arrow IPC that are read through a memory map.

A dataset is a folder: `part-00000.arrow` ..., `set_aside.parquet` (what could not be used, and why),
`pairs.parquet` (its pair lists, if it has any), `dataset.json` (what it is), and a file for each of
`LISTS` that it has: templates of several images, pairs of templates, searches in galleries.
Coordinates are pixels of the stored image, x to the right, y down, the centre of the first pixel at 0.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline import files
from pipeline.records.images import BadImageError, Image, decode, encode, is_whole

__all__ = ["BadImageError", "Image", "decode", "encode", "is_whole"]  # with all that stands below

SCHEMA = pa.schema(
    [
        pa.field("sample_id", pa.string(), nullable=False),
        pa.field("identity", pa.string()),  # null: nobody knows who this is
        pa.field("name", pa.string()),  # the person's name in the world, for overlap by name
        pa.field("image", pa.binary(), nullable=False),  # encoded: JPEG, PNG ...
        pa.field("box", pa.list_(pa.float32(), 4)),  # x, y, width, height
        pa.field("points5", pa.list_(pa.float32(), 10)),  # x, y of eyes, nose, mouth corners
        pa.field("points68", pa.list_(pa.float32(), 136)),  # x, y in the iBUG order
        pa.field("age", pa.float32()),  # years
        pa.field("gender", pa.int8()),  # 0 female, 1 male
        pa.field("race", pa.int8()),  # 0..4, see annotators
        pa.field("yaw", pa.float32()),  # degrees, positive: the face looks to image right
        pa.field("pitch", pa.float32()),  # degrees, positive: up
        pa.field("roll", pa.float32()),  # degrees, positive: clockwise in the image
        pa.field("visible68", pa.list_(pa.bool_(), 68)),  # which of the 68 points nothing hides
    ]
)
TEXT = pa.string()


def _full(*fields: tuple[str, pa.DataType]) -> pa.Schema:
    """Columns without nulls."""
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in fields])


PAIRS = _full(("protocol", TEXT), ("fold", pa.int16()), ("a", TEXT), ("b", TEXT), ("same", pa.bool_()))
# What templates are made of, a row an image. Images of one medium are frames of one video.
TEMPLATES = _full(("template", TEXT), ("identity", TEXT), ("sample_id", TEXT), ("media", TEXT))
TEMPLATE_PAIRS = _full(("protocol", TEXT), ("a", TEXT), ("b", TEXT), ("same", pa.bool_()))  # of templates
# 1:N. Roles: gallery, distractor (in the gallery, nobody's mate); of probes: mated, unmated.
SEARCHES = _full(("protocol", TEXT), ("role", TEXT), ("template", TEXT))
LISTS = {"templates": TEMPLATES, "template_pairs": TEMPLATE_PAIRS, "searches": SEARCHES}
SET_ASIDE = pa.schema([pa.field("sample_id", pa.string()), pa.field("reason", pa.string())])
ROWS_PER_SHARD = 4096
BYTES_PER_SHARD = 256 * 2**20  # of images: bounds memory, and Arrow's binary columns end at 2 GiB


@dataclass
class Sample:
    """One row, as sources yield it. Arrays are flat lists or None."""

    sample_id: str
    image: bytes
    identity: str | None = None
    name: str | None = None
    box: Sequence[float] | None = None
    points5: Sequence[float] | None = None
    points68: Sequence[float] | None = None
    age: float | None = None
    gender: int | None = None
    race: int | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll: float | None = None
    visible68: Sequence[bool] | None = None


@dataclass
class Writer:
    """Collects samples and writes a dataset folder: whole, or not at all (use inside `create`)."""

    folder: Path
    rows_per_shard: int = ROWS_PER_SHARD
    count: int = 0
    set_aside: list[dict[str, str]] = field(default_factory=list)
    bytes_per_shard: int = BYTES_PER_SHARD
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _bytes: int = 0
    _shards: int = 0

    def add(self, sample: Sample) -> None:
        self._rows.append(vars(sample).copy())
        self._bytes += len(sample.image)
        self.count += 1
        if len(self._rows) >= self.rows_per_shard or self._bytes >= self.bytes_per_shard:
            self._write()

    def skip(self, sample_id: str, reason: str) -> None:
        """Set a sample aside: it is counted and listed, never silently dropped."""
        self.set_aside.append({"sample_id": sample_id, "reason": reason})

    def adopt(self, shards: Iterable[Path], count: int) -> None:
        """Take over finished shards with `count` rows in all: by a link, where the file system has them."""
        self.flush()
        for shard in shards:
            try:
                os.link(shard, self._next())
            except OSError:  # another file system, or one without links
                shutil.copyfile(shard, self._next())
            self._shards += 1
        self.count += count

    def _next(self) -> Path:
        return self.folder / f"part-{self._shards:05d}.arrow"

    def flush(self) -> None:
        """Write what waits for a full shard."""
        if self._rows:
            self._write()

    def _write(self) -> None:
        table = pa.Table.from_pylist(self._rows, SCHEMA)
        with pa.OSFile(str(self._next()), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as writer:
            writer.write_table(table)
        self._shards += 1
        self._rows.clear()
        self._bytes = 0

    def close(
        self,
        about: Mapping[str, Any],
        pairs: pa.Table | None = None,
        lists: Mapping[str, pa.Table] | None = None,
    ) -> None:
        self.flush()
        if not self._shards:
            self._write()
        _check_ids(sorted(self.folder.glob("part-*.arrow")))
        write_parquet(self.folder / "set_aside.parquet", pa.Table.from_pylist(self.set_aside, SET_ASIDE))
        write_parquet(self.folder / "pairs.parquet", PAIRS.empty_table() if pairs is None else pairs)
        for name, table in (lists or {}).items():
            write_parquet(self.folder / f"{name}.parquet", table.cast(LISTS[name]))
        told = {**about, "count": self.count, "set_aside": len(self.set_aside)}
        files.write_json(self.folder / "dataset.json", told)


def _check_ids(parts: Iterable[Path]) -> None:
    """Raise if two rows have one id, adopted rows included. Takes 16 MB per million rows: hashes, sorted."""
    columns = [pa.ipc.open_file(pa.memory_map(str(part))).read_all()["sample_id"] for part in parts]
    hashed = [pd.util.hash_array(ids.to_numpy(), categorize=False) for ids in columns]
    met = (every := np.sort(np.concatenate(hashed)))[1:][every[1:] == every[:-1]]
    both = zip(columns, hashed, strict=True)  # ids themselves only where hashes meet
    times = Counter(name for ids, known in both for name in ids.to_numpy()[np.isin(known, met)])
    for name, count in times.most_common(1):
        if count > 1:
            raise ValueError(
                f"{count} samples have the id {name!r}: each needs its own (a file listed twice?)"
            )


class TooManySetAsideError(ValueError):
    """More of a dataset is unusable than `limits.set_aside` allows."""


def check_set_aside(set_aside: Sequence[Mapping[str, str]], total: int, limit: float, where: str) -> None:
    """Raise if more than the share `limit` of `total` samples is set aside."""
    if total and len(set_aside) > limit * total:
        first = "; ".join(f"{row['sample_id']}: {row['reason']}" for row in set_aside[:3])
        raise TooManySetAsideError(
            f"{where}: {len(set_aside)} of {total} samples ({len(set_aside) / total:.1%}) were set aside, "
            f"limits.set_aside allows {limit:.1%}. The first: {first}"
        )


def write_parquet(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    files.write_with(path, lambda file: pq.write_table(table, file))


def read_parquet(path: str | Path) -> pd.DataFrame:
    return pd.read_parquet(path)


class Dataset:
    """A dataset folder, memory-mapped: nothing is read until it is asked for."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        parts = sorted(self.folder.glob("part-*.arrow"))
        if not parts:
            raise FileNotFoundError(f"{self.folder} holds no dataset (no part-*.arrow)")
        self.about: dict[str, Any] = files.read_json(self.folder / "dataset.json")
        self.table: pa.Table = pa.concat_tables(
            pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in parts
        )
        self._images = self.table.column("image").chunks
        self._starts = np.cumsum([0, *(len(chunk) for chunk in self._images)])

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def image_bytes(self, row: int) -> pa.Buffer:
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._images[chunk][int(row - self._starts[chunk])].as_buffer()

    def image(self, row: int) -> Image:
        return decode(self.image_bytes(row))

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Every column but the image bytes, or those asked for."""
        wanted = list(columns or [n for n in SCHEMA.names if n in self.table.column_names and n != "image"])
        return self.table.select(wanted).to_pandas()

    def points(self, column: str) -> npt.NDArray[np.float32]:
        """(rows, k, 2) of `points5` or `points68`, NaN where a face has none."""
        size = SCHEMA.field(column).type.list_size
        values = [np.full(size, np.nan) if v is None else v for v in self.table.column(column).to_pylist()]
        return np.asarray(values, np.float32).reshape(-1, size // 2, 2)

    def rows(self, start: int, stop: int) -> list[Sample]:
        """Rows `start` to `stop` (not included) as samples, images and all."""
        return [Sample(**row) for row in self.table.slice(start, max(0, stop - start)).to_pylist()]

    def samples(self) -> Iterator[Sample]:
        """Every row as a `Sample`, a batch of rows in memory at a time."""
        for start in range(0, len(self), 256):
            yield from self.rows(start, start + 256)

    def pairs(self) -> pd.DataFrame:
        return read_parquet(self.folder / "pairs.parquet")

    def lists(self) -> dict[str, pa.Table]:
        """Those of `LISTS` that the dataset has, by name."""
        import pyarrow.parquet as pq

        paths = {name: self.folder / f"{name}.parquet" for name in LISTS}
        return {one: pq.read_table(path, schema=LISTS[one]) for one, path in paths.items() if path.exists()}

    def set_aside(self) -> pd.DataFrame:
        return read_parquet(self.folder / "set_aside.parquet")


def pair_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), PAIRS)
