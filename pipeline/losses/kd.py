"""KD: the student's class distribution imitates the teacher's (https://arxiv.org/abs/1503.02531).

    q = softmax(z_S / T)    student, its own classifier
    p = softmax(z_T / T)    teacher
    forward   T^2 sum_k p_k (log p_k - log q_k)
    paper     T   sum_k q_k (log q_k - log p_k)    (Eq. 4.12 of the thesis as printed)

z are the logits (b, n) without margin, s cos for faces; mean over samples. Both classifiers must have
the same classes in the same order. Beside DistillKL of RepDistiller and kd_loss of mdistiller on the same
tensors (b 64, n 100 and 10575; T 1, 4, 20; logits up to 1, 10, 64) `forward` is equal to the bit in float64;
in float32 the largest difference is 3.1e-5 of the loss (of 1 where the loss is less): rounding of all three.
"""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pipeline.contracts import Batch, DistillationLoss, Outputs, Strict
from pipeline.losses import divergence, log_probabilities, teacher_classifier

NEEDS = frozenset({"logits"})


class Params(Strict):
    T: float = Field(4.0, gt=0)  # temperature of both softmaxes
    divergence: Literal["forward", "paper"] = "forward"  # KL(teacher || student) T^2, or Eq. 4.12 as printed


def kd(
    student: Float[Tensor, "b n"],
    teacher: Float[Tensor, "b n"],
    T: float = 4.0,
    form: Literal["forward", "paper"] = "forward",
) -> Float[Tensor, ""]:
    """Divergence of two sets of logits at temperature T."""
    if student.shape != teacher.shape:
        raise ValueError(
            f"kd compares the same classes: student logits {tuple(student.shape)}, teacher "
            f"{tuple(teacher.shape)}"
        )
    return divergence(log_probabilities(student, T), log_probabilities(teacher, T), T, form)


class KD(DistillationLoss):
    """`kd` of `student.logits` and `teacher.logits`."""

    needs = NEEDS

    def __init__(self, T: float = 4.0, form: Literal["forward", "paper"] = "forward") -> None:
        super().__init__()
        self.T, self.form = T, form

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch) -> Tensor:
        if student.logits is None or teacher.logits is None:
            raise ValueError("kd needs the logits of student and teacher; one of them has no classifier")
        return kd(student.logits, teacher.logits, self.T, self.form)


def build(params: Params, classifier: Tensor | None, scale: float | None) -> KD:
    teacher_classifier("kd", classifier, scale)
    return KD(params.T, params.divergence)
