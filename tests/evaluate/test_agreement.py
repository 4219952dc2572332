"""Teacher-student agreement against loops."""

import math

import pytest
import torch

from pipeline.evaluate.agreement import agreement


def test_is_the_formula():
    g = torch.Generator().manual_seed(0)
    s, t = (torch.randn(6, 4, generator=g) for _ in range(2))
    z, y = (torch.randn(6, 5, generator=g) for _ in range(2))
    cosine = l2 = kl = 0.0
    for i in range(6):
        a, b = s[i].double() / s[i].double().norm(), t[i].double() / t[i].double().norm()
        cosine += float(a @ b) / 6
        l2 += float((a - b).square().sum()) / 6
        q, p = torch.softmax(z[i].double(), 0), torch.softmax(y[i].double(), 0)
        kl += sum(float(u) * math.log(float(u) / float(v)) for u, v in zip(p, q, strict=True)) / 6
    found = agreement(s, t, (z, y))
    assert found["cosine"] == pytest.approx(cosine, abs=1e-6)
    assert found["l2"] == pytest.approx(l2, abs=1e-6)
    assert found["kl"] == pytest.approx(kl, abs=1e-6)


def test_perfect_and_opposite():
    t = torch.randn(6, 4)
    logits = torch.randn(6, 5)
    same = agreement(3 * t, t, (logits + 2, logits))
    assert same == {
        "cosine": pytest.approx(1.0),
        "l2": pytest.approx(0, abs=1e-6),
        "kl": pytest.approx(0, abs=1e-6),
    }
    assert agreement(-t, t) == {"cosine": pytest.approx(-1.0), "l2": pytest.approx(4.0)}


def test_huge_logits_stay_finite_and_shapes_are_checked():
    found = agreement(
        torch.ones(1, 2), torch.ones(1, 2), (torch.tensor([[0.0, 0.0]]), torch.tensor([[1e5, 0.0]]))
    )
    assert found["kl"] == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="one shape"):
        agreement(torch.ones(1, 2), torch.ones(1, 3))
