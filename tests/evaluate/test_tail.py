"""Thresholds at a false-match rate: against sorting, against the law they were drawn from, and in worlds."""

import numpy as np
import pytest

from pipeline.evaluate import tail


def streamed(values, block=1000, **settings):
    scores = tail.Scores(**settings)
    for start in range(0, len(values), block):
        scores.add(values[start : start + block])
    return scores


def test_streaming_keeps_what_sorting_would():
    values = np.random.default_rng(0).normal(0, 0.2, 12_345).clip(-1, 1)
    scores = streamed(values, block=777, keep=500)
    np.testing.assert_array_equal(scores.top, np.sort(values)[-500:])
    assert scores.count == len(values) == scores.histogram.sum()
    assert scores.total == pytest.approx(np.arctanh(values.clip(-0.999999, 0.999999)).sum())
    edges = np.linspace(-1, 1, tail.BINS + 1)
    assert np.abs(scores.histogram - np.histogram(values, edges)[0]).max() <= 1  # a value on an edge


@pytest.mark.parametrize("rate", [0.01, 0.0371, 0.2])
@pytest.mark.parametrize("digits", [None, 1])
def test_measured_threshold_by_sorting(rate, digits):
    values = np.random.default_rng(1).normal(0, 0.2, 3000).clip(-1, 1)
    values = values if digits is None else np.round(values, digits)
    found = tail.threshold(streamed(values), rate)
    assert (found.method, found.supported) == ("measured", True)
    assert (values >= found.value).mean() <= rate
    lower = np.unique(values[values < found.value])[-1]
    assert (values >= lower).mean() > rate  # no lower threshold would do


def test_pareto_recovers_its_own_law():
    from scipy.stats import genpareto

    drawn = np.sort(genpareto(-0.2, scale=0.1).rvs(20_000, random_state=0))
    shape, scale = tail.pareto(drawn)
    assert shape == pytest.approx(-0.2, abs=0.03)
    assert scale == pytest.approx(0.1, rel=0.03)
    heavy = np.sort(genpareto(0.4, scale=0.1).rvs(5000, random_state=0))
    assert tail.pareto(heavy)[0] == 0  # cosines end at 1: a heavy tail is wrong labels
    assert tail.pareto(np.zeros(10)) == (0, 0)


def test_tail_and_normal_extend_to_unseen_rates():
    from scipy.stats import norm

    rng = np.random.default_rng(2)
    for count, method in ((100_000, "tail"), (400, "normal")):
        ratios = []
        for _ in range(20):
            found = tail.threshold(streamed(np.tanh(rng.normal(0, 0.15, count))), 1 / count)
            assert found.method == method
            assert found.supported
            ratios.append(norm.sf(np.arctanh(found.value), scale=0.15) * count)
        assert 0.6 < np.exp(np.mean(np.log(ratios))) < 1.7
    assert not tail.threshold(streamed(np.tanh(rng.normal(0, 0.15, 400))), 1e-4).supported


def test_false_matches_in_a_world_of_strangers_are_near_the_stated_rate():
    """Impostors of 100 people held out of 1,000; the rate in other people, over 10 worlds."""
    rate, passed = 1e-4, []
    for seed in range(10):
        vectors = people(seed, 1000)
        similar = vectors[:100] @ vectors.T
        found = tail.threshold(streamed(similar[np.triu_indices(100, 1, 1000)], 10_000), rate)
        assert found.method == "tail"
        strangers = people(100 + seed, 1000) @ people(200 + seed, 1000).T
        passed.append((strangers >= found.value).mean())
    assert 0.6 * rate < np.mean(passed) < 1.8 * rate
    assert max(passed) < 4 * rate


def people(seed, count, groups=8, size=64):
    """Unit vectors of people who look alike within groups."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(9).normal(size=(groups, size)) * 0.45
    vectors = means[rng.integers(0, groups, count)] + rng.normal(size=(count, size))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_wrong_label_does_not_hide_everyone():
    vectors = people(0, 1000)
    similar = (vectors[:100] @ vectors.T)[np.triu_indices(100, 1, 1000)]
    clean = tail.threshold(streamed(similar), 1e-5).value
    dirty = tail.threshold(streamed(np.append(similar, [0.97, 0.96, 0.95])), 1e-5).value
    assert dirty < clean + 0.05


def test_bulk_ignores_a_few_genuine_pairs():
    rng = np.random.default_rng(3)
    values = np.tanh(rng.normal(0.1, 0.15, 200_000))
    clean = tail.bulk(streamed(values, 50_000), 1e-4)
    dirty = tail.bulk(streamed(np.append(values, np.full(300, 0.9)), 50_000), 1e-4)
    assert dirty.value == pytest.approx(clean.value, abs=0.01)
    assert (values >= clean.value).mean() == pytest.approx(1e-4, rel=0.5)
    assert not clean.supported


@pytest.mark.parametrize("rate", [0, 1, -1e-3])
def test_impossible_rates_and_too_few_scores(rate):
    scores = streamed(np.array([0.1, 0.2, 0.3]))
    with pytest.raises(ValueError, match="share between 0 and 1"):
        tail.threshold(scores, rate)
    for law in (tail.threshold, tail.bulk):
        with pytest.raises(ValueError, match=r"1 (impostor )?scores: a threshold needs two"):
            law(streamed(np.array([0.1])), 1e-3)
