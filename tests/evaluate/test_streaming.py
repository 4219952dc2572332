"""The streaming ROC against the exact one, and its memory."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import curves, streaming


def scored(seed, n=4000, levels=None):
    rng = np.random.default_rng(seed)
    same = rng.random(n) < 0.2
    scores = np.tanh(rng.normal(same * 0.5, 0.25)).astype(np.float32)
    return (np.round(scores * levels) / levels).astype(np.float32) if levels else scores, same


def streamed(scores, same, keep, parts=7, bins=256):
    state = streaming.StreamingRoc(keep, bins)
    for part in np.array_split(np.arange(len(scores)), parts):
        state.add(scores[part], same[part])
    return state


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([None, 3, 20]),
    st.integers(1, 400),
    st.floats(0.002, 1),
    st.integers(1, 9),
    st.sampled_from([0, 256]),
)
def test_exact_in_the_tail_and_bounded_elsewhere(seed, levels, keep, far, parts, bins):
    scores, same = scored(seed, 1000, levels)
    truth = curves.tar_at_far(curves.roc(scores, same), far)
    state = streamed(scores, same, keep, parts, bins)
    found = state.tar_at_far(far)
    if truth["tar"] is None:
        assert found["tar"] is None
        return
    assert found["tar"] <= truth["tar"] <= found["tar_high"]
    if far * (~same).sum() + 1 <= min(keep, (~same).sum()) and keep >= same.sum():
        assert found["exact"]
    if found["exact"]:
        assert found["tar"] == truth["tar"]
    assert (scores[~same] >= found["threshold"]).mean() <= far + 1e-9
    assert found["tar"] == pytest.approx((scores[same] >= found["threshold"]).mean())
    assert found["false_accepts"] == (scores[~same] >= found["threshold"]).sum()


@pytest.mark.parametrize("bins", [0, 256])
@pytest.mark.parametrize("top", [[0.30, 0.302, 0.9], [0.5, 0.5], [0.2, 0.2, 0.2]])
def test_a_bounded_answer_states_its_own_threshold(top, bins):
    genuine = np.linspace(0.2, 0.99, 200).astype(np.float32)
    impostors = np.concatenate([np.full(100, -0.2), top]).astype(np.float32)
    state = streaming.StreamingRoc(4, bins)
    state.genuine.add(genuine)
    state.impostors.add(impostors)
    found = state.tar_at_far(0.01)
    assert found["tar"] == (genuine >= found["threshold"]).mean()
    assert found["false_accepts"] == (impostors >= found["threshold"]).sum() <= 1
    assert found["tar"] <= (genuine > np.sort(impostors)[-2]).mean() <= found["tar_high"]
    if bins:
        assert found["tar_high"] - found["tar"] < 0.02


def test_threshold_and_false_accepts_are_those_of_the_exact_curve():
    scores, same = scored(3)
    curve = curves.roc(scores, same)
    state = streamed(scores, same, 5000)
    for far in (0.001, 0.01, 0.3, 1.0):
        found, truth = state.tar_at_far(far), curves.tar_at_far(curve, far)
        assert found.pop("exact")
        assert found.pop("tar_high") == truth["tar"]
        assert found == pytest.approx(truth)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(2, 5), st.sampled_from([None, 5]))
def test_merged_parts_are_no_worse_than_one_stream(seed, keep, parts, levels):
    scores, same = scored(seed, 600, levels)
    pieces = [
        streamed(scores[rows], same[rows], keep, 2) for rows in np.array_split(np.arange(len(scores)), parts)
    ]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole.merge(piece)
    one = streamed(scores, same, keep)
    np.testing.assert_array_equal(whole.impostors.histogram, one.impostors.histogram)
    kept = min(keep, (~same).sum())
    np.testing.assert_array_equal(whole.impostors.highest.values[-kept:], np.sort(scores[~same])[-kept:])
    for far in (0.01, 0.05, 0.5):
        truth = curves.tar_at_far(curves.roc(scores, same), far)["tar"]
        found = whole.tar_at_far(far)
        assert found["tar"] <= truth <= found["tar_high"]
        assert not found["exact"] or found["tar"] == truth
    with pytest.raises(ValueError, match="kept"):
        whole.merge(streaming.StreamingRoc(keep + 1, 256))


def test_memory_is_bounded_and_does_not_grow():
    rng = np.random.default_rng(0)
    block = rng.normal(0, 0.2, 200_000).astype(np.float32)

    def peak(blocks):
        state = streaming.StreamingRoc(keep=10_000)
        tracemalloc.start()
        for k in range(blocks):
            state.impostors.add(block + np.float32(0.001) * k)
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert state.impostors.count == blocks * 200_000
        return held

    assert peak(20) < 1.1 * peak(4)
    assert peak(4) < 4_000_000  # one block of 0.8 MB, twice 10,000 scores, the bins


def test_bins_hold_what_lies_between_their_ends():
    scores = np.array(
        [-1.0, -1e-9, 0.0, 1e-9, 0.25, np.nextafter(np.float32(0.25), np.float32(0)), 1.0, 1.0000001],
        np.float32,
    )
    place = streaming.places(scores, 8)
    assert place.tolist() == [0, 3, 4, 4, 5, 4, 7, 7]
    for score, bin_ in zip(scores, place, strict=True):
        assert streaming.edge(bin_, 8) <= score < streaming.edge(bin_ + 1, 8)
    with pytest.raises(ValueError, match="power of two"):
        streaming.StreamingRoc(bins=1000)
    with pytest.raises(ValueError, match="0 genuine"):
        streaming.StreamingRoc().tar_at_far(0.1)
    with pytest.raises(ValueError, match="at least one"):
        streaming.Highest(0)


def test_area_and_equal_error_rate_of_bins():
    scores, same = scored(1, 20_000)
    state, curve = streamed(scores, same, 10, bins=2048), curves.roc(scores, same)
    area, error = state.auc()
    assert abs(area - curves.auc(curve)) <= error < 1e-2
    assert curves.eer(state.curve()) == pytest.approx(curves.eer(curve), abs=2e-3)


def test_highest_scores_keep_their_rows():
    rng = np.random.default_rng(0)
    whole = np.round(rng.normal(size=(30, 40)), 2).astype(np.float32)  # ties
    whole[3, :5] = -np.inf
    for keep in (1, 7, 100, 2000):
        state = streaming.HighestRows(keep)
        for first in range(0, 30, 4):
            for column in range(0, 40, 13):
                state.add(whole[first : first + 4, column : column + 13], first)
        scores, rows = state.found
        expected = np.sort(whole[np.isfinite(whole)])[::-1][:keep]
        np.testing.assert_array_equal(np.sort(scores)[::-1], expected)
        assert all(score in whole[row] for score, row in zip(scores, rows, strict=True))
    with pytest.raises(ValueError, match="keep 0"):
        streaming.HighestRows(0)
