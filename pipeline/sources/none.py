"""No samples: what an empty role names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.records import Sample
from pipeline.sources import Skipped
from pipeline.strict import Strict


class Params(Strict):
    """Nothing to choose."""


class Nothing:
    """An empty dataset."""

    def samples(self) -> Iterator[Sample | Skipped]:
        return iter(())

    def pairs(self) -> list[dict[str, Any]]:
        return []

    def about(self) -> dict[str, Any]:
        return {}


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> Nothing:
    return Nothing()
