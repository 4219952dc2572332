"""SR: the teacher's frozen classifier must say the same of both (thesis, Eqs. 4.4-4.7).

    c_T = W_T r_T,  c_S = W_T r_S    cosines (b, n): r as in `fm`, rows of W_T normalised, no margin
    l2     mean over samples of a sum_k (c_T - c_S)_k^2                 Eq. 4.7
           a = 1 / n (`reduction: mean`), 1 (`sum`), or e / tr(W_T W_T') (`dim`)
    ce     - sum_k p_k log q_k,  p = softmax(s c_T), q = softmax(s c_S)    Eq. 4.4; s: the teacher's scale
    kl     T^2 KL(p || q) at temperature T      `divergence: paper`: T KL(q || p), as the list of 4.4.1 prints
    label  - log q_y, Table 4.4's "CE with label y"; samples without a label are left out

Paper: https://openreview.net/pdf?id=ZzwDy_wiWv. Since c_T - c_S = W_T d with d = r_T - r_S, the sum over
classes of (c_T - c_S)^2 is d' (W_T' W_T) d: l2 costs e x e a sample whatever the number of classes. Of
random classes it is n / e |d|^2, so beside another loss `sum` grows and `mean` vanishes with the number of
classes; `dim` stays near |d|^2, which is what `fm` with a sum over elements is.
`normalise: false` is object classification: features and W_T as they are.
Beside F.mse_loss of the frozen classifier's two outputs as github.com/jingyang2017/KD_SRRL computes them
(its resnet, 512 features, 1000 classes; the bias cancels), l2 with `normalise: false`: largest difference
1.0e-7 relative.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from pipeline.contracts import Batch, DistillationLoss, Outputs, Strict
from pipeline.losses import divergence, log_probabilities, teacher_classifier

NEEDS = frozenset({"embedding", "classifier"})  # the logits of both are made here
Form = Literal["l2", "ce", "kl", "label"]
Reduction = Literal["mean", "sum", "dim"]


class Params(Strict):
    form: Form = "l2"  # l2 works best in Table 4.4
    T: float = Field(4.0, gt=0)  # temperature of the kl form
    divergence: Literal["forward", "paper"] = "forward"  # of the kl form
    normalise: bool = True  # cosines; false: features and classifier as they are (object classification)
    reduction: Reduction = "mean"  # of the l2 form: the authors' code, Eq. 4.7, or by the number of classes


def gram(classifier: Float[Tensor, "n e"], normalise: bool = True) -> Float[Tensor, "e e"]:
    """W' W, summed in float64: with it the l2 form needs no logits."""
    rows = classifier.detach().double()
    rows = normalize(rows) if normalise else rows
    return (rows.T @ rows).to(classifier.dtype)


def sr_l2(
    student: Float[Tensor, "b e"], teacher: Float[Tensor, "b e"], square: Float[Tensor, "e e"]
) -> Float[Tensor, ""]:
    """Squared distance of the logits, summed over classes, mean over samples; `square` is `gram`'s."""
    difference = teacher - student
    return ((difference @ square) * difference).sum(1).mean()


def sr_ce(student: Float[Tensor, "b n"], teacher: Float[Tensor, "b n"]) -> Float[Tensor, ""]:
    """Cross entropy of the student's distribution under the teacher's, from logits."""
    return -(log_probabilities(teacher, 1.0).exp() * log_probabilities(student, 1.0)).sum(1).mean()


def sr_label(student: Float[Tensor, "b n"], label: Int[Tensor, " b"]) -> Float[Tensor, ""]:
    """Cross entropy with the labels, mean over the samples that have one; 0 if none has."""
    total = cross_entropy(student, label, ignore_index=-1, reduction="sum")
    return total / (label >= 0).sum().clamp(min=1)


class SR(DistillationLoss):
    """One form, between `teacher.embedding` and `student.projected` under the teacher's classifier."""

    needs = NEEDS
    projects = True
    gram: Tensor
    classifier: Tensor

    def __init__(
        self,
        classifier: Tensor,
        scale: float,
        form: Form = "l2",
        T: float = 4.0,
        divergence: Literal["forward", "paper"] = "forward",
        normalise: bool = True,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        self.form, self.T, self.divergence, self.normalise = form, T, divergence, normalise
        self.scale = scale if normalise else 1.0
        weight = normalize(classifier.detach()) if normalise else classifier.detach()
        trace = float(weight.double().square().sum())
        self.share = {"mean": 1.0 / len(weight), "sum": 1.0, "dim": weight.shape[1] / trace}[reduction]
        # the teacher's, not ours: kept out of checkpoints, never a parameter
        self.register_buffer("gram", gram(classifier, normalise) if form == "l2" else None, persistent=False)
        self.register_buffer("classifier", None if form == "l2" else weight.clone(), persistent=False)

    def _unit(self, embedding: Tensor) -> Tensor:
        wide = embedding if embedding.dtype == torch.float64 else embedding.float()
        return normalize(wide) if self.normalise else wide

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch) -> Tensor:
        if student.projected is None:
            raise ValueError("sr needs the student's projected embedding (Outputs.projected)")
        mine = self._unit(student.projected)
        if self.form == "l2":
            return self.share * sr_l2(mine, self._unit(teacher.embedding), self.gram)
        logits = self.scale * mine @ self.classifier.T
        if self.form == "label":
            return sr_label(logits, batch.label)
        theirs = self.scale * self._unit(teacher.embedding) @ self.classifier.T
        if self.form == "ce":
            return sr_ce(logits, theirs)
        target = log_probabilities(theirs, self.T)
        return divergence(log_probabilities(logits, self.T), target, self.T, self.divergence)


def build(params: Params, classifier: Tensor | None, scale: float | None) -> SR:
    weight, s = teacher_classifier("sr", classifier, scale)
    return SR(weight, s, params.form, params.T, params.divergence, params.normalise, params.reduction)
