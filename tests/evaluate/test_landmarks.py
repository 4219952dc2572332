"""Landmark error against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate.landmarks import auc, failures, nme


def slow(predicted, truth, box):
    values = []
    for guess, real, (_, _, w, h) in zip(predicted, truth, box, strict=True):
        d = [np.hypot(*(g - r)) for g, r in zip(guess, real, strict=True) if np.isfinite(r).all()]
        values.append(np.mean(d) / np.sqrt(w * h) if d else np.nan)
    return np.array(values)


def faces(seed=0, n=6, points=9):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0, 64, (n, points, 2))
    box = np.concatenate([rng.uniform(0, 5, (n, 2)), rng.uniform(20, 60, (n, 2))], 1)
    return truth + rng.normal(0, 2, truth.shape), truth, box


def test_against_a_loop_with_unknown_points():
    predicted, truth, box = faces()
    truth[0, 3] = np.nan
    truth[2] = np.nan
    np.testing.assert_allclose(nme(predicted, truth, box), slow(predicted, truth, box))
    assert np.isnan(nme(predicted, truth, box)[2])


def test_does_not_change_with_the_image_size_or_place():
    predicted, truth, box = faces(1)
    moved = nme(predicted * 3 + 7, truth * 3 + 7, box * 3)
    np.testing.assert_allclose(moved, nme(predicted, truth, box))


def test_extremes():
    predicted, truth, box = faces(2)
    assert (nme(truth, truth, box) == 0).all()
    box[4, 2] = 0
    with pytest.raises(ValueError, match="face 4 has no area"):
        nme(predicted, truth, box)
    with pytest.raises(ValueError, match="faces differ"):
        nme(predicted[:2], truth, box)


@given(st.lists(st.floats(0, 0.3), min_size=1, max_size=20), st.sampled_from([0.05, 0.07, 0.1]))
def test_auc_is_the_area_under_the_cumulative_errors(errors, limit):
    errors = np.array([*errors, np.nan])
    grid = (np.arange(20_000) + 0.5) / 20_000 * limit
    known = np.sort(errors[:-1])
    area = np.mean(np.searchsorted(known, grid, "right") / len(known))
    assert auc(errors, limit) == pytest.approx(area, abs=1e-3)
    assert failures(errors, limit) == np.mean([e > limit for e in known])
    assert auc(errors, 2 * limit) >= auc(errors, limit) - 1e-12


def test_auc_extremes():
    assert (auc(np.zeros(3)), failures(np.zeros(3))) == (1, 0)
    assert (auc(np.ones(3)), failures(np.ones(3))) == (0, 1)
    with pytest.raises(ValueError, match="no face has an error"):
        auc(np.array([np.nan]))
    with pytest.raises(ValueError, match="limit 0"):
        auc(np.ones(2), 0)


def of_300w(detected, truth):
    """300-W's own definition, image by image: points 37 and 46, from 1, are the eyes' outer corners."""
    each = []
    for found, known in zip(detected, truth, strict=True):
        interocular = np.sqrt(sum((known[37 - 1] - known[46 - 1]) ** 2))
        total = 0.0
        for j in range(68):
            total += np.sqrt(sum((found[j] - known[j]) ** 2))
        each.append(total / (68 * interocular))
    return each


def of_pupils(detected, truth):
    each = []
    for found, known in zip(detected, truth, strict=True):
        left, right = (sum(known[first + k] for k in range(6)) / 6 for first in (36, 42))
        distances = [np.hypot(*(a - b)) for a, b in zip(found, known, strict=True)]
        each.append(np.mean(distances) / np.hypot(*(left - right)))
    return each


def test_normalisers_are_those_of_their_definitions():
    predicted, truth, box = faces(3, points=68)
    np.testing.assert_allclose(nme(predicted, truth, box, "outer"), of_300w(predicted, truth))
    np.testing.assert_allclose(nme(predicted, truth, box, "pupils"), of_pupils(predicted, truth))
    box[2] = np.nan  # no box: its own normaliser alone is lost
    assert np.isnan(nme(predicted, truth, box)[2])
    assert np.isfinite(nme(predicted, truth, box, "outer")).all()
    five, known = predicted[:, :5], truth[:, :5]
    apart = [np.hypot(*(one[0] - one[1])) for one in known]
    np.testing.assert_allclose(nme(five, known, box, "pupils") * apart, np.hypot(*(five - known).T).mean(0))
    with pytest.raises(ValueError, match=r"5 points can't be normalised by 'outer'.*: box, pupils"):
        nme(five, known, box, "outer")
    with pytest.raises(ValueError, match=r"9 points can't be normalised by 'pupils'.*: none"):
        nme(predicted[:, :9], truth[:, :9], box, "pupils")


def test_a_profile_whose_eyes_are_one_has_no_error_by_them():
    predicted, truth, box = faces(4, points=68)
    truth[1, 45] = truth[1, 36]
    found = nme(predicted, truth, box, "outer")
    assert np.isnan(found).tolist() == [False, True, False, False, False, False]
    assert np.isfinite(nme(predicted, truth, box)).all()
