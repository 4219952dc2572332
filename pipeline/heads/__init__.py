"""Margin heads: embedding and label to training logits. Here is what they share: cosine and scale.

    cos_j = <x / |x|, W_j / |W_j|>,  theta_j = arccos(cos_j)
    s     = sqrt(2) ln(C - 1)             for s = "adaptive" (AdaCos, https://arxiv.org/abs/1905.00292)

x: embedding (b, d), W: weight (C, d), C classes. Logits are float32 under autocast.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from pipeline.contracts import Head

Scale = Annotated[float, Field(gt=0)] | Literal["adaptive"]


def adaptive_scale(classes: int) -> float:
    """sqrt(2) ln(C - 1): 13.10 for 10575 classes."""
    if classes <= 2:
        raise ValueError(
            f"s: adaptive is sqrt(2) ln(classes - 1) and needs more than 2 classes, got {classes}: "
            "train on more identities or write s as a number"
        )
    return math.sqrt(2.0) * math.log(classes - 1)


def cosine(embedding: Float[Tensor, "b d"], weight: Float[Tensor, "classes d"]) -> Float[Tensor, "b classes"]:
    """Cosine of every embedding and class, in float32 at least, whatever autocast says."""
    with torch.autocast(embedding.device.type, enabled=False):
        x, w = (t if t.dtype == torch.float64 else t.float() for t in (embedding, weight))
        return F.linear(F.normalize(x), F.normalize(w))


class CosineHead(Head):
    """A classifier on cosines; subclasses say what the margin does to them."""

    def __init__(self, dim: int, classes: int, m: float, s: Scale) -> None:
        super().__init__()
        if classes < 1 or dim < 1:
            raise ValueError(f"a head needs at least one class and one dimension, got {classes} and {dim}")
        self.m = m
        self.s = adaptive_scale(classes) if s == "adaptive" else float(s)
        self.weight = nn.Parameter(torch.empty(classes, dim))
        nn.init.normal_(self.weight, std=0.01)

    def margin(self, cosines: Tensor, label: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(
        self, embedding: Float[Tensor, "b d"], label: Int[Tensor, " b"]
    ) -> Float[Tensor, "b classes"]:
        return self.margin(cosine(embedding, self.weight), label)

    def classify(self, embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b classes"]:
        return self.s * cosine(embedding, self.weight)
