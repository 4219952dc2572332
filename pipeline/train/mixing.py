"""Mix-up of labelled and unlabelled faces, and how much every part of distillation counts.

    lambda ~ Beta(a, a),  lambda = max(lambda, 1 - lambda)                        (Eq. 4.11 of the thesis)
    x' = lambda x_l + (1 - lambda) x_u
    y' = lambda p_l + (1 - lambda) p_u      p: class probabilities at temperature T
    loss = T^2 KL(y' || q(x'))              `divergence: paper`: T KL(q(x') || y'), Eq. 4.12 as printed

`target: teacher` takes the teacher's p_l and p_u (Eq. 4.11); `target: student` takes the student's own
prediction of the labelled half, without gradient (Algorithm 2 of the same chapter). Each labelled sample
of a batch is mixed with one unlabelled sample of it. A mix-up of normalised images is the normalised mix-up.
Neither a nor the mixed term's T is stated in the thesis: ours are first guesses, to be chosen on validation
identities.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pipeline.contracts import LABELLED, MIXED, UNLABELLED, Batch, Strict

Per = Literal["sample", "batch"]


class Params(Strict):
    recognition: float = Field(1.0, ge=0)  # weight of the labels (L_CE of Eq. 4.9)
    labelled: float = Field(1.0, ge=0)  # weight of distillation on labelled faces (gamma of Eq. 4.9)
    unlabelled: float = Field(1.0, ge=0)  # weight of distillation on unlabelled faces (lambda of Eq. 4.9)
    mixed: float = Field(0.0, ge=0)  # weight of the mix-up term (Eq. 4.12)
    batch_unlabelled: int = Field(64, ge=0)  # unlabelled faces a step; 0: none, and nothing to mix
    alpha: float = Field(1.0, gt=0)  # a of Beta(a, a); 1 is uniform
    per: Per = "sample"  # one lambda a sample (Eq. 4.11) or a batch (Algorithm 2)
    T: float = Field(4.0, gt=0)  # temperature of the mix-up term
    target: Literal["teacher", "student"] = "teacher"  # whose prediction of the labelled half
    divergence: Literal["forward", "paper"] = "forward"  # KL(target || student) T^2, or Eq. 4.12 as printed


def of_what_is_there(params: Params, labelled: bool, unlabelled: bool) -> Params:
    """`params` with weight 0 for whatever the data can't give: labels, faces without any, both to mix."""
    unlabelled = unlabelled and params.batch_unlabelled > 0
    have = {
        "recognition": labelled,
        "labelled": labelled,
        "unlabelled": unlabelled,
        "mixed": labelled and unlabelled,
    }
    nothing: dict[str, float] = {name: 0.0 for name, there in have.items() if not there}
    if not unlabelled:
        nothing["batch_unlabelled"] = 0
    return params.model_copy(update=nothing)


def weighs(params: Params) -> bool:
    """Whether anything is learnt at all."""
    return params.recognition > 0 or params.labelled > 0 or params.unlabelled > 0 or params.mixed > 0


def trains_head(params: Params, needs: Collection[str]) -> bool:
    """Whether the student's classifier has a part in the loss: else it would stay as it was drawn.

    `needs` is what the distillation losses read of a teacher.
    """
    distils = params.labelled > 0 or params.unlabelled > 0
    return params.recognition > 0 or params.mixed > 0 or ("logits" in needs and distils)


def draw(
    alpha: float, count: int, random: np.random.Generator, per: Per = "sample"
) -> npt.NDArray[np.float32]:
    """`count` shares of the labelled half, in [0.5, 1]."""
    share = random.beta(alpha, alpha, size=count if per == "sample" else 1)
    return np.broadcast_to(np.maximum(share, 1.0 - share), (count,)).astype(np.float32)


def mix_log(
    labelled: Float[Tensor, "b n"], unlabelled: Float[Tensor, "b n"], weight: Float[Tensor, " b"]
) -> Float[Tensor, "b n"]:
    """log(w p_l + (1 - w) p_u) of log-probabilities: exact where a probability is too small for float32."""
    share = weight[:, None].to(labelled.dtype)
    return torch.logaddexp(labelled + share.log(), unlabelled + torch.log1p(-share))


@dataclass(frozen=True)
class Mixer:
    """Adds to a batch of b labelled and u unlabelled samples b mixed ones; nothing where one kind is missing.

    All that is random comes from the generator of the step that it is handed.
    """

    alpha: float = 1.0
    per: Per = "sample"

    def __call__(self, batch: Batch, random: np.random.Generator) -> Batch:
        whose = batch.domain.cpu().numpy()
        mine, others = np.flatnonzero(whose == LABELLED), np.flatnonzero(whose == UNLABELLED)
        if not len(mine) or not len(others):
            return batch
        share = draw(self.alpha, len(mine), random, self.per)
        partner = np.resize(random.permutation(others), len(mine))  # fewer unlabelled ones serve twice
        device = batch.image.device
        return _join(batch, mixed(batch, *(torch.from_numpy(v).to(device) for v in (mine, partner, share))))


def mixed(batch: Batch, labelled: Tensor, unlabelled: Tensor, share: Tensor) -> Batch:
    """Samples share * batch[labelled] + (1 - share) * batch[unlabelled]; extras are the labelled half's."""
    half = batch.select(labelled)
    w = share.view(-1, 1, 1, 1).to(batch.image.dtype)
    return replace(
        half,
        image=w * half.image + (1.0 - w) * batch.image[unlabelled],
        label=torch.full_like(half.label, -1),
        domain=torch.full_like(half.domain, MIXED),
        partner=batch.row[unlabelled],
        partner_mirrored=batch.mirrored[unlabelled],
        weight=share,
    )


def _join(first: Batch, second: Batch) -> Batch:
    names = [name for name in vars(first) if name != "extras"]
    return Batch(
        **{name: torch.cat([getattr(first, name), getattr(second, name)]) for name in names},
        extras={name: torch.cat([value, second.extras[name]]) for name, value in first.extras.items()},
    )


def mixer(params: Params) -> Mixer | None:
    """The mix hook of a preset, or none where the mix-up term has no weight or nothing to mix with."""
    return Mixer(params.alpha, params.per) if params.mixed > 0 and params.batch_unlabelled > 0 else None
