"""ArcFace against angles in float64, and at the ends of the circle."""

import math

import pytest
import torch

from pipeline import heads
from pipeline.heads import arcface

M, S = 0.5, 64.0


def reference(embedding, weight, label, m, s):
    """Angles by arccos, sample by sample."""
    rows = []
    for x, y in zip(embedding, label.tolist(), strict=True):
        row = []
        for j, w in enumerate(weight):
            cos = float(x @ w / x.norm() / w.norm())
            theta = math.acos(max(-1.0, min(1.0, cos)))
            if j != y:
                row.append(s * cos)
            else:
                row.append(s * math.cos(theta + m) if theta <= math.pi - m else s * (cos - m * math.sin(m)))
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def make(seed=0, b=16, d=3, classes=5):
    """Three dimensions, so that some labels are nearly opposite."""
    torch.manual_seed(seed)
    head = arcface.build(arcface.Params(m=M, s=S), d, classes).double()
    return head, torch.randn(b, d, dtype=torch.float64), torch.randint(classes, (b,))


def at(theta, dtype=torch.float64):
    """A sample whose label is `theta` away."""
    embedding = torch.tensor([[math.cos(theta), math.sin(theta)]], dtype=dtype, requires_grad=True)
    weight = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=dtype)
    return embedding, weight, torch.tensor([0])


def test_equals_angles_on_both_sides_of_the_fallback():
    head, x, y = make(b=200)
    theta = torch.acos(heads.cosine(x, head.weight).gather(1, y[:, None]))
    assert (theta > math.pi - M).any()
    assert (theta < math.pi - M).any()
    torch.testing.assert_close(head(x, y), reference(x, head.weight.detach(), y, M, S))


def test_classify_has_no_margin():
    head, x, y = make()
    torch.testing.assert_close(head.classify(x), reference(x, head.weight.detach(), y, 0.0, S))


def test_gradient_equals_finite_differences():
    head, x, y = make()
    x.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda e, w: arcface.arcface(heads.cosine(e, w), y, M, 4.0), (x, head.weight)
    )


@pytest.mark.parametrize("degrees", [10, 45, 90, 140])
def test_gradient_is_the_true_one(degrees):
    theta = math.radians(degrees)
    cosines = torch.tensor([[math.cos(theta), 0.1, 0.2]], dtype=torch.float64, requires_grad=True)
    arcface.arcface(cosines, torch.tensor([0]), M, S)[0, 0].backward()
    assert cosines.grad[0, 0].item() == pytest.approx(S * math.sin(theta + M) / math.sin(theta), rel=1e-9)


def test_falls_with_the_angle_all_the_way():
    theta = torch.linspace(0, math.pi, 2001, dtype=torch.float64)
    cosines = torch.stack([theta.cos(), 0 * theta, 0 * theta], 1)
    target = arcface.arcface(cosines, torch.zeros(2001, dtype=torch.long), M, S)[:, 0]
    assert (target.diff() < 0).all()


@pytest.mark.parametrize("theta", [0.0, 1e-8, 1e-4, math.pi - 1e-4, math.pi])
def test_ends_of_the_circle_are_finite(theta):
    embedding, weight, label = at(theta, torch.float32)
    logits = arcface.arcface(heads.cosine(embedding, weight), label, M, S)
    logits[0, 0].backward()
    expected = math.cos(theta + M) if theta <= math.pi - M else math.cos(theta) - M * math.sin(M)
    assert logits[0, 0].item() == pytest.approx(S * expected, abs=0.06)
    assert torch.isfinite(embedding.grad).all()
    assert embedding.grad.abs().max() <= S * 1.01


def test_rotating_the_space_changes_nothing():
    head, x, y = make()
    before = head(x, y)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    with torch.no_grad():
        head.weight.copy_(head.weight @ turn)
    torch.testing.assert_close(head(x @ turn, y), before)


def test_adaptive_scale_of_too_few_classes_is_refused():
    with pytest.raises(ValueError, match="more than 2 classes"):
        arcface.build(arcface.Params(s="adaptive"), 4, 2)
