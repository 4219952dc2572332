"""Classification of images into the classes that the model learnt (CIFAR-10, labelled sets): top-1 and top-5.

A benchmark takes part if every one of its identities is one of the model's classes, and the model has its
classifier; else what stands in the way is said. Logits are the classifier's, without margin, of an image, or
their mean with those of its mirror image. A k beyond the number of classes is left out. (Top-k as of
ImageNet, https://doi.org/10.1007/s11263-015-0816-y.)
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from pipeline.protocols import Bench, Result
from pipeline.strict import Strict


class Params(Strict):
    tops: list[Annotated[int, Field(ge=1)]] = Field([1, 5], min_length=1)  # k of top-k
    mirrored: bool = False  # mean of the logits of an image and of its mirror image


@dataclass(frozen=True)
class Classification:
    """Every benchmark whose classes the model knows; fields as in `Params`."""

    tops: list[int]
    mirrored: bool

    def evaluate(self, bench: Bench) -> Result:
        result = Result(
            {"settings": asdict(self) | {"interval": "95 %, Wilson, over images"}, "benchmarks": {}}
        )
        tables: list[pd.DataFrame] = []
        for dataset in bench.datasets:
            found = bench.classify(dataset, tops=self.tops, mirrored=self.mirrored)
            told: dict[str, Any] = {"note": found} if isinstance(found, str) else found[0]
            result.metrics["benchmarks"][dataset] = told
            if not isinstance(found, str):
                tables.append(found[1].assign(benchmark=dataset))
        if tables:
            result.tables["classified"] = pd.concat(tables, ignore_index=True)
        return result


def build(params: Params) -> Classification:
    return Classification(sorted(set(params.tops)), params.mirrored)
