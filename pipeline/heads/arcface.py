"""ArcFace: additive angular margin (https://arxiv.org/abs/1801.07698, eq. 3).

    logit_j = s cos(theta_j + m)            if j is the label and theta_j <= pi - m
              s (cos(theta_j) - m sin(m))   if j is the label and theta_j >  pi - m (it keeps falling)
              s cos(theta_j)                otherwise

The gradient is the true one, s sin(theta + m) / sin(theta) by the cosine; copies that compute the margin
without gradient have s there. The cosine is clamped before the square root of 1 - cos^2.
Errors: `s: adaptive` with fewer than three classes.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from pipeline.contracts import Strict
from pipeline.heads import CosineHead, Scale

EPS = 1e-6  # keeps sin(theta) and its gradient finite at theta = 0 and pi


class Params(Strict):
    m: float = Field(0.5, ge=0)  # margin, radians
    s: Scale = 64.0  # scale, or `adaptive` for sqrt(2) ln(classes - 1)


def arcface(
    cosines: Float[Tensor, "b classes"], label: Int[Tensor, " b"], m: float, s: float
) -> Float[Tensor, "b classes"]:
    """Training logits of the cosines to every class."""
    column = label[:, None]
    target = cosines.gather(1, column)
    sine = torch.sqrt(1.0 - target.clamp(-1.0 + EPS, 1.0 - EPS).square())
    moved = target * math.cos(m) - sine * math.sin(m)
    beyond = target - m * math.sin(m)
    return s * cosines.scatter(1, column, torch.where(target >= -math.cos(m), moved, beyond))


class ArcFace(CosineHead):
    """Embedding (b, d) and label (b) -> logits (b, classes)."""

    def margin(self, cosines: Tensor, label: Tensor) -> Tensor:
        return arcface(cosines, label, self.m, self.s)


def build(params: Params, dim: int, classes: int) -> ArcFace:
    return ArcFace(dim, classes, params.m, params.s)
