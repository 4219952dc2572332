"""The one table schema of samples, in shards of Arrow IPC that are read through a memory map.

A dataset is a folder: `part-00000.arrow` ..., `set_aside.parquet` (what could not be used, and why),
`pairs.parquet` (its pair lists, if it has any), `dataset.json` (what it is), and a file for each of
`LISTS` that it has: templates of several images, pairs of templates, searches in galleries, splits.
A row holds its image, or (columns of `PLACED`) says where in a raw file it lies: see `places`.
Coordinates are pixels of the stored image, x to the right, y down, the centre of the first pixel at 0.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline import files
from pipeline.records.ids import check_ids
from pipeline.records.images import BadImageError, Image, decode, encode, is_whole
from pipeline.records.places import Place, RawFiles, mark
from pipeline.records.schema import (
    IMAGE,
    LISTS,
    OPTIONAL,
    ORIGINS,
    ORIGINS_FILE,
    PAIRS,
    PLACE,
    PLACED,
    SCHEMA,
    SEARCHES,
    SET_ASIDE,
    SPLITS,
    TEMPLATE_PAIRS,
    TEMPLATES,
)

__all__ = [  # with all that is defined below
    "LISTS", "ORIGINS", "ORIGINS_FILE", "PAIRS", "PLACED", "SCHEMA", "SEARCHES", "SET_ASIDE", "SPLITS",
    "TEMPLATES", "TEMPLATE_PAIRS", "BadImageError", "Image", "decode", "encode", "is_whole",
]  # fmt: skip

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
    place: Place | None = field(default=None, compare=False)  # where else its image lies: not to be copied

    def row(self) -> dict[str, Any]:
        """What is written of it."""
        row = vars(self).copy()
        if (place := row.pop("place")) is not None:
            row |= {"image": None, **place._asdict(), "mark": mark(self.image)}
        return row


@dataclass
class Writer:
    """Collects samples and writes a dataset folder: whole, or not at all (use inside `create`)."""

    folder: Path
    rows_per_shard: int = ROWS_PER_SHARD
    count: int = 0
    set_aside: list[dict[str, str]] = field(default_factory=list)
    bytes_per_shard: int = BYTES_PER_SHARD
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _tables: list[pa.Table] = field(default_factory=list)  # rows before those
    _bytes: int = 0
    _shards: int = 0

    def add(self, sample: Sample) -> None:
        self._rows.append(sample.row())
        self._bytes += 0 if sample.place else len(sample.image)
        self._added(1)

    def extend(self, table: pa.Table) -> None:
        """Add many rows at once, in columns of `SCHEMA` or `PLACED`; those that are absent are null."""
        self._pack()
        self._tables.append(table)
        self._bytes += table["image"].nbytes
        self._added(table.num_rows)

    def _added(self, rows: int) -> None:
        self.count += rows
        waiting = len(self._rows) + sum(table.num_rows for table in self._tables)
        if waiting >= self.rows_per_shard or self._bytes >= self.bytes_per_shard:
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
        if self._rows or self._tables:
            self._write()

    def _pack(self) -> None:
        """Rows become a table; without a place in any of them it has no columns for one."""
        if self._rows:
            placed = any("file" in row for row in self._rows)
            self._tables.append(pa.Table.from_pylist(self._rows, PLACED if placed else SCHEMA))
            self._rows.clear()

    def _write(self) -> None:
        self._pack()
        table = pa.concat_tables(self._tables or [SCHEMA.empty_table()], promote_options="default")
        if len(self._tables) > 1:
            table = table.combine_chunks()  # read as one
        if "file" in table.column_names:  # an index is small, and its columns of nulls would not be
            empty = [name for name in OPTIONAL if name in table.column_names and _is_null(table[name])]
            table = table.drop_columns(empty)
        with pa.OSFile(str(self._next()), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        self._shards += 1
        self._tables.clear()
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
        check_ids(sorted(self.folder.glob("part-*.arrow")))
        write_parquet(self.folder / "set_aside.parquet", pa.Table.from_pylist(self.set_aside, SET_ASIDE))
        write_parquet(self.folder / "pairs.parquet", PAIRS.empty_table() if pairs is None else pairs)
        for name, table in (lists or {}).items():
            write_parquet(self.folder / f"{name}.parquet", table.cast(LISTS[name]))
        told = {**about, "count": self.count, "set_aside": len(self.set_aside)}
        files.write_json(self.folder / "dataset.json", told)


def _is_null(column: pa.ChunkedArray) -> bool:
    return bool(column.null_count == len(column))


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
    """A dataset folder, memory-mapped: nothing is read until it is asked for.

    `raw` is where the raw files lie that its rows point into: needed for such images, and for them alone.
    """

    def __init__(self, folder: str | Path, raw: str | Path | None = None) -> None:
        self.folder = Path(folder)
        parts = sorted(self.folder.glob("part-*.arrow"))
        if not parts:
            raise FileNotFoundError(f"{self.folder} holds no dataset (no part-*.arrow)")
        self.about: dict[str, Any] = files.read_json(self.folder / "dataset.json")
        self.table: pa.Table = pa.concat_tables(
            (pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in parts),
            promote_options="default",
        )
        self._raw = None if raw is None else RawFiles(Path(raw))
        self._images = self.table.column("image").chunks
        self._starts = np.cumsum([0, *(len(chunk) for chunk in self._images)])

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def image_bytes(self, row: int) -> pa.Buffer:
        chunk = int(np.searchsorted(self._starts, row, side="right")) - 1
        image = self._images[chunk][int(row - self._starts[chunk])]
        return image.as_buffer() if image.is_valid else pa.py_buffer(self.rows(row, row + 1)[0].image)

    def image(self, row: int) -> Image:
        return decode(self.image_bytes(row))

    def frame(self, columns: Sequence[str] | None = None, rows: range | None = None) -> pd.DataFrame:
        """Every column but the image bytes, or those asked for; of all rows, or of a stretch of them."""
        wanted = list(columns or [n for n in SCHEMA.names if n in self.table.column_names and n != "image"])
        table = self.table.select(wanted)
        return (table if rows is None else table.slice(rows.start, len(rows))).to_pandas()

    def points(self, column: str) -> npt.NDArray[np.float32]:
        """(rows, k, 2) of `points5` or `points68`, NaN where a face has none."""
        size = SCHEMA.field(column).type.list_size
        values = [np.full(size, np.nan) if v is None else v for v in self.table.column(column).to_pylist()]
        return np.asarray(values, np.float32).reshape(-1, size // 2, 2)

    def rows(self, start: int, stop: int) -> list[Sample]:
        """Rows `start` to `stop` (not included) as samples, images and all."""
        return [self._sample(row) for row in self.table.slice(start, max(0, stop - start)).to_pylist()]

    def _sample(self, row: dict[str, Any]) -> Sample:
        place = [row.pop(name, None) for name in PLACE]
        return Sample(**row | {"image": self._image(row["image"], row["sample_id"], *place)})

    def _image(self, copied: bytes | None, sample_id: str, *place: Any) -> bytes:
        """Of a row that has its image, or place and mark of it."""
        if copied is not None:
            return copied
        if self._raw is None:
            raise ValueError(f"{self.folder}: its images lie in raw files; say where, as `raw`")
        return self._raw.read(Place(*place[:-1]), place[-1], sample_id)

    def whole(self, start: int, stop: int) -> pa.Table:
        """Rows `start` to `stop` (not included) as a table of `SCHEMA`, images and all."""
        table = self.table.slice(start, max(0, stop - start))
        if "file" in table.column_names:
            images = self._raw and self._raw.read_run(table)
            if images is None:  # one by one, which also tells what is wrong
                columns = (table[name].to_pylist() for name in ("image", "sample_id", *PLACE))
                images = pa.array([self._image(*row) for row in zip(*columns, strict=True)], pa.binary())
            table = table.drop_columns([*PLACE, "image"]).append_column(SCHEMA.field(IMAGE), images)
        return pa.concat_tables([SCHEMA.empty_table(), table], promote_options="default").cast(SCHEMA)

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
