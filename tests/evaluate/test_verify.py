"""Verification metrics against loops over every pair and every threshold, and against scikit-learn."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import verify


def slow_rates(scores, same, threshold):
    far = np.mean([s >= threshold for s, g in zip(scores, same, strict=True) if not g])
    tar = np.mean([s >= threshold for s, g in zip(scores, same, strict=True) if g])
    return far, tar


def slow_best(scores, same):
    """Accuracy of every candidate threshold, one at a time."""
    distinct = sorted(set(scores))
    candidates = [distinct[0] - 1, distinct[-1] + 1]
    candidates += [(a + b) / 2 for a, b in itertools.pairwise(distinct)]
    return max(np.mean([(s >= t) == g for s, g in zip(scores, same, strict=True)]) for t in candidates)


def random_pairs(seed, n=120, levels=None):
    rng = np.random.default_rng(seed)
    same = rng.random(n) < 0.5
    same[:2] = True, False
    scores = rng.normal(same * 1.0, 1.0)
    if levels:
        scores = np.round(scores * levels) / levels
    return scores, same


@pytest.mark.parametrize("levels", [None, 2, 1])
@pytest.mark.parametrize("seed", range(5))
def test_curve_is_what_counting_gives(seed, levels):
    scores, same = random_pairs(seed, levels=levels)
    curve = verify.roc(scores, same)
    assert len(curve.threshold) == len(set(scores)) + 1
    for threshold, far, tar in zip(curve.threshold, curve.far, curve.tar, strict=True):
        assert (far, tar) == pytest.approx(slow_rates(scores, same, threshold))


@pytest.mark.parametrize("levels", [None, 2])
def test_agrees_with_sklearn(levels):
    from sklearn.metrics import roc_auc_score, roc_curve

    scores, same = random_pairs(3, 400, levels)
    curve = verify.roc(scores, same)
    far, tar, threshold = roc_curve(same, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.far, far)
    np.testing.assert_allclose(curve.tar, tar)
    np.testing.assert_allclose(curve.threshold[1:], threshold[1:])
    assert verify.auc(curve) == pytest.approx(roc_auc_score(same, scores))


@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("far", [0.05, 0.1, 0.37, 1.0])
def test_tar_is_the_largest_with_far_at_most(far, levels):
    scores, same = random_pairs(7, 500, levels)
    answer = verify.tar_at_far(verify.roc(scores, same), far)
    rates = [slow_rates(scores, same, t) for t in [*scores, max(scores) + 1]]
    assert answer["tar"] == pytest.approx(max(tar for f, tar in rates if f <= far + 1e-12))
    found_far, found_tar = slow_rates(scores, same, answer["threshold"])
    assert found_tar == pytest.approx(answer["tar"])
    assert found_far <= far + 1e-12


def test_tar_never_rounds_the_rate_up():
    same = np.array([False] * 10 + [True] * 10)
    scores = np.concatenate([np.arange(10) / 10, np.full(10, 0.85)])
    curve = verify.roc(scores, same)  # one impostor (0.9) above all genuine ones
    assert verify.tar_at_far(curve, 0.1)["tar"] == 1.0
    assert verify.tar_at_far(curve, 0.199)["false_accepts"] == 1
    tied = np.where(same, 0.9, scores)  # now the impostor ties with them: FAR 0 accepts none
    assert verify.tar_at_far(verify.roc(np.append(tied, 0.95), np.append(same, False)), 0.1)["tar"] == 0.0


def test_unsupported_rates_are_refused_or_flagged():
    scores, same = random_pairs(1, 1000)
    curve = verify.roc(scores, same)
    refused = verify.tar_at_far(curve, 0.5 / curve.impostors)
    assert refused["tar"] is None
    assert "below 1" in refused["note"]
    rough = verify.tar_at_far(curve, 9.5 / curve.impostors)
    assert rough["tar"] is not None
    assert not rough["supported"]
    assert "below 10" in rough["note"]
    assert verify.tar_at_far(curve, 10 / curve.impostors)["supported"]
    with pytest.raises(ValueError, match="FAR 0"):
        verify.tar_at_far(curve, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_best_threshold_is_the_best_of_all(pairs):
    same = np.array([g for _, g in pairs])
    scores = np.array([s / 3 for s, _ in pairs])
    if same.all() or not same.any():
        with pytest.raises(ValueError, match="both kinds"):
            verify.best_threshold(scores, same)
        return
    threshold, accuracy = verify.best_threshold(scores, same)
    assert accuracy == pytest.approx(slow_best(scores, same))
    assert np.mean((scores >= threshold) == same) == pytest.approx(accuracy)


def test_of_equal_thresholds_the_middle_one():
    scores, same = np.array([0.0, 0.1, 0.2, 0.9, 1.0]), np.array([0, 0, 0, 1, 1], bool)
    assert verify.best_threshold(scores, same)[0] == pytest.approx(0.55)
    scores, same = np.array([4.0, 3.0, 2.0, 1.0, 0.0]), np.array([1, 0, 1, 0, 1], bool)
    # right: 2 3 2 3 2 3 -> thresholds 3.5, 1.5 and "all" tie; the middle one is 1.5
    assert verify.best_threshold(scores, same)[0] == 1.5


def test_neighbouring_floats_keep_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    threshold, accuracy = verify.best_threshold(np.array([low, high]), np.array([False, True]))
    assert accuracy == 1.0
    assert low < threshold <= high


def test_kfold_never_looks_at_its_own_fold():
    scores, same = random_pairs(11, 300)
    fold = np.arange(300) // 30
    result = verify.kfold(scores, same, fold)
    for k in range(10):
        threshold, _ = verify.best_threshold(scores[fold != k], same[fold != k])
        assert result.threshold[k] == threshold
        assert result.accuracy[k] == np.mean((scores[fold == k] >= threshold) == same[fold == k])
    assert result.mean == pytest.approx(result.correct.mean())
    flipped = scores.copy()
    flipped[fold == 4] *= -1
    assert verify.kfold(flipped, same, fold).threshold[4] == result.threshold[4]


def test_random_scores_are_right_half_the_time():
    rng = np.random.default_rng(0)
    same = np.arange(6000) % 2 == 0
    result = verify.kfold(rng.random(6000), same, np.arange(6000) // 600)
    assert 0.47 < result.mean < 0.53  # choosing the threshold on the fold itself would exceed one half


def test_metrics_do_not_depend_on_order_or_scale():
    scores, same = random_pairs(5, 200)
    order = np.random.default_rng(0).permutation(200)
    for other in (verify.roc(scores[order], same[order]), verify.roc(scores * 3 + 1, same)):
        curve = verify.roc(scores, same)
        assert verify.auc(other) == pytest.approx(verify.auc(curve))
        assert verify.eer(other) == pytest.approx(verify.eer(curve))


def test_equal_error_rate():
    same = np.array([True] * 4 + [False] * 4)
    assert verify.eer(verify.roc(np.array([4, 3, 2, 1, 0, -1, -2, -3.0]), same)) == 0.0
    assert verify.eer(verify.roc(np.array([9, 8, 7, 0, 1, -1, -2, -3.0]), same)) == pytest.approx(0.25)
    assert verify.eer(verify.roc(np.ones(8), same)) == pytest.approx(0.5)
    assert verify.auc(verify.roc(np.ones(8), same)) == pytest.approx(0.5)
    scores, kinds = random_pairs(2, 4000)
    curve = verify.roc(scores, kinds)
    error = verify.eer(curve)
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
        verify.roc(np.array(scores), np.array(same))


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        verify.kfold(np.array([0.0, 1.0]), np.array([False, True]), np.zeros(2, int))


@pytest.mark.parametrize("flip", verify.FLIPS)
def test_fusion_by_hand(flip):
    faces = np.random.default_rng(0).normal(size=(5, 2, 7)).astype(np.float32)
    unit = verify.fuse(faces, flip)
    for i in range(5):
        plain, mirrored = faces[i].astype(np.float64)
        whole = {"concat": [*plain, *mirrored], "sum": plain + mirrored, "none": plain}[flip]
        np.testing.assert_allclose(unit[i], np.asarray(whole) / np.linalg.norm(whole), rtol=1e-5)
    np.testing.assert_allclose(verify.fuse(faces * 5, flip), unit, rtol=1e-5)


def test_embeddings_without_direction_name_the_sample():
    faces = np.ones((3, 2, 4), np.float32)
    faces[1, 1, 2] = np.nan
    with pytest.raises(verify.BadEmbeddingError, match=r"'bob/2.jpg' is not finite"):
        verify.fuse(faces, "concat", ["ann/1.jpg", "bob/2.jpg", "cid/3.jpg"])
    faces[1] = 0
    with pytest.raises(verify.BadEmbeddingError, match="row 1 is zero"):
        verify.fuse(faces, "sum")
    with pytest.raises(ValueError, match="concat, sum, none"):
        verify.fuse(faces, "both")


def test_cosine_is_blockwise_and_right():
    rng = np.random.default_rng(0)
    unit = verify.normalise(rng.normal(size=(50, 8)))
    a, b = rng.integers(0, 50, 70_000), rng.integers(0, 50, 70_000)
    np.testing.assert_allclose(verify.cosine(unit, a, b), (unit @ unit.T)[a, b], atol=1e-6)
    assert len(verify.cosine(unit, a[:0], b[:0])) == 0


def test_contiguous_folds_hold_both_kinds():
    same = np.array(([True] * 30 + [False] * 20) * 2)
    fold = verify.contiguous_folds(same, 10)
    for kind, size in ((True, 6), (False, 4)):
        assert np.bincount(fold[same == kind]).tolist() == [size] * 10
        assert (np.diff(fold[same == kind]) >= 0).all()
    with pytest.raises(ValueError, match="3 impostor pairs for 10 folds"):
        verify.contiguous_folds(np.array([True] * 20 + [False] * 3), 10)
