"""Benchmarks: a protocol loads its lists and names what to compute; the computing is `evaluate`'s.

Every plugin has `build(params) -> Protocol`. `evaluate(bench)` gets the model's side of things through
`Bench` and returns a `Result`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from typing import Protocol as Interface

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.records import Dataset


@dataclass
class Result:
    """`metrics` are the same in every run of the same model; `side` is what is not (times)."""

    metrics: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)  # name -> rows
    curves: dict[str, Any] = field(default_factory=dict)  # name -> points, for pictures
    side: dict[str, Any] = field(default_factory=dict)
    cmc: dict[str, Any] = field(default_factory=dict)  # name -> points of CMCs with their bands


@dataclass
class Verified:
    """What verification of one list of pairs gives: numbers, scored pairs, points of the ROC."""

    metrics: dict[str, Any]
    scores: pd.DataFrame
    curve: dict[str, list[float]]


@dataclass(frozen=True)
class Pooled:
    """Templates as the model sees them: their names, whose they are, a unit vector each."""

    names: pd.Index
    people: npt.NDArray[Any]
    unit: Float[np.ndarray, "templates d"]

    def rows(self, wanted: pd.Series) -> npt.NDArray[np.int64]:
        """Where the named templates stand; one that is not there is an error."""
        found = self.names.get_indexer(pd.Index(wanted))
        if (found < 0).any():
            raise KeyError(f"template {wanted.iloc[int(np.argmin(found))]} was not pooled")
        return np.asarray(found, np.int64)


@dataclass
class Searched:
    """What searches give: numbers, a row a probe (or a probe and its mate), draws of the numbers, CMCs."""

    metrics: dict[str, Any]
    probes: pd.DataFrame
    draws: pd.DataFrame = field(default_factory=pd.DataFrame)
    cmc: dict[str, list[float | None]] = field(default_factory=dict)  # at, share, low, high


@dataclass
class Exhausted:
    """What all pairs of a list's splits give: numbers, a row a split and rate, points of the ROC, draws."""

    metrics: dict[str, Any]
    rates: pd.DataFrame
    curve: dict[str, list[float]]
    draws: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True)
class Asked:
    """Where the curves of a search are read: ranks of the CMC, FPIRs at `open_rank`, FARs in the gallery.

    `bootstrap`: draws of the intervals, 0 for none.
    """

    ranks: Sequence[int]
    fpirs: Sequence[float]
    open_rank: int = 1
    fars: Sequence[float] = ()
    bootstrap: int = 0


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

    def attributes(self, dataset: str) -> pd.DataFrame | None:
        """Codes and degrees of `pipeline.annotators.COLUMNS`, age and `pipeline.sharpness`, by sample id.

        None where nobody described it.
        """
        ...

    def cohorts(
        self,
        scored: pd.DataFrame,
        described: pd.DataFrame,
        attributes: Sequence[str],
        *,
        far: float,
        yaw_edges: Sequence[float],
        bootstrap: int,
        age_edges: Sequence[float] = (),
    ) -> tuple[dict[str, Any], pd.DataFrame]:
        """Errors of cohorts of `Verified.scores`, and false matches between every two cohorts."""
        ...

    def pool(self, dataset: str, members: pd.DataFrame, *, flip: str, keep_norm: bool) -> Pooled:
        """One vector a template of `members` (template, identity, sample_id, media; a row an image)."""
        ...

    def verify_templates(
        self, pooled: Pooled, pairs: pd.DataFrame, *, fars: Sequence[float], bootstrap: int
    ) -> Verified:
        """Scores `pairs` (fold, a, b, same) of templates; accuracy where they are in several folds."""
        ...

    def search(self, pooled: Pooled, galleries: Mapping[str, pd.DataFrame], asked: Asked) -> Searched:
        """Probes of each list (role, template) in its gallery, by the lists' names, and the lists' mean."""
        ...

    def search_distractors(
        self,
        pooled: Pooled,
        search: pd.DataFrame,
        *,
        sizes: Sequence[int],
        ranks: Sequence[int],
        fars: Sequence[float],
        bootstrap: int = 0,
    ) -> Searched:
        """Every face of a list (role, template) that is no distractor, among the first N distractors."""
        ...

    def exhaust(
        self,
        dataset: str,
        faces: pd.DataFrame,
        *,
        flip: str,
        fars: Sequence[float],
        fpirs: Sequence[float],
        rank: int,
        bootstrap: int = 0,
    ) -> Exhausted:
        """All pairs of each split's `faces` (split, role, identity, sample_id), its probes in its gallery."""
        ...

    def classify(
        self, dataset: str, *, tops: Sequence[int], mirrored: bool
    ) -> tuple[dict[str, Any], pd.DataFrame] | str:
        """Top-k of a dataset whose identities are classes, a row an image; a text says why there is none."""
        ...

    def size(self) -> dict[str, Any]:
        """Parameters, FLOPs an image, bytes an embedding."""
        ...

    def milliseconds(self, batches: Sequence[int], repeats: int) -> list[dict[str, Any]]:
        """Time an image at each batch size."""
        ...


class LandmarkBench(Interface):
    """A landmark net under test, and the benchmarks it is tested on: what the protocol `landmarks` gets."""

    @property
    def datasets(self) -> Mapping[str, Dataset]: ...

    def landmarks(
        self,
        dataset: str,
        *,
        normalisers: Sequence[Literal["outer", "pupils", "box"]],
        limits: Sequence[float],
        yaw_edges: Sequence[float],
        bootstrap: int,
    ) -> tuple[dict[str, Any], pd.DataFrame] | str:
        """Errors of all faces whose landmarks are known, a row a face; a text says why there are none."""
        ...


class Protocol(Interface):
    """One way of testing a recogniser."""

    def evaluate(self, bench: Bench) -> Result: ...
