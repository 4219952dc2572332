"""A dataset folder as our own stages write it (`pipeline.records`): taken as it is, lists and all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.records import Dataset, Sample
from pipeline.sources import Skipped, SourceError
from pipeline.strict import Strict


class Params(Strict):
    """Nothing to choose."""


class Shards:
    """Its samples in their order."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __length_hint__(self) -> int:
        return len(self.dataset)

    def samples(self) -> Iterator[Sample | Skipped]:
        return self.dataset.samples()

    def pairs(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pa.Table.from_pandas(self.dataset.pairs()).to_pylist()
        return rows

    def lists(self) -> dict[str, pa.Table]:
        return self.dataset.lists()

    def about(self) -> dict[str, Any]:
        what = self.dataset.about.get("what")
        return {"what": what} if what else {}


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> Shards:
    try:
        dataset = Dataset(raw)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise SourceError(f"{raw} is no dataset folder of this project: {error}") from error
    if "file" in dataset.table.column_names:
        raise SourceError(f"{raw}: its rows point into raw files of another place: take its crops")
    return Shards(dataset)
