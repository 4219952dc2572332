"""Benchmarks: a protocol loads its lists and names what to compute; the computing is `evaluate`'s.

Every plugin has `build(params) -> Protocol`. `evaluate(bench)` gets the model's side of things through
`Bench` and returns a `Result`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as Interface

import pandas as pd

from pipeline.records import Dataset


@dataclass
class Result:
    """`metrics` are the same in every run of the same model; `side` is what is not (times)."""

    metrics: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)  # name -> rows
    curves: dict[str, Any] = field(default_factory=dict)  # name -> points, for pictures
    side: dict[str, Any] = field(default_factory=dict)


@dataclass
class Verified:
    """What verification of one list of pairs gives: numbers, scored pairs, points of the ROC."""

    metrics: dict[str, Any]
    scores: pd.DataFrame
    curve: dict[str, list[float]]


class Bench(Interface):
    """A model under test, and the benchmarks it is tested on."""

    @property
    def datasets(self) -> Mapping[str, Dataset]: ...

    def verify(
        self,
        dataset: str,
        pairs: pd.DataFrame,
        *,
        folds: int,
        flip: str,
        fars: Sequence[float],
        bootstrap: int,
    ) -> Verified:
        """Scores `pairs` (fold, a, b, same; faces by sample id); `folds` cuts a list that has one fold."""
        ...

    def size(self) -> dict[str, Any]:
        """Parameters, FLOPs an image, bytes an embedding."""
        ...

    def milliseconds(self, batches: Sequence[int], repeats: int) -> list[dict[str, Any]]:
        """Time an image at each batch size."""
        ...


class Protocol(Interface):
    """One way of testing a model."""

    def evaluate(self, bench: Bench) -> Result: ...
