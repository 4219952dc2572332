"""KD against a loop in float64."""

import math

import pytest
import torch

from pipeline.contracts import Outputs
from pipeline.losses import kd
from tests.losses.batches import BATCH


def slow(student, teacher, T, form):
    """Eq. 4.1 and 4.12, a sample and a class at a time."""
    total = 0.0
    for zs, zt in zip(student.tolist(), teacher.tolist(), strict=True):
        q = [math.exp((z - max(zs)) / T) for z in zs]
        p = [math.exp((z - max(zt)) / T) for z in zt]
        q, p = [v / sum(q) for v in q], [v / sum(p) for v in p]
        for qk, pk in zip(q, p, strict=True):
            total += pk * math.log(pk / qk) if form == "forward" else qk * math.log(qk / pk)
    return total / len(student) * (T * T if form == "forward" else T)


def logits(seed, b=6, n=11, scale=3.0):
    g = torch.Generator().manual_seed(seed)
    return tuple(scale * torch.randn(b, n, generator=g, dtype=torch.float64) for _ in range(2))


@pytest.mark.parametrize("form", ["forward", "paper"])
@pytest.mark.parametrize("T", [1.0, 4.0, 20.0])
def test_is_the_formula(form, T):
    student, teacher = logits(0)
    assert kd.kd(student, teacher, T, form).item() == pytest.approx(
        slow(student, teacher, T, form), rel=1e-10
    )


def test_the_two_forms_differ():
    student, teacher = logits(1)
    assert abs(kd.kd(student, teacher, 4.0) - 4 * kd.kd(student, teacher, 4.0, "paper")) > 0.1


def test_zero_where_logits_agree_up_to_a_shift_and_positive_elsewhere():
    student, teacher = logits(2)
    shift = torch.randn(6, 1, dtype=torch.float64)
    for form in ("forward", "paper"):
        assert kd.kd(teacher + shift, teacher, 4.0, form).abs() < 1e-12
        assert kd.kd(student, teacher, 4.0, form) > 0.1
        moved = kd.kd(student + shift, teacher - 2 * shift, 4.0, form)
        assert torch.isclose(moved, kd.kd(student, teacher, 4.0, form), rtol=1e-10)


def test_order_of_classes_and_samples_is_indifferent():
    student, teacher = logits(3)
    columns, rows = torch.randperm(11), torch.randperm(6)
    same = kd.kd(student[rows][:, columns], teacher[rows][:, columns], 2.0)
    assert torch.isclose(same, kd.kd(student, teacher, 2.0), rtol=1e-10)


@pytest.mark.parametrize("form", ["forward", "paper"])
def test_huge_logits_stay_finite(form):
    teacher = torch.zeros(2, 5)
    teacher[:, 0] = 1e4
    student = torch.zeros(2, 5, requires_grad=True)
    loss = kd.kd(student, teacher, 1.0, form)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()
    if form == "forward":
        assert loss.item() == pytest.approx(math.log(5), rel=1e-5)


def test_gradient_keeps_its_size_at_any_temperature():
    student, teacher = (v.requires_grad_() for v in logits(4, scale=0.5))
    sizes = []
    for T in (10.0, 40.0):
        (gradient,) = torch.autograd.grad(kd.kd(student, teacher.detach(), T), student)
        sizes.append(gradient.norm())
    assert sizes[0] / sizes[1] == pytest.approx(1.0, abs=0.05)


def test_module_reads_logits_and_says_what_is_missing():
    student, teacher = logits(5)
    loss = kd.build(kd.Params(T=2.0, divergence="paper"), torch.eye(11), 1.0)
    embedding = torch.zeros(6, 2)
    value = loss(Outputs(embedding, logits=student), Outputs(embedding, logits=teacher), BATCH)
    assert torch.equal(value, kd.kd(student, teacher, 2.0, "paper"))
    with pytest.raises(ValueError, match="logits"):
        loss(Outputs(embedding, logits=student), Outputs(embedding), BATCH)
    with pytest.raises(ValueError, match="same classes"):
        kd.kd(student, teacher[:, :4])
    with pytest.raises(ValueError, match="T"):
        kd.Params(T=0.0)
