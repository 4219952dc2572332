"""Templates of several images, the way of IJB-B and IJB-C: pairs 1:1, probes 1:N in galleries.

    t = sum over media of the mean of each medium's images, at unit length

1:1, of every list of `template_pairs`: the largest TAR with FAR <= x (refused where the impostors can't tell)
with an interval over people, EER, AUC, ROC; of a list in folds (YouTube Faces) the accuracy, thresholds from
the other folds. 1:N, of the `searches` named as that list's galleries: CMC, and
the largest TPIR with FPIR <= x, in each gallery, and the mean of the galleries. A benchmark without pairs of
templates has no part in it (https://doi.org/10.1109/ICB2018.2018.00033).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.protocols import Asked, Bench, Pooled, Result
from pipeline.protocols import _templates as listed
from pipeline.protocols._lists import repeats, warn_of_folds
from pipeline.records import Dataset
from pipeline.strict import Strict

Rate = Annotated[float, Field(gt=0, le=1)]
NONE = "no benchmark has pairs of templates"


class Params(Strict):
    flip: Literal["concat", "sum", "none"] = "sum"  # how an image and its mirror image make one vector
    keep_norm: bool = False  # weigh an image by the length of its embedding
    fars: list[Rate] = Field([1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6], min_length=1)  # false-accept rates of 1:1
    ranks: list[Annotated[int, Field(ge=1)]] = Field([1, 5, 10], min_length=1)  # of 1:N
    fpirs: list[Rate] = Field([1e-1, 1e-2])  # false-positive identification rates of 1:N
    bootstrap: int = Field(1000, ge=0)  # draws of the interval, 0 for none
    missing: float = Field(0.01, ge=0, le=1)  # share of a list that may lack a template


@dataclass(frozen=True)
class Prepared:
    """A benchmark whose templates are pooled."""

    dataset: str
    members: listed.Members
    pooled: Pooled


@dataclass(frozen=True)
class Templates:
    """Every list of pairs of templates, and the galleries that go with it; fields as in `Params`."""

    flip: str
    keep_norm: bool
    fars: list[float]
    ranks: list[int]
    fpirs: list[float]
    bootstrap: int
    missing: float

    def evaluate(self, bench: Bench) -> Result:
        return listed.joined(bench, self._benchmark, self.settings(), NONE)

    def _benchmark(self, bench: Bench, dataset: str, data: Dataset) -> Result | None:
        lists = data.lists()
        pairs, searches = listed.table(lists, "template_pairs"), listed.table(lists, "searches")
        if pairs.empty:
            return None
        groups = listed.galleries(pairs["protocol"].unique(), searches["protocol"].unique())
        mine = searches[
            searches["protocol"].isin([name for group in groups.values() for name in group.values()])
        ]
        named = pd.concat([pairs["a"], pairs["b"], mine["template"]])
        members = listed.members(dataset, data, lists, named)
        pooled = bench.pool(dataset, members.frame, flip=self.flip, keep_norm=self.keep_norm)
        ready = Prepared(dataset, members, pooled)
        result = Result({"left_out": members.told})
        self._verify(bench, ready, pairs, result)
        self._search(bench, ready, mine, groups, result)
        return result

    def _verify(self, bench: Bench, ready: Prepared, pairs: pd.DataFrame, result: Result) -> None:
        """Adds the lists of pairs to the result."""
        numbers, tables = {}, []
        for name, rows in pairs.groupby("protocol", sort=True):
            again = repeats(ready.dataset, str(name), rows)
            kept, lost = listed.usable_pairs(ready.dataset, str(name), rows, ready.members, self.missing)
            tested = bench.verify_templates(ready.pooled, kept, fars=self.fars, bootstrap=self.bootstrap)
            warn_of_folds(ready.dataset, str(name), tested.metrics)
            numbers[str(name)] = {**tested.metrics, "missing_pairs": lost, "repeated_pairs": again}
            result.curves[str(name)] = tested.curve
            tables.append(tested.scores.assign(protocol=str(name)))
        result.metrics["verification"] = numbers
        result.tables["template_scores"] = pd.concat(tables, ignore_index=True)

    def _search(
        self,
        bench: Bench,
        ready: Prepared,
        searches: pd.DataFrame,
        groups: Mapping[str, Mapping[str, str]],
        result: Result,
    ) -> None:
        """Adds the galleries to the result."""
        numbers, tables, draws = {}, [], []
        for group, galleries in groups.items():
            kept, lost = {}, {}
            for gallery, name in galleries.items():
                rows = searches[searches["protocol"] == name]
                kept[gallery], lost[gallery] = listed.usable_search(
                    ready.dataset, name, rows, ready.members, self.missing
                )
            tested = bench.search(ready.pooled, kept, Asked(self.ranks, self.fpirs, bootstrap=self.bootstrap))
            for gallery, told in tested.metrics["galleries"].items():
                told["missing_entries"] = lost[gallery]
            numbers[group] = tested.metrics
            draws.append(tested.draws.assign(protocol=group))
            result.cmc.setdefault("in_gallery", {})[group] = tested.cmc
            tables.append(tested.probes.assign(protocol=tested.probes["gallery"].map(galleries)))
        result.metrics["identification"] = numbers
        if tables:
            result.tables["template_probes"] = pd.concat(tables, ignore_index=True)
            result.tables["template_draws"] = pd.concat(draws, ignore_index=True)

    def settings(self) -> dict[str, Any]:
        """What a reader must know to compare these numbers with others."""
        return {
            "template": "media mean, template sum, unit length",
            "flip": self.flip,
            "keep_norm": self.keep_norm,
            "detector_score": False,
            "fars": self.fars,
            "tar_at_far": "largest TAR with FAR <= x",
            "threshold": "best of the other folds, where a list has folds",
            "ranks": self.ranks,
            "fpirs": self.fpirs,
            "tpir_at_fpir": "largest TPIR with FPIR <= x, mates of rank 1",
            "mean": "over the galleries of a list",
            "interval": listed.interval(self.bootstrap),
            "missing": self.missing,
        }


def build(params: Params) -> Templates:
    return Templates(
        flip=params.flip,
        keep_norm=params.keep_norm,
        fars=sorted(params.fars, reverse=True),
        ranks=sorted(params.ranks),
        fpirs=sorted(params.fpirs, reverse=True),
        bootstrap=params.bootstrap,
        missing=params.missing,
    )
