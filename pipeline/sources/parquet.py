"""Parquet tables that hold the images themselves, as Hugging Face's datasets keep them.

A row: `image`, a struct {bytes: binary, path: string} (or plain binary), `label`, an integer or a text, and
any column of `_list` (age, gender, box ...). The schema's metadata, key "huggingface", is JSON whose
info.features[column] = {"_type": "Image"} or {"_type": "ClassLabel", "names": [...]} says which column is
what and how classes are called; -1 is no class. Shards (train-00000-of-00005.parquet ...) are read in the
order of their paths, some rows at a time; of several splits, told by folders or names, one is chosen.
Layout: huggingface/datasets, src/datasets/features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, _image, _list, _splits
from pipeline.sources._image import Check, Images
from pipeline.strict import Inside

EVERY = "**/*.parquet"
ROWS = 256  # in memory at once


class Params(Images):
    """Which tables, and what their columns are."""

    files: Inside | None = None  # a pattern in the dataset's folder; every .parquet below it if not given
    split: str | None = None  # train, test ...; "all" is every one. Needed where there are several
    image: str | None = None  # the column of images; told by its type if not given
    label: str | None = None  # the column that says who or what it is; `identity` or `label` if not given


class TableSource:
    """Rows of all tables; a sample's id is its table's path, without the suffix, and its row."""

    def __init__(
        self,
        paths: list[Path],
        image: str | None = None,
        label: str | None = None,
        box: str = "none",
        check: Check = "header",
        root: Path | None = None,
    ) -> None:
        self.paths, self.box, self.check = paths, box, check
        self.root = root  # what ids are relative to; each table's own folder if not given
        self.files = [_open(path) for path in paths]
        schema = self.files[0].schema_arrow
        for path, file in zip(paths, self.files, strict=True):
            if file.schema_arrow.names != schema.names:
                raise SourceError(f"{path} has other columns than {paths[0]}: one dataset has one table's")
        self.features = _features(schema, str(paths[0]))
        self.image = _column(schema, image, str(paths[0]), self._images(schema), "image")
        given = [name for name in ("identity", "label") if name in schema.names]
        self.label = _column(schema, label, str(paths[0]), given[:1], "label", needed=False)
        self.names: list[str] | None = self.features.get(self.label or "", {}).get("names")
        self.extra = [name for name in _list.COLUMNS if name in schema.names and name != self.label]

    def _images(self, schema: pa.Schema) -> list[str]:
        """Columns that hold images, by the metadata or else by their types."""
        told = [name for name, feature in self.features.items() if feature.get("_type") == "Image"]
        return [name for name in told if name in schema.names] or [
            field.name for field in schema if _is_bytes(field.type)
        ]

    def __len__(self) -> int:
        return sum(int(file.metadata.num_rows) for file in self.files)

    def samples(self) -> Iterator[Sample | Skipped]:
        columns = [self.image, *([self.label] if self.label else []), *self.extra]
        for path, file in zip(self.paths, self.files, strict=True):
            number, table = 0, _inside(path, self.root or path.parent).removesuffix(path.suffix)
            try:
                for batch in file.iter_batches(ROWS, columns=columns):
                    for row in batch.to_pylist():
                        yield self._sample(f"{table}/{number:08d}", row, f"{path} row {number}")
                        number += 1
            except (pa.ArrowException, OSError) as error:
                raise SourceError(f"{path} row {number}: {error}") from error

    def _sample(self, sample_id: str, row: Mapping[str, Any], here: str) -> Sample | Skipped:
        cell = row[self.image]
        data = cell.get("bytes") if isinstance(cell, Mapping) else cell
        if data is None:
            path = cell.get("path") if isinstance(cell, Mapping) else None
            return Skipped(sample_id, f"no bytes in the table, only a path: {path}" if path else "no image")
        try:
            who = self._identity(row[self.label], here) if self.label else None
            known = {name: _list.known(name, row[name], here) for name in self.extra}
        except SourceError as error:
            return Skipped(sample_id, str(error))
        if known.get("name") is None:
            known["name"] = who if self.names or not isinstance(row.get(self.label or ""), int) else None
        return _image.sample(sample_id, data, self.box, self.check, identity=who, **known)

    def _identity(self, value: Any, here: str) -> str | None:
        if value is None or value == -1:
            return None
        if self.names is None:
            if isinstance(value, float) and not value.is_integer():
                raise SourceError(f"{here}, {self.label}: {value} is no class")
            return str(int(value)) if isinstance(value, float) else str(value)
        if not isinstance(value, int) or not 0 <= value < len(self.names):
            raise SourceError(f"{here}, {self.label}: {value!r} is none of its {len(self.names)} classes")
        return self.names[value]

    def pairs(self) -> list[dict[str, Any]]:
        return []

    def about(self) -> dict[str, Any]:
        classes = {"classes": len(self.names)} if self.names is not None else {}
        return {"tables": len(self.paths), "image_column": self.image, "label_column": self.label, **classes}


def _open(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path} is no whole Parquet table: {error}") from error


def _features(schema: pa.Schema, where: str) -> dict[str, Any]:
    told = (schema.metadata or {}).get(b"huggingface")
    if told is None:
        return {}
    try:
        features = json.loads(told)["info"]["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{where}: its metadata 'huggingface' has no info.features: {error}") from error
    return {name: feature for name, feature in features.items() if isinstance(feature, dict)}


def _is_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _column(
    schema: pa.Schema, given: str | None, where: str, found: list[str], what: str, needed: bool = True
) -> Any:
    if given is not None:
        if given not in schema.names:
            raise SourceError(f"{where} has no column {given!r}, only {', '.join(schema.names)}")
        return given
    if len(found) == 1:
        return found[0]
    if not needed:
        return None
    told = f"columns {', '.join(found)} may be it" if found else f"only {', '.join(schema.names)}"
    raise SourceError(f"{where}: which column is the {what}? ({told}): say it with `{what}`")


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> TableSource:
    root = raw.parent if raw.is_file() else raw
    paths = [raw] if raw.is_file() else _paths(raw, params.files or EVERY, params.split)
    if params.files is None and params.split is None:
        _splits.check((_splits.split_of(_inside(path, root)) for path in paths), str(raw))
    return TableSource(paths, params.image, params.label, params.box, params.check, root)


def _paths(raw: Path, pattern: str, split: str | None) -> list[Path]:
    every = sorted(raw.glob(pattern))
    if not every:
        raise SourceError(f"{raw} holds no {pattern}")
    found = [path for path in every if split is None or _splits.is_of(_inside(path, raw), split)]
    if not found:
        raise SourceError(f"{raw} holds no {pattern} of split {split!r}, only {_inside(every[0], raw)} ...")
    return found


def _inside(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
