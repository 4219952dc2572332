"""What a model costs: parameters, FLOPs (multiply-accumulates) an image, ms an image, bytes an embedding."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.protocols import Bench, Result
from pipeline.strict import Strict


class Params(Strict):
    batches: list[Annotated[int, Field(ge=1)]] = Field(
        [1, 32], min_length=1
    )  # images at a time, for the times
    repeats: int = Field(5, ge=1)  # timed passes, after one to warm up


class Cost:
    """Size for the metrics, times beside them: they differ from run to run."""

    def __init__(self, batches: list[int], repeats: int) -> None:
        self.batches, self.repeats = batches, repeats

    def evaluate(self, bench: Bench) -> Result:
        return Result(bench.size(), side={"milliseconds": bench.milliseconds(self.batches, self.repeats)})


def build(params: Params) -> Cost:
    return Cost(params.batches, params.repeats)
