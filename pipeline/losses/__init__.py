"""Distillation losses: one term a plugin, a preset of `params.yaml` is a weighted sum of them.

    loss = sum_i weight_i * term_i(student, teacher)                          (Eq. 4.8 of the thesis)

A preset maps a plugin's name to `{weight, ...the plugin's own Params}`. Every plugin says in the
module-level `NEEDS` the most that it can read of a teacher, and in `needs` of what `build` returns
what it reads as it is set: "embedding", "classifier" (the teacher's weight), "logits" (s cos with the
classes of each, no margin: both have a classifier, and the student's is trained), "maps", "live".
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline import plugin
from pipeline.contracts import Batch, DistillationLoss, Outputs, Shapes, Survey

Divergence = Literal["forward", "paper"]


def divergence(
    student: Float[Tensor, "b n"], target: Float[Tensor, "b n"], T: float, form: Divergence = "forward"
) -> Float[Tensor, ""]:
    """KL between class distributions, given as log-probabilities at temperature T; mean over samples.

    forward   T^2 KL(target || student)    gradients keep their size whatever T is
    paper     T   KL(student || target)    Eq. 4.12 as printed: student first, factor T
    """
    if form == "forward":
        return (target.exp() * (target - student)).sum(1).mean() * T**2
    if form == "paper":
        return (student.exp() * (student - target)).sum(1).mean() * T
    raise ValueError(f"divergence {form!r} is unknown (forward or paper)")


def log_probabilities(logits: Float[Tensor, "b n"], T: float) -> Float[Tensor, "b n"]:
    """log softmax(logits / T), in float32 at least: half precision can't hold a scale of 64."""
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return torch.log_softmax(wide / T, dim=1)


def weights(preset: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Weight of every term of a preset; a term without a weight, or a negative one, is refused."""
    found: dict[str, float] = {}
    for name, entry in preset.items():
        if "weight" not in entry:
            raise ValueError(f"loss term {name!r} has no weight; write {name}: {{weight: 1.0, ...}}")
        found[name] = float(entry["weight"])
        if found[name] < 0:
            raise ValueError(f"loss term {name!r} has weight {found[name]}; weights are 0 or more")
    if not found:
        raise ValueError("a distillation loss needs one term at least, e.g. {fm: {weight: 1.0}}")
    return found


def params_of(name: str, entry: Mapping[str, Any]) -> Any:
    """The plugin's own `Params` of an entry: all of it but the weight, which belongs to the sum."""
    return plugin.load("losses", name).Params(**{k: v for k, v in entry.items() if k != "weight"})


def needs(preset: Mapping[str, Mapping[str, Any]]) -> frozenset[str]:
    """The most that the terms of a preset can read of a teacher: what `check` judges a preset by."""
    return frozenset().union(*(plugin.load("losses", name).NEEDS for name in preset))


class WeightedSum(nn.Module):
    """Named terms, each already times its weight. A term of weight 0 is not computed."""

    def __init__(self, terms: Mapping[str, DistillationLoss], weight: Mapping[str, float]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict({name: term for name, term in terms.items() if weight[name] > 0})
        self.weight = {name: weight[name] for name in self.terms}
        self.needs = frozenset().union(*(terms[name].needs for name in self.weight))
        self.projects = any(terms[name].projects for name in self.weight)

    def begin_epoch(self, epoch: int, survey: Survey) -> None:
        for term in self.terms.values():
            term.begin_epoch(epoch, survey)  # type: ignore[operator]

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch) -> dict[str, Tensor]:
        return {name: self.weight[name] * term(student, teacher, batch) for name, term in self.terms.items()}


def build(
    preset: Mapping[str, Mapping[str, Any]],
    classifier: Tensor | None = None,
    scale: float | None = None,
    shapes: Shapes | None = None,
) -> WeightedSum:
    """The weighted sum of a preset; `classifier` (n, e) and `scale` are the teacher's, if it has them.

    `shapes` goes to the plugins whose `build` has a parameter of that name.
    """
    terms = {}
    for name, entry in preset.items():
        make = plugin.load("losses", name).build
        more = {"shapes": shapes} if "shapes" in inspect.signature(make).parameters else {}
        terms[name] = make(params_of(name, entry), classifier, scale, **more)
    return WeightedSum(terms, weights(preset))


def teacher_classifier(name: str, classifier: Tensor | None, scale: float | None) -> tuple[Tensor, float]:
    """`classifier` and `scale`, or an error for a teacher that has none."""
    if classifier is None or scale is None:
        raise ValueError(
            f"loss {name!r} needs the teacher's classifier, and this teacher has none "
            "(a foreign model gives embeddings alone); use fm"
        )
    return classifier, scale
