"""Errors of cohorts at one threshold for everybody: by gender, race and age group, and over turned heads.

The lists of pairs of a benchmark are put together, a pair of several lists counted once; the threshold is the
lowest at which at most the share `far` of all impostor pairs pass. Then FMR and FNMR of the pairs within each
cohort, worst against best, false matches between any two cohorts, and both rates over the difference of yaw,
over the years between two photographs and over the sharpness of the more blurred of the two, in fifths
(NIST FRVT part 3, https://doi.org/10.6028/NIST.IR.8280). Attributes are those of the annotate stage; a face
that lacks one is in no cohort of it. Benchmarks without pairs, or whose faces nobody described, say so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.protocols import Bench, Result
from pipeline.protocols._lists import repeated
from pipeline.protocols.pairs import split
from pipeline.records import Dataset
from pipeline.strict import Strict

Attribute = Literal["gender", "race", "age_group", "pitch", "yaw"]
NO_PAIRS, UNDESCRIBED = "no list of pairs", "no attribute of its faces is known"


class Params(Strict):
    far: Annotated[float, Field(gt=0, lt=1)] = 0.01  # false-match rate of all pairs, which sets the threshold
    flip: Literal["concat", "sum", "none"] = "concat"  # how an image and its mirror image make one vector
    attributes: list[Attribute] = ["gender", "race", "age_group"]  # noqa: RUF012
    yaw_edges: list[Annotated[float, Field(ge=0, le=180)]] = Field([0, 15, 30, 60, 90, 180], min_length=2)
    age_edges: list[Annotated[float, Field(ge=0)]] = Field([0, 5, 10, 20, 40, 100], min_length=2)  # years
    bootstrap: int = Field(1000, ge=0)  # draws of the intervals, 0 for none


@dataclass(frozen=True)
class Fairness:
    """Every benchmark that has pairs; fields as in `Params`."""

    far: float
    flip: str
    attributes: list[str]
    yaw_edges: list[float]
    age_edges: list[float]
    bootstrap: int

    def evaluate(self, bench: Bench) -> Result:
        result = Result({"settings": asdict(self), "benchmarks": {}})
        tables = []
        for dataset, data in bench.datasets.items():
            pairs, described = once(data), bench.attributes(dataset)
            if pairs.empty or described is None:
                result.metrics["benchmarks"][dataset] = {"note": NO_PAIRS if pairs.empty else UNDESCRIBED}
                continue
            scored = bench.verify(dataset, pairs, folds=2, flip=self.flip, fars=[], bootstrap=0).scores
            numbers, crossed = self._measure(bench, scored, described)
            result.metrics["benchmarks"][dataset] = numbers
            tables.append(crossed.assign(benchmark=dataset))
        if tables:
            result.tables["cross_matches"] = pd.concat(tables, ignore_index=True)
        return result

    def _measure(
        self, bench: Bench, scored: pd.DataFrame, described: pd.DataFrame
    ) -> tuple[dict[str, Any], pd.DataFrame]:
        known = [name for name in self.attributes if name in described]
        return bench.cohorts(
            scored,
            described,
            known,
            far=self.far,
            yaw_edges=self.yaw_edges,
            bootstrap=self.bootstrap,
            age_edges=self.age_edges,
        )


def once(data: Dataset) -> pd.DataFrame:
    """The pairs of all lists whose two faces are there; each once, whichever face a list names first."""
    lists = data.pairs()
    if lists.empty:
        return lists
    pairs, _ = split(lists, set(data.frame(["sample_id"])["sample_id"]))
    again = repeated(pairs["a"].to_numpy(), pairs["b"].to_numpy())
    return pairs.drop(index=again.tolist()).reset_index(drop=True).assign(fold=0)


def build(params: Params) -> Fairness:
    edges = sorted(set(params.yaw_edges)), sorted(set(params.age_edges))
    return Fairness(params.far, params.flip, list(params.attributes), *edges, params.bootstrap)
