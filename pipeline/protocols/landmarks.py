"""Landmark nets: normalised mean error, area under the cumulative errors, failures; by yaw.

    NME = mean over points of their distance to the truth, by the face's size: `outer` corners of the eyes,
    `pupils`, or side of the `box`; AUC and failures up to each limit (`pipeline.evaluate.landmarks`)

A benchmark takes part if its faces have 68 landmarks, or 5, of which a net of 68 gives its own; else what
stands in the way is said. This is the protocol of landmark nets, and the one that recognisers have no part
in. (300-W: https://doi.org/10.1109/ICCVW.2013.59.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from pipeline.protocols import LandmarkBench, Result
from pipeline.strict import Strict

MEANT = {
    "outer": "distance of the outer corners of the eyes",
    "pupils": "distance of the middles of the eyes",
    "box": "square root of the area of the face's box",
}


class Params(Strict):
    normalisers: list[Literal["outer", "pupils", "box"]] = Field(["box", "outer", "pupils"], min_length=1)
    limits: list[Annotated[float, Field(gt=0, lt=1)]] = Field([0.07, 0.08, 0.1], min_length=1)  # of errors
    yaw_edges: list[Annotated[float, Field(ge=0, le=180)]] = Field([0, 15, 30, 60, 90], min_length=2)
    bootstrap: int = Field(1000, ge=0)  # draws of the intervals, 0 for none


@dataclass(frozen=True)
class Landmarks:
    """Every benchmark with landmarks; fields as in `Params`."""

    normalisers: list[Literal["outer", "pupils", "box"]]
    limits: list[float]
    yaw_edges: list[float]
    bootstrap: int

    def evaluate(self, bench: LandmarkBench) -> Result:
        result = Result({"settings": self.settings(), "benchmarks": {}})
        tables: list[pd.DataFrame] = []
        for dataset in bench.datasets:
            found = bench.landmarks(
                dataset,
                normalisers=self.normalisers,
                limits=self.limits,
                yaw_edges=self.yaw_edges,
                bootstrap=self.bootstrap,
            )
            told: dict[str, Any] = {"note": found} if isinstance(found, str) else found[0]
            result.metrics["benchmarks"][dataset] = told
            if not isinstance(found, str):
                tables.append(found[1].assign(benchmark=dataset))
        if tables:
            result.tables["landmark_errors"] = pd.concat(tables, ignore_index=True)
        return result

    def settings(self) -> dict[str, Any]:
        """What a reader must know to compare these numbers with others."""
        return {
            **asdict(self),
            **{name: MEANT[name] for name in self.normalisers},
            "flip": "score maps averaged with those of the mirror image",
            "of five points": "eyes as means of their outlines, nose tip, mouth corners",
            "interval": f"95 %, bootstrap over people, {self.bootstrap} draws" if self.bootstrap else None,
        }


def build(params: Params) -> Landmarks:
    names, edges = list(dict.fromkeys(params.normalisers)), sorted(set(params.yaw_edges))
    return Landmarks(names, sorted(set(params.limits)), edges, params.bootstrap)
