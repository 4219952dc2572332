"""CosFace: additive cosine margin (https://arxiv.org/abs/1801.09414, eq. 4).

    logit_j = s (cos(theta_j) - m)   if j is the label
              s cos(theta_j)         otherwise

Errors: `s: adaptive` with fewer than three classes.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from pipeline.contracts import Strict
from pipeline.heads import CosineHead, Scale


class Params(Strict):
    m: float = Field(0.35, ge=0)  # margin, in cosine
    s: Scale = 64.0  # scale, or `adaptive` for sqrt(2) ln(classes - 1)


def cosface(
    cosines: Float[Tensor, "b classes"], label: Int[Tensor, " b"], m: float, s: float
) -> Float[Tensor, "b classes"]:
    """Training logits of the cosines to every class."""
    column = label[:, None]
    target = cosines.gather(1, column) - m
    return s * cosines.scatter(1, column, target)


class CosFace(CosineHead):
    """Embedding (b, d) and label (b) -> logits (b, classes)."""

    def margin(self, cosines: Tensor, label: Tensor) -> Tensor:
        return cosface(cosines, label, self.m, self.s)


def build(params: Params, dim: int, classes: int) -> CosFace:
    return CosFace(dim, classes, params.m, params.s)
