"""Searches with roles: a closed set among more and more distractors (MegaFace), an open set (QMUL-SurvFace).

A list with the role `distractor` is scored the way of MegaFace: every gallery and probe face is sought among
the first N distractors with one mate at a time, CMC at each N; TAR at FAR of all pairs and all distractors.
Any other list, and one with strangers too, is scored in its gallery: CMC; with the role `unmated` the largest
TPIR with FPIR <= x, a mate up to rank `open_rank` counting (TPIR20); TAR at FAR of every probe with every
gallery entry. What the templates protocol scores, the galleries of lists of pairs, is left to it.
(https://arxiv.org/abs/1512.00596, https://arxiv.org/abs/1804.09691)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.protocols import Asked, Bench, Pooled, Result, Searched
from pipeline.protocols import _templates as listed
from pipeline.records import Dataset
from pipeline.strict import Strict

Rate = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]
NONE = "no benchmark has searches"


class Params(Strict):
    flip: Literal["concat", "sum", "none"] = "sum"  # how an image and its mirror image make one vector
    keep_norm: bool = False  # weigh an image of a template by the length of its embedding
    ranks: list[Count] = Field([1, 10], min_length=1)  # of both kinds of list
    distractors: list[Count] = [10, 100, 1000, 10_000, 100_000, 1_000_000]  # and all there are  # noqa: RUF012
    distractor_fars: list[Rate] = [1e-3, 1e-6]  # false-accept rates among distractors  # noqa: RUF012
    fpirs: list[Rate] = [0.3, 0.2, 0.1]  # false-positive identification rates of an open set  # noqa: RUF012
    open_rank: int = Field(20, ge=1)  # up to which a mate counts as found in an open set
    open_fars: list[Rate] = [0.3, 0.1, 0.01, 0.001]  # false-accept rates in a gallery  # noqa: RUF012
    bootstrap: int = Field(1000, ge=0)  # draws of the intervals, 0 for none
    missing: float = Field(0.01, ge=0, le=1)  # share of a list that may lack a template


@dataclass(frozen=True)
class Searches:
    """Every list of searches that is no gallery of a list of pairs of templates; fields as in `Params`."""

    flip: str
    keep_norm: bool
    ranks: list[int]
    distractors: list[int]
    distractor_fars: list[float]
    fpirs: list[float]
    open_rank: int
    open_fars: list[float]
    bootstrap: int
    missing: float

    def evaluate(self, bench: Bench) -> Result:
        return listed.joined(bench, self._benchmark, self.settings(), NONE)

    def _benchmark(self, bench: Bench, dataset: str, data: Dataset) -> Result | None:
        lists = data.lists()
        searches, pairs = listed.table(lists, "searches"), listed.table(lists, "template_pairs")
        others = listed.galleries(pairs["protocol"].unique(), searches["protocol"].unique())
        theirs = [name for group in others.values() for name in group.values()]
        mine = searches[~searches["protocol"].isin(theirs)]
        if mine.empty:
            return None
        members = listed.members(dataset, data, lists, mine["template"])
        pooled = bench.pool(dataset, members.frame, flip=self.flip, keep_norm=self.keep_norm)
        result = Result({"left_out": members.told, "lists": {}})
        tables: dict[str, list[pd.DataFrame]] = {}
        for name, rows in mine.groupby("protocol", sort=True):
            kept, lost = listed.usable_search(dataset, str(name), rows, members, self.missing)
            numbers: dict[str, Any] = {"missing_entries": lost}
            for way, tested in self._ways(bench, pooled, kept).items():
                numbers[way] = tested.metrics
                tables.setdefault(f"search_{way}", []).append(tested.probes.assign(protocol=str(name)))
                tables.setdefault("search_draws", []).append(tested.draws.assign(protocol=str(name)))
                result.cmc.setdefault(way, {})[str(name)] = tested.cmc
            result.metrics["lists"][str(name)] = numbers
        result.tables = {name: pd.concat(rows, ignore_index=True) for name, rows in tables.items()}
        return result

    def _ways(self, bench: Bench, pooled: Pooled, search: pd.DataFrame) -> dict[str, Searched]:
        """`among_distractors`, `in_gallery` or both, as the list's roles say."""
        found, roles = {}, set(search["role"])
        if "distractor" in roles:
            there = int((search["role"] == "distractor").sum())
            sizes = sorted({size for size in self.distractors if size < there} | {there})
            found["among_distractors"] = bench.search_distractors(
                pooled,
                search,
                sizes=sizes,
                ranks=self.ranks,
                fars=self.distractor_fars,
                bootstrap=self.bootstrap,
            )
        if "distractor" not in roles or "unmated" in roles:
            asked = Asked(self.ranks, self.fpirs, self.open_rank, self.open_fars, self.bootstrap)
            tested = bench.search(pooled, {"": search}, asked)
            alone = tested.probes.drop(columns="gallery")
            found["in_gallery"] = Searched(tested.metrics["galleries"][""], alone, tested.draws, tested.cmc)
        return found

    def settings(self) -> dict[str, Any]:
        """What a reader must know to compare these numbers with others."""
        return {
            **asdict(self),
            "detector_score": False,
            "among_distractors": "one mate at a time with the first N distractors, both faces as probe",
            "tar_at_far": "largest TAR with FAR <= x",
            "tpir_at_fpir": f"largest TPIR with FPIR <= x, mates up to rank {self.open_rank}",
            "interval": listed.interval(self.bootstrap),
        }


def build(params: Params) -> Searches:
    return Searches(
        flip=params.flip,
        keep_norm=params.keep_norm,
        ranks=sorted(params.ranks),
        distractors=sorted(params.distractors),
        distractor_fars=sorted(params.distractor_fars, reverse=True),
        fpirs=sorted(params.fpirs, reverse=True),
        open_rank=params.open_rank,
        open_fars=sorted(params.open_fars, reverse=True),
        bootstrap=params.bootstrap,
        missing=params.missing,
    )
