"""Accuracy over folds against trying every threshold, one at a time."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import folds


def random_pairs(seed, n=120, levels=None):
    rng = np.random.default_rng(seed)
    same = rng.random(n) < 0.5
    same[:2] = True, False
    scores = rng.normal(same * 1.0, 1.0)
    if levels:
        scores = np.round(scores * levels) / levels
    return scores, same


def slow_best(scores, same):
    """Accuracy of every candidate threshold, one at a time."""
    distinct = sorted(set(scores))
    candidates = [distinct[0] - 1, distinct[-1] + 1]
    candidates += [(a + b) / 2 for a, b in itertools.pairwise(distinct)]
    return max(np.mean([(s >= t) == g for s, g in zip(scores, same, strict=True)]) for t in candidates)


def best_threshold(scores, same):
    """The threshold of a fold whose other folds are these pairs."""
    last = np.append(scores, [0, 1]).astype(scores.dtype), np.append(same, [False, True])
    return folds.kfold(*last, np.append(np.zeros(len(scores), int), [1, 1])).threshold[1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_best_threshold_is_the_best_of_all(pairs):
    same = np.array([g for _, g in pairs])
    scores = np.array([s / 3 for s, _ in pairs])
    if same.all() or not same.any():
        with pytest.raises(ValueError, match="both kinds"):
            best_threshold(scores, same)
        return
    right = (scores >= best_threshold(scores, same)) == same
    assert right.mean() == pytest.approx(slow_best(scores, same))


def test_of_equal_thresholds_the_middle_one():
    scores, same = np.array([0.0, 0.1, 0.2, 0.9, 1.0]), np.array([0, 0, 0, 1, 1], bool)
    assert best_threshold(scores, same) == pytest.approx(0.55)
    scores, same = np.array([4.0, 3.0, 2.0, 1.0, 0.0]), np.array([1, 0, 1, 0, 1], bool)
    # right: 2 3 2 3 2 3 -> thresholds 3.5, 1.5 and "all" tie; the middle one is 1.5
    assert best_threshold(scores, same) == 1.5


def test_neighbouring_floats_keep_apart():
    low = 0.5
    high = np.nextafter(low, 1)
    assert low < best_threshold(np.array([low, high]), np.array([False, True])) <= high


def test_kfold_never_looks_at_its_own_fold():
    scores, same = random_pairs(11, 300)
    fold = np.arange(300) // 30
    result = folds.kfold(scores, same, fold)
    for k in range(10):
        threshold = best_threshold(scores[fold != k], same[fold != k])
        assert result.threshold[k] == threshold
        assert result.accuracy[k] == np.mean((scores[fold == k] >= threshold) == same[fold == k])
    assert result.mean == pytest.approx(result.correct.mean())
    flipped = scores.copy()
    flipped[fold == 4] *= -1
    assert folds.kfold(flipped, same, fold).threshold[4] == result.threshold[4]


def test_random_scores_are_right_half_the_time():
    rng = np.random.default_rng(0)
    same = np.arange(6000) % 2 == 0
    result = folds.kfold(rng.random(6000), same, np.arange(6000) // 600)
    assert 0.47 < result.mean < 0.53  # choosing the threshold on the fold itself would exceed one half


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="at least two"):
        folds.kfold(np.array([0.0, 1.0]), np.array([False, True]), np.zeros(2, int))


def test_contiguous_folds_hold_both_kinds():
    same = np.array(([True] * 30 + [False] * 20) * 2)
    fold = folds.contiguous_folds(same, 10)
    for kind, size in ((True, 6), (False, 4)):
        assert np.bincount(fold[same == kind]).tolist() == [size] * 10
        assert (np.diff(fold[same == kind]) >= 0).all()
    with pytest.raises(ValueError, match="3 impostor pairs for 10 folds"):
        folds.contiguous_folds(np.array([True] * 20 + [False] * 3), 10)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.booleans(), st.integers(0, 2)), min_size=4, max_size=40),
    st.sampled_from([np.float32, np.float64]),
)
def test_one_sort_gives_what_each_fold_alone_gives(pairs, dtype):
    scores = np.array([s / 7 for s, _, _ in pairs], dtype)
    same, fold = np.array([g for _, g, _ in pairs]), np.array([f for _, _, f in pairs])
    left = [same[fold != f] for f in np.unique(fold)]
    if len(left) < 2 or any(kinds.all() or not kinds.any() for kinds in left):
        with pytest.raises(ValueError, match=r"at least two|both kinds"):
            folds.kfold(scores, same, fold)
        return
    found = folds.kfold(scores, same, fold)
    for number, f in enumerate(np.unique(fold)):
        others = scores[fold != f], same[fold != f]
        assert found.threshold[number] == best_threshold(*others)
        right = (others[0] >= found.threshold[number]) == others[1]
        assert right.mean() == pytest.approx(slow_best(*others))


def test_an_identity_in_two_folds_is_named():
    fold = np.array([0, 0, 1, 1])
    a, b = np.array(["ann", "ann", "cid", "dan"]), np.array(["ann", "bob", "cid", "bob"])
    assert folds.shared_identities(fold, a, b) == {"bob": [0, 1]}
    message = folds.told({"bob": [0, 1]})
    assert message.startswith("identity 'bob' is in folds 0, 1 (1 identities are in several)")
    assert folds.shared_identities(fold, a, np.array(["ann", "bob", "cid", "eve"])) == {}
