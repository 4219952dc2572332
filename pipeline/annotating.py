"""Rows of a dataset of crops -> what each annotator says of them, in shards (`pipeline.shards`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline import plugin, records
from pipeline.annotators import COLUMNS, Annotator, Face, Photos
from pipeline.annotators._photos import PhotosOf

SAID = "answers.parquet"  # of a shard: a column `<annotator>/<column>` for each of theirs


@dataclass
class Annotating:
    """Stretches of a dataset's rows as shards of answers; `chosen`: annotators and their params, in order."""

    crops: Path
    ingested: Path
    raw: Path
    chosen: Mapping[str, Mapping[str, Any]]
    threaded = True  # nets use torch's threads

    def make(self, numbers: range, folder: Path, workers: int, tell: Callable[[int], None]) -> dict[str, Any]:
        frame = self._opened.frame(rows=numbers)
        photos = Stretch(self._photos, numbers.start)
        columns: dict[str, pa.Array] = {}
        for name, annotator in self._annotators.items():
            said = annotator.annotate(frame, photos)
            columns |= {f"{name}/{column}": pa.array(said[column]) for column in COLUMNS}
        records.write_parquet(folder / SAID, pa.table(columns))
        tell(len(numbers))
        return {"rows": len(numbers), "seen": len(numbers)}

    @cached_property
    def _opened(self) -> records.Dataset:
        return records.Dataset(self.crops)

    @cached_property
    def _photos(self) -> PhotosOf:
        return PhotosOf(self._opened, self.ingested, self.raw)

    @cached_property
    def _annotators(self) -> dict[str, Annotator]:
        loaded = {name: plugin.load("annotators", name) for name in self.chosen}
        return {name: module.build(module.Params(**self.chosen[name])) for name, module in loaded.items()}

    def __getstate__(self) -> dict[str, Any]:
        """What is opened here stays here."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Stretch:
    """Photos of the rows from `start` on."""

    def __init__(self, photos: Photos, start: int) -> None:
        self.photos, self.start, self.raw = photos, start, photos.raw

    def face(self, row: int) -> Face:
        return self.photos.face(self.start + row)


def answers(tables: list[pd.DataFrame], chosen: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Annotator -> what it says of all rows, from the tables of all shards in order."""
    whole = pd.concat(tables, ignore_index=True) if tables else None
    return {
        name: pd.DataFrame({column: [] for column in COLUMNS})
        if whole is None
        else whole[[f"{name}/{column}" for column in COLUMNS]].set_axis(list(COLUMNS), axis=1)
        for name in chosen
    }
