"""Ranks of classes against sorting, Wilson's interval against the equation that it solves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate import classify


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 7))
def test_ranks_are_places_in_the_worst_order_of_ties(seed, images, classes):
    rng = np.random.default_rng(seed)
    logits, label = rng.integers(-3, 3, (images, classes)).astype(float), rng.integers(0, classes, images)
    expected = []
    for row, true in zip(logits, label, strict=True):
        order = sorted(range(classes), key=lambda c: (-row[c], c == true))
        expected.append(1 + order.index(true))
    assert classify.ranks(logits, label).tolist() == expected
    assert classify.ranks(np.exp(logits), label).tolist() == expected  # any rising map of the logits


@pytest.mark.parametrize(("hits", "count"), [(0, 7), (3, 7), (7, 7), (412, 500), (1, 10_000)])
def test_the_ends_of_wilsons_interval_are_where_the_test_just_rejects(hits, count):
    share = hits / count
    for end in classify.wilson(hits, count):
        if 0 < end < 1:
            assert abs(share - end) == pytest.approx(classify.Z * np.sqrt(end * (1 - end) / count), abs=1e-7)


def test_wilsons_interval_holds_the_truth():
    rng = np.random.default_rng(0)
    inside = [
        low <= 0.9 <= high for low, high in (classify.wilson(int(h), 60) for h in rng.binomial(60, 0.9, 3000))
    ]
    assert 0.93 < np.mean(inside) < 0.97


def test_measured():
    rank, label = np.array([1, 2, 1, 6, 1]), np.array([0, 0, 0, 2, 2])
    found = classify.measured(rank, label, 4, [1, 5])
    assert [row["share"] for row in found["top"]] == [0.6, 0.8]
    assert found["top"][0]["low"] < 0.6 < found["top"][0]["high"]
    assert found["balanced"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert (found["images"], found["classes"], found["classes_with_images"]) == (5, 4, 2)


def test_what_is_broken_is_named():
    with pytest.raises(ValueError, match="row 1: a logit is not a finite number"):
        classify.ranks(np.array([[0.0, 1.0], [np.nan, 1.0]]), np.array([0, 1]))
    with pytest.raises(ValueError, match="0 to classes - 1"):
        classify.ranks(np.zeros((2, 3)), np.array([0, 3]))
    with pytest.raises(ValueError, match="no image"):
        classify.measured(np.zeros(0, int), np.zeros(0, int), 3, [1])
