"""Mix-up: shares, images, bookkeeping, targets."""

import math

import numpy as np
import pytest
import torch

from pipeline.contracts import LABELLED, MIXED, UNLABELLED, Batch
from pipeline.train import mixing


def make(labelled=4, unlabelled=3, seed=0, size=5):
    g = torch.Generator().manual_seed(seed)
    b = labelled + unlabelled
    return Batch(
        image=torch.randn(b, 3, size, size, generator=g),
        label=torch.cat([torch.arange(labelled), torch.full((unlabelled,), -1)]),
        row=100 + torch.randperm(b, generator=g),
        mirrored=torch.rand(b, generator=g) < 0.5,
        domain=torch.tensor([LABELLED] * labelled + [UNLABELLED] * unlabelled),
        partner=torch.full((b,), -1),
        partner_mirrored=torch.zeros(b, dtype=torch.bool),
        weight=torch.ones(b),
        extras={"points": torch.randn(b, 5, 2, generator=g)},
    )


def test_mixed_samples_are_what_they_say_they_are():
    batch = make()
    out = mixing.Mixer(1.0)(batch, np.random.default_rng(7))
    assert len(out) == 4 + 3 + 4
    first = out.select(slice(0, 7))
    for name in ("image", "label", "row", "mirrored", "domain", "partner", "weight"):
        assert torch.equal(getattr(first, name), getattr(batch, name))
    for i in range(4):
        m = 7 + i
        j = next(k for k in range(4, 7) if batch.row[k] == out.partner[m])
        w = float(out.weight[m])
        expected = w * batch.image[i].double() + (1 - w) * batch.image[j].double()
        assert torch.allclose(out.image[m].double(), expected, atol=1e-6)
        assert 0.5 <= w <= 1.0
        assert out.label[m] == -1
        assert out.domain[m] == MIXED
        assert (out.row[m], out.mirrored[m]) == (batch.row[i], batch.mirrored[i])
        assert out.partner_mirrored[m] == batch.mirrored[j]
        assert torch.equal(out.extras["points"][m], batch.extras["points"][i])
    assert len(set(out.partner[7:].tolist())) == 3  # every unlabelled one serves before one serves twice


def test_the_generator_of_the_step_decides_everything():
    batch = make()
    one, two, other = (mixing.Mixer(0.4)(batch, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.image, two.image)
    assert not torch.equal(one.weight, other.weight)


def test_one_share_a_sample_or_a_batch():
    random = np.random.default_rng(0)
    assert len(set(mixing.draw(1.0, 50, random, "sample").tolist())) == 50
    assert len(set(mixing.draw(1.0, 50, random, "batch").tolist())) == 1


@pytest.mark.parametrize("alpha", [0.5, 1.0, 8.0])
def test_shares_follow_the_folded_beta(alpha):
    from scipy import stats

    shares = mixing.draw(alpha, 4000, np.random.default_rng(3)).astype(np.float64)
    folded = stats.beta(alpha, alpha)
    assert stats.kstest(shares, lambda x: folded.cdf(x) - folded.cdf(1 - x)).pvalue > 1e-3


@pytest.mark.parametrize(("labelled", "unlabelled"), [(4, 0), (0, 3)])
def test_nothing_to_mix_leaves_the_batch_alone(labelled, unlabelled):
    batch = make(labelled, unlabelled)
    assert mixing.Mixer(1.0)(batch, np.random.default_rng(0)) is batch


def test_mixture_of_probabilities():
    g = torch.Generator().manual_seed(0)
    p, u = (torch.softmax(torch.randn(6, 9, generator=g, dtype=torch.float64), 1) for _ in range(2))
    w = torch.tensor([0.5, 0.6, 0.75, 0.9, 0.999, 1.0], dtype=torch.float64)
    found = mixing.mix_log(p.log(), u.log(), w).exp()
    assert torch.allclose(found, w[:, None] * p + (1 - w[:, None]) * u, rtol=1e-12)
    assert torch.allclose(found.sum(1), torch.ones(6, dtype=torch.float64))
    assert torch.allclose(mixing.mix_log(p.log(), p.log(), w), p.log(), rtol=1e-10)


def test_mixture_survives_probabilities_below_float32():
    tiny = torch.tensor([[0.0, -500.0]])
    found = mixing.mix_log(tiny, tiny, torch.tensor([0.7]))
    assert found[0, 1].item() == pytest.approx(-500.0)
    assert math.isfinite(mixing.mix_log(tiny, tiny, torch.tensor([1.0]))[0, 1])


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "left"),
    [
        (True, True, {"recognition", "labelled", "unlabelled", "mixed"}),
        (True, False, {"recognition", "labelled"}),
        (False, True, {"unlabelled"}),
        (False, False, set()),
    ],
)
def test_weights_of_what_is_not_there_vanish(labelled, unlabelled, left):
    params = mixing.Params(mixed=1.0)
    found = mixing.of_what_is_there(params, labelled, unlabelled)
    names = ("recognition", "labelled", "unlabelled", "mixed")
    assert {name for name in names if getattr(found, name)} == left
    assert bool(found.batch_unlabelled) == unlabelled
    assert (mixing.mixer(found) is not None) == ("mixed" in left)


def test_no_unlabelled_faces_a_step_is_as_none_at_all():
    found = mixing.of_what_is_there(mixing.Params(mixed=1.0, batch_unlabelled=0), True, True)
    assert (found.unlabelled, found.mixed, found.labelled) == (0.0, 0.0, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [{"alpha": 0.0}, {"mixed": -1.0}, {"target": "both"}, {"per": "epoch"}, {"T": 0.0}, {"beta": 1.0}],
)
def test_wrong_params_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        mixing.Params(**wrong)
