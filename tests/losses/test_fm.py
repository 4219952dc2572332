"""FM against a loop in float64."""

import math

import pytest
import torch

from pipeline.contracts import Outputs
from pipeline.losses import fm
from tests.losses.batches import BATCH


def embeddings(seed, b=5, e=7):
    g = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(b, e, generator=g, dtype=torch.float64) for _ in range(2))


def slow(student, teacher, normalise, reduction):
    total = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        ns = math.sqrt(sum(v * v for v in s)) if normalise else 1.0
        nt = math.sqrt(sum(v * v for v in t)) if normalise else 1.0
        total += sum((a / ns - b / nt) ** 2 for a, b in zip(s, t, strict=True))
    return total / len(student) / (student.shape[1] if reduction == "mean" else 1)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_is_the_formula(normalise, reduction):
    student, teacher = embeddings(0)
    found = fm.fm(student, teacher, normalise, reduction)
    assert found.item() == pytest.approx(slow(student, teacher, normalise, reduction), rel=1e-12)


def test_faces_compare_directions():
    """2 (1 - cos) / e; lengths don't matter, and opposite directions are the most that can be: 4 / e."""
    student, teacher = embeddings(1)
    lengths = torch.rand(5, 1, dtype=torch.float64) + 0.1
    expected = 2 * (1 - torch.cosine_similarity(student, teacher)).mean() / 7
    assert torch.isclose(fm.fm(student * lengths, teacher), expected, rtol=1e-10)
    assert fm.fm(3 * teacher, teacher) < 1e-15
    assert fm.fm(-teacher, teacher).item() == pytest.approx(4 / 7)


def test_rotating_both_changes_nothing():
    student, teacher = embeddings(2)
    turn = torch.linalg.qr(torch.randn(7, 7, dtype=torch.float64))[0]
    assert torch.isclose(fm.fm(student @ turn, teacher @ turn), fm.fm(student, teacher), rtol=1e-10)


def test_zero_embedding_stays_finite():
    student = torch.zeros(2, 4, requires_grad=True)
    loss = fm.fm(student, torch.ones(2, 4))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(student.grad).all()


def test_module_reads_the_projected_embedding():
    student, teacher = embeddings(3)
    loss = fm.build(fm.Params(), None, None)
    value = loss(Outputs(torch.zeros(5, 2), projected=student), Outputs(teacher), BATCH)
    assert torch.equal(value, fm.fm(student, teacher))
    with pytest.raises(ValueError, match="projected"):
        loss(Outputs(student), Outputs(teacher), BATCH)
    with pytest.raises(ValueError, match="one size"):
        fm.fm(student, teacher[:, :3])
