"""CosFace against loops in float64."""

import math

import pytest
import torch

from pipeline import heads
from pipeline.heads import cosface


def reference(embedding, weight, label, m, s):
    """Loops over samples and classes."""
    rows = []
    for x, y in zip(embedding.tolist(), label.tolist(), strict=True):
        row = []
        for j, w in enumerate(weight.tolist()):
            dot = sum(a * b for a, b in zip(x, w, strict=True))
            cos = dot / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in w))
            row.append(s * (cos - m) if j == y else s * cos)
        rows.append(row)
    return torch.tensor(rows, dtype=torch.float64)


def make(seed=0, b=6, d=8, classes=5, m=0.35, s=64.0):
    torch.manual_seed(seed)
    head = cosface.build(cosface.Params(m=m, s=s), d, classes).double()
    return head, torch.randn(b, d, dtype=torch.float64), torch.randint(classes, (b,))


def test_equals_loops():
    head, x, y = make()
    torch.testing.assert_close(head(x, y), reference(x, head.weight, y, 0.35, 64.0))


def test_classify_has_no_margin():
    head, x, y = make()
    torch.testing.assert_close(head.classify(x), reference(x, head.weight, y, 0.0, 64.0))


def test_gradient_equals_finite_differences():
    head, x, y = make(s=4.0)
    x.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda e, w: cosface.cosface(heads.cosine(e, w), y, 0.35, 4.0), (x, head.weight)
    )


def test_rotating_the_space_changes_nothing():
    head, x, y = make()
    before = head(x, y)
    turn, _ = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))
    with torch.no_grad():
        head.weight.copy_(head.weight @ turn)
    torch.testing.assert_close(head(x @ turn, y), before)


def test_length_of_an_embedding_changes_nothing():
    head, x, y = make()
    torch.testing.assert_close(head(1e4 * x, y), head(x, y))


def test_zero_embedding_gives_finite_values_and_gradients():
    head, x, y = make()
    zero = torch.zeros_like(x, requires_grad=True)
    head(zero, y).sum().backward()
    assert torch.isfinite(zero.grad).all()
    assert torch.isfinite(head.weight.grad).all()


def test_logits_are_float32_under_autocast():
    head, x, y = make()
    head = head.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = head(x.bfloat16(), y)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(
        logits.double(), reference(x.bfloat16(), head.weight, y, 0.35, 64.0), atol=1e-4, rtol=1e-5
    )


def test_adaptive_scale_is_that_of_the_paper():
    assert heads.adaptive_scale(10575) == pytest.approx(13.10, abs=0.005)
    assert cosface.build(cosface.Params(s="adaptive"), 4, 1000).s == pytest.approx(
        math.sqrt(2) * math.log(999)
    )


@pytest.mark.parametrize("classes", [1, 2])
def test_adaptive_scale_of_too_few_classes_is_refused(classes):
    with pytest.raises(ValueError, match="more than 2 classes"):
        cosface.build(cosface.Params(s="adaptive"), 4, classes)


def test_a_scale_that_is_a_word_is_refused():
    with pytest.raises(ValueError, match="adaptive"):
        cosface.Params(s="adaptiv")
