"""Optimisers, and the learning rate as a function of the progress p in [0, 1].

warmup  lr p / w                        p < w
cosine  lr (1 + cos(pi (p - w) / (1 - w))) / 2
steps   lr gamma^(number of steps <= p)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, field_validator
from torch import nn

from pipeline.contracts import Strict
from pipeline.train.optimiser import Group, Kind, Optimiser


class Params(Strict):
    optimiser: Kind = "sgd"
    lr: float = Field(0.1, gt=0)  # peak learning rate
    momentum: float = Field(0.9, ge=0, lt=1)  # of sgd; Adam's first beta
    weight_decay: float = Field(5.0e-4, ge=0)  # times the weight, added to the gradient
    decay_1d: bool = True  # false spares biases, normalisation and PReLU slopes
    batch: int = Field(64, ge=1)  # labelled samples of a step
    warmup: float = Field(0.0, ge=0, lt=1)  # share of the training in which the rate rises to lr
    decay: Literal["cosine", "steps", "constant"] = "cosine"
    steps: tuple[float, ...] = ()  # progress at which the rate falls, for `decay: steps`
    gamma: float = Field(0.1, gt=0)  # what it falls to, for `decay: steps`
    clip: Annotated[float, Field(gt=0)] | None = None  # largest norm of the gradient, none for no limit

    @field_validator("steps")
    @classmethod
    def _ascending(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        if list(steps) != sorted(set(steps)) or any(not 0 < step < 1 for step in steps):
            raise ValueError("steps rise, as shares of the training between 0 and 1")
        return steps


def rate(
    progress: float, *, lr: float, warmup: float, decay: str, steps: Sequence[float] = (), gamma: float = 0.1
) -> float:
    """The learning rate when the share `progress` of the training is over."""
    if progress < warmup:
        return lr * progress / warmup
    if decay == "cosine":
        return lr * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    if decay == "steps":
        return lr * gamma ** sum(step <= progress for step in steps)
    return lr


@dataclass(frozen=True)
class Schedule:
    """How parameters move. Those with an attribute `no_decay = True` are never decayed."""

    optimiser: Kind = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5.0e-4
    decay_1d: bool = True
    warmup: float = 0.0
    decay: str = "cosine"
    steps: tuple[float, ...] = ()
    gamma: float = 0.1
    clip: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is {self.warmup}; it is a share of the training, from 0 to below 1")
        if list(self.steps) != sorted(self.steps) or any(not 0 < step < 1 for step in self.steps):
            raise ValueError(f"steps are {self.steps}; they rise, as shares of the training, between 0 and 1")

    def rate(self, progress: float) -> float:
        return rate(
            progress, lr=self.lr, warmup=self.warmup, decay=self.decay, steps=self.steps, gamma=self.gamma
        )

    def optimise(self, parameters: Iterable[nn.Parameter]) -> Optimiser:
        """An optimiser of those that want a gradient."""
        decayed: list[nn.Parameter] = []
        spared: list[nn.Parameter] = []
        for parameter in parameters:
            if parameter.requires_grad:
                spare = getattr(parameter, "no_decay", False) or (parameter.ndim < 2 and not self.decay_1d)
                (spared if spare else decayed).append(parameter)
        if not decayed and not spared:
            raise ValueError("nothing to train: no parameter wants a gradient")
        return Optimiser(
            self.optimiser, [Group(decayed, self.weight_decay), Group(spared, 0.0)], self.momentum
        )


def build(params: Params) -> Schedule:
    return Schedule(
        optimiser=params.optimiser,
        lr=params.lr,
        momentum=params.momentum,
        weight_decay=params.weight_decay,
        decay_1d=params.decay_1d,
        warmup=params.warmup,
        decay=params.decay,
        steps=params.steps,
        gamma=params.gamma,
        clip=params.clip,
    )
