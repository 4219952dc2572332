"""Verification metrics against loops over every pair and every threshold, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import curves


def random_pairs(seed, n=120, levels=None):
    rng = np.random.default_rng(seed)
    same = rng.random(n) < 0.5
    same[:2] = True, False
    scores = rng.normal(same * 1.0, 1.0)
    if levels:
        scores = np.round(scores * levels) / levels
    return scores, same


def slow_rates(scores, same, threshold):
    far = np.mean([s >= threshold for s, g in zip(scores, same, strict=True) if not g])
    tar = np.mean([s >= threshold for s, g in zip(scores, same, strict=True) if g])
    return far, tar


@pytest.mark.parametrize("levels", [None, 2, 1])
@pytest.mark.parametrize("seed", range(5))
def test_curve_is_what_counting_gives(seed, levels):
    scores, same = random_pairs(seed, levels=levels)
    curve = curves.roc(scores, same)
    assert len(curve.threshold) == len(set(scores)) + 1
    for threshold, far, tar in zip(curve.threshold, curve.far, curve.tar, strict=True):
        assert (far, tar) == pytest.approx(slow_rates(scores, same, threshold))


@pytest.mark.parametrize("levels", [None, 2])
def test_agrees_with_sklearn(levels):
    from sklearn.metrics import roc_auc_score, roc_curve

    scores, same = random_pairs(3, 400, levels)
    curve = curves.roc(scores, same)
    far, tar, threshold = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.far, far)
    np.testing.assert_allclose(curve.tar, tar)
    np.testing.assert_allclose(curve.threshold[1:], threshold[1:])
    assert curves.auc(curve) == pytest.approx(roc_auc_score(same, scores))


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("far", [0.05, 0.1, 0.37, 1.0])
def test_tar_is_the_largest_with_far_at_most(far, levels):
    scores, same = random_pairs(7, 500, levels)
    answer = curves.tar_at_far(curves.roc(scores, same), far)
    rates = [slow_rates(scores, same, t) for t in [*scores, max(scores) + 1]]
    assert answer["tar"] == pytest.approx(max(tar for f, tar in rates if f <= far + 1e-12))
    found_far, found_tar = slow_rates(scores, same, answer["threshold"])
    assert found_tar == pytest.approx(answer["tar"])
    assert found_far <= far + 1e-12


def test_tar_never_rounds_the_rate_up():
    same = np.array([False] * 10 + [True] * 10)
    scores = np.concatenate([np.arange(10) / 10, np.full(10, 0.85)])
    curve = curves.roc(scores, same)  # one impostor (0.9) above all genuine ones
    assert curves.tar_at_far(curve, 0.1)["tar"] == 1.0
    assert curves.tar_at_far(curve, 0.199)["false_accepts"] == 1
    tied = np.where(same, 0.9, scores)  # now the impostor ties with them: FAR 0 accepts none
    assert curves.tar_at_far(curves.roc(np.append(tied, 0.95), np.append(same, False)), 0.1)["tar"] == 0.0


def test_unsupported_rates_are_refused_or_flagged():
    scores, same = random_pairs(1, 1000)
    curve = curves.roc(scores, same)
    refused = curves.tar_at_far(curve, 0.5 / curve.impostors)
    assert refused["tar"] is None
    assert "below 1" in refused["note"]
    rough = curves.tar_at_far(curve, 9.5 / curve.impostors)
    assert rough["tar"] is not None
    assert not rough["supported"]
    assert "below 10" in rough["note"]
    assert curves.tar_at_far(curve, 10 / curve.impostors)["supported"]
    with pytest.raises(ValueError, match="FAR 0"):
        curves.tar_at_far(curve, 0)


def test_metrics_do_not_depend_on_order_or_scale():
    scores, same = random_pairs(5, 200)
    order = np.random.default_rng(0).permutation(200)
    for other in (curves.roc(scores[order], same[order]), curves.roc(scores * 3 + 1, same)):
        curve = curves.roc(scores, same)
        assert curves.auc(other) == pytest.approx(curves.auc(curve))
        assert curves.eer(other) == pytest.approx(curves.eer(curve))


def test_equal_error_rate():
    same = np.array([True] * 4 + [False] * 4)
    assert curves.eer(curves.roc(np.array([4, 3, 2, 1, 0, -1, -2, -3.0]), same)) == 0.0
    assert curves.eer(curves.roc(np.array([9, 8, 7, 0, 1, -1, -2, -3.0]), same)) == pytest.approx(0.25)
    assert curves.eer(curves.roc(np.ones(8), same)) == pytest.approx(0.5)
    assert curves.auc(curves.roc(np.ones(8), same)) == pytest.approx(0.5)
    scores, kinds = random_pairs(2, 4000)
    curve = curves.roc(scores, kinds)
    error = curves.eer(curve)
    threshold = curve.threshold[np.argmin(np.abs(curve.far - error))]
    far, tar = slow_rates(scores, kinds, threshold)
    assert far == pytest.approx(1 - tar, abs=2e-3)
    assert error == pytest.approx(far, abs=2e-3)


@pytest.mark.parametrize(
    ("scores", "same", "message"),
    [
        ([0.1, np.nan], [True, False], "not finite"),
        ([0.1, 0.2], [True, True], "0 impostor"),
        ([0.1], [True, False], "one of each"),
    ],
)
def test_bad_scores_are_named(scores, same, message):
    with pytest.raises(ValueError, match=message):
        curves.roc(np.array(scores), np.array(same))


PAIRS = st.lists(st.tuples(st.integers(-9, 9), st.booleans()), min_size=2, max_size=60).filter(
    lambda pairs: len({same for _, same in pairs}) == 2
)


@settings(max_examples=60, deadline=None)
@given(PAIRS, st.randoms(use_true_random=False), st.sampled_from([np.float32, np.float64]))
def test_curves_rise_and_know_neither_order_nor_scale(pairs, random, dtype):
    scores, same = np.array([s for s, _ in pairs], dtype), np.array([g for _, g in pairs])
    curve = curves.roc(scores, same)
    assert (np.diff(curve.far) >= 0).all()
    assert (np.diff(curve.tar) >= 0).all()
    assert (np.diff(curve.threshold) < 0).all()
    assert (curve.far[0], curve.tar[0], curve.far[-1], curve.tar[-1]) == (0, 0, 1, 1)
    order = list(range(len(pairs)))
    random.shuffle(order)
    for other in (curves.roc(scores[order], same[order]), curves.roc(np.arctan(scores / 3) * 7, same)):
        np.testing.assert_array_equal(other.genuine_accepted, curve.genuine_accepted)
        np.testing.assert_array_equal(other.impostors_accepted, curve.impostors_accepted)
    corners = curve.corners()
    assert curves.auc(corners) == pytest.approx(curves.auc(curve))
    assert curves.eer(corners) == pytest.approx(curves.eer(curve))


def released_nearest(scores, same, far):
    """As released IJB scripts do it: scikit-learn's curve upside down, the first of the nearest points."""
    from sklearn.metrics import roc_curve

    fpr, tpr, _ = roc_curve(same, scores)
    fpr, tpr = fpr[::-1], tpr[::-1]
    return tpr[np.argmin(np.abs(fpr - far))]


@pytest.mark.parametrize("levels", [None, 4])
@pytest.mark.parametrize("far", [0.02, 0.05, 0.1, 0.5, 1.0])
def test_nearest_is_what_released_scripts_print(far, levels):
    for seed in range(8):
        scores, same = random_pairs(seed, 600, levels)
        curve = curves.roc(scores, same)
        nearest = curves.tar_at_far(curve.corners(), far, "nearest")
        assert nearest["tar"] == pytest.approx(released_nearest(scores, same, far))
        exact = curves.tar_at_far(curve, far, "nearest")
        gaps = np.abs(curve.far - far)
        assert exact["tar"] == curve.tar[gaps <= gaps.min() + 1e-12].max()
        assert exact["tar"] >= curves.tar_at_far(curve, far)["tar"] - 1e-12
    with pytest.raises(ValueError, match="at_most, nearest"):
        curves.tar_at_far(curve, far, "closest")


def test_det_of_two_normal_laws_is_a_line():
    rng = np.random.default_rng(0)
    same = np.arange(200_000) % 2 == 0
    corners = curves.roc(rng.normal(same * 2.0), same).corners()
    points = curves.det(corners.far, 1 - corners.tar)
    assert np.isfinite(points).all()
    middle = points[(np.abs(points) < 1.5).all(1)]
    np.testing.assert_allclose(middle.sum(1), -2.0, atol=0.05)  # deviates of FAR and FRR add up to -d'
    assert curves.det(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.0, 0.0])).shape == (0, 2)


def test_genuine_that_no_threshold_accepts_count():
    curve = curves.steps(np.array([0.9, 0.5]), np.array([0.7, 0.1]), never=2)
    assert curve.genuine == 4
    assert curve.tar.tolist() == [0, 0.25, 0.25, 0.5, 0.5]


def test_a_curve_looked_at_in_parts_is_the_same(monkeypatch):
    rng = np.random.default_rng(3)
    scores, same = rng.integers(0, 40, 300) / 7, rng.random(300) < 0.3
    whole = curves.roc(scores, same)
    area, error = curves.auc(whole), curves.eer(whole)
    for points in (1, 7, 39):
        monkeypatch.setattr(curves, "POINTS", points)
        parts = curves.roc(scores, same)
        np.testing.assert_array_equal(parts.impostors_accepted, whole.impostors_accepted)
        np.testing.assert_array_equal(parts.genuine_accepted, whole.genuine_accepted)
        assert (curves.auc(parts), curves.eer(parts)) == (pytest.approx(area, abs=1e-15), error)
