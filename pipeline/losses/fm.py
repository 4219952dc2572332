"""FM: the student's embedding, through the connector, imitates the teacher's (thesis, Eq. 4.3).

    r_S = normalise(connector(f_S)),  r_T = normalise(f_T)       f: faces, embeddings (b, e)
    mean   sum_ij (r_S - r_T)_ij^2 / (b e)    (the authors' code)
    sum    sum_ij (r_S - r_T)_ij^2 / b        (Eq. 4.3 as printed: e times the mean)

For object classification (`normalise: false`) f are the pooled penultimate features as they are: the
authors' connector, a 1x1 convolution, BN and ReLU, runs on the map before pooling. Faces need no ReLU
(embeddings are signed) and compare directions, which is all that a cosine reads.
The mean of unit vectors is at most 4 / e, so a weight of 1 is a gentle pull there: e = 128 gives 0.03.
Beside `statm_loss` of github.com/jingyang2017/KD_SRRL on the same maps (64, 512, 7, 7), pooled for
ours, `normalise: false`: largest difference 6.9e-8 relative.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.contracts import Batch, DistillationLoss, Outputs, Strict

NEEDS = frozenset({"embedding"})


class Params(Strict):
    normalise: bool = True  # faces compare directions; false: features as they are (object classification)
    reduction: Literal["mean", "sum"] = "mean"  # over a sample's elements: the authors' code, or Eq. 4.3


def fm(
    student: Float[Tensor, "b e"],
    teacher: Float[Tensor, "b e"],
    normalise: bool = True,
    reduction: Literal["mean", "sum"] = "mean",
) -> Float[Tensor, ""]:
    """Squared distance of two sets of embeddings; `student` has the teacher's size already."""
    if student.shape != teacher.shape:
        raise ValueError(
            f"fm compares embeddings of one size: student {tuple(student.shape)}, teacher "
            f"{tuple(teacher.shape)}; a connector brings the student's to the teacher's"
        )
    if student.dtype != torch.float64:
        student, teacher = student.float(), teacher.float()
    if normalise:
        student, teacher = normalize(student), normalize(teacher)
    square = (student - teacher).square()
    return square.mean() if reduction == "mean" else square.sum(1).mean()


class FM(DistillationLoss):
    """`fm` of `student.projected` and `teacher.embedding`."""

    needs = NEEDS
    projects = True

    def __init__(self, normalise: bool = True, reduction: Literal["mean", "sum"] = "mean") -> None:
        super().__init__()
        self.normalise, self.reduction = normalise, reduction

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch) -> Tensor:
        if student.projected is None:
            raise ValueError("fm needs the student's projected embedding (Outputs.projected)")
        return fm(student.projected, teacher.embedding, self.normalise, self.reduction)


def build(params: Params, classifier: Tensor | None, scale: float | None) -> FM:
    return FM(params.normalise, params.reduction)
