"""Verification of pairs in folds: LFW, CFP-FP, AgeDB-30 and every list that says same or different.

The threshold of a fold comes from the other folds; accuracy is mean and spread over folds with an interval
over people, TAR at FAR and the ROC are of all folds together (http://vis-www.cs.umass.edu/lfw/lfw.pdf).
Pairs of a face that was set aside are left out, counted and named; too many of them are an error. Pairs that
a list repeats are scored and counted, people in several of its folds are counted and warned of; a pair of
both kinds, or of a face with itself, is an error. What has lists of templates or searches alone is left to
their protocols.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.protocols import Bench, Result
from pipeline.protocols._lists import repeats, warn_of_folds
from pipeline.records import Dataset
from pipeline.strict import Strict

Rate = Annotated[float, Field(gt=0, le=1)]
KEPT = 20  # names of missing faces that a result lists


class Params(Strict):
    folds: int = Field(10, ge=2)  # runs to cut a list into that has no folds of its own
    flip: Literal["concat", "sum", "none"] = "concat"  # how an image and its mirror image make one vector
    fars: list[Rate] = Field([1e-2, 1e-3])  # false-accept rates at which the true-accept rate is reported
    bootstrap: int = Field(1000, ge=0)  # draws of the interval, 0 for none
    missing: float = Field(0.01, ge=0, le=1)  # share of a list's pairs that may miss a face


class MissingFacesError(ValueError):
    """A pair list that names more absent faces than is allowed."""


def split(pairs: pd.DataFrame, present: set[str]) -> tuple[pd.DataFrame, list[str]]:
    """(pairs whose two faces are present, names of the absent faces)."""
    there = pairs["a"].isin(present) & pairs["b"].isin(present)
    named = pd.concat([pairs["a"], pairs["b"]])
    return pairs[there].reset_index(drop=True), sorted(set(named) - present)


def usable(
    dataset: str, name: str, data: Dataset, pairs: pd.DataFrame, limit: float
) -> tuple[Any, list[str]]:
    """`split` of one list, refused beyond `limit`: then the message says which faces, and why."""
    kept, absent = split(pairs, set(data.frame(["sample_id"])["sample_id"]))
    lost = len(pairs) - len(kept)
    if lost > limit * len(pairs):
        reasons = data.set_aside().set_index("sample_id")["reason"].to_dict()
        told = "; ".join(f"{face}: {reasons.get(face, 'not in the dataset')}" for face in absent[:5])
        raise MissingFacesError(
            f"benchmark {dataset!r}, list {name!r}: {lost} of {len(pairs)} pairs miss a face"
            f" (allowed: {limit:.1%}), {len(absent)} faces in all: {told}"
        )
    return kept, absent


class Pairs:
    """Every list of every benchmark, one after the other."""

    def __init__(self, folds: int, flip: str, fars: list[float], bootstrap: int, missing: float) -> None:
        self.folds, self.flip, self.fars = folds, flip, sorted(fars, reverse=True)
        self.bootstrap, self.missing = bootstrap, missing

    def evaluate(self, bench: Bench) -> Result:
        result = Result({"settings": self.settings(), "benchmarks": {}})
        tables = []
        for dataset, data in bench.datasets.items():
            lists = data.pairs()
            if lists.empty and not data.lists():
                raise ValueError(f"benchmark {dataset!r} has no pairs: the pairs protocol needs a pair list")
            if lists.empty:  # templates or searches alone: other protocols'
                continue
            numbers: dict[str, Any] = {}
            for name, pairs in lists.groupby("protocol", sort=True):
                again = repeats(dataset, str(name), pairs)
                kept, absent = usable(dataset, str(name), data, pairs, self.missing)
                tested = bench.verify(
                    dataset, kept, folds=self.folds, flip=self.flip, fars=self.fars, bootstrap=self.bootstrap
                )
                warn_of_folds(dataset, str(name), tested.metrics)
                missing = {"missing_pairs": len(pairs) - len(kept), "missing_faces": absent[:KEPT]}
                numbers[str(name)] = {**tested.metrics, **missing, "repeated_pairs": again}
                tables.append(tested.scores.assign(benchmark=dataset, protocol=str(name)))
                result.curves.setdefault(dataset, {})[str(name)] = tested.curve
            result.metrics["benchmarks"][dataset] = numbers
        if tables:
            result.tables["scores"] = pd.concat(tables, ignore_index=True)
        return result

    def settings(self) -> dict[str, Any]:
        """What a reader must know to compare these numbers with others."""
        return {
            "flip": self.flip,
            "fars": self.fars,
            "tar_at_far": "largest TAR with FAR <= x",
            "threshold": "best of the other folds",
            "std": "over folds, population formula",
            "interval": f"95 %, vertex bootstrap over people, {self.bootstrap} draws"
            if self.bootstrap
            else None,
        }


def build(params: Params) -> Pairs:
    return Pairs(params.folds, params.flip, params.fars, params.bootstrap, params.missing)
