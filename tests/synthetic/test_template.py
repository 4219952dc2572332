"""The mean head: symmetric, whole, with landmarks where a face has them."""

import numpy as np
import pytest
import torch

from pipeline.synthetic import features, modes, places, template

MIRRORED = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
MIRRORED += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]
MIRRORED += [64, 63, 62, 61, 60, 67, 66, 65]


@pytest.fixture(scope="module")
def head():
    return template.make(98, 96)


def at(head, grids, where=None):
    """Values (k, places) of grids at the landmarks or at other places."""
    row, column = (places.fixed(head) if where is None else where).double().numpy()
    return np.stack([places.interpolated(grid, row, column) for grid in grids])


@pytest.fixture(scope="module")
def landmarks(head):
    return at(head, head.positions())


def test_the_spline_goes_through_its_knots():
    knots = np.random.default_rng(0).normal(size=(6, 3))
    np.testing.assert_allclose(template.catmull_rom(knots, np.arange(6.0)), knots, atol=1e-12)
    line = np.arange(6.0)[:, None] * [2.0, -1.0]
    inner = np.linspace(1, 4, 17)
    np.testing.assert_allclose(template.catmull_rom(line, inner), inner[:, None] * [2.0, -1.0], atol=1e-12)


def test_smoothstep_ends_flat_at_0_and_1():
    value = template.smoothstep(np.array([-5.0, 0.0, 1.0, 2.0, 9.0]), 0.0, 2.0)
    np.testing.assert_allclose(value, [0, 0, 0.5, 1, 1])


def test_the_head_is_symmetric_and_of_human_size(head):
    x, y, z = head.positions()
    columns = -np.arange(96) % 96  # column 48 is the middle of the face
    np.testing.assert_allclose(x, -x[:, columns], atol=1e-6)
    np.testing.assert_allclose(z, z[:, columns], atol=1e-6)
    assert 13 < np.ptp(x[y > 0]) < 17
    assert np.isfinite(head.positions()).all()
    assert z.max() == z[np.abs(x) < 0.3].max()  # the tip of the nose


def test_landmarks_are_symmetric_and_in_the_ibug_order(landmarks):
    x, y, z = landmarks
    assert landmarks.shape == (3, 68)
    np.testing.assert_allclose(x[MIRRORED], -x, atol=0.25)
    np.testing.assert_allclose(y[MIRRORED], y, atol=0.25)
    assert (np.diff(x[:17]) > 0).all()  # the jaw goes from image left to image right
    assert y[8] == y.min()  # its middle is the chin
    assert x[36:42].mean() < 0 < x[42:48].mean()
    assert y[17:27].min() > y[36:48].max()  # brows above eyes
    assert (np.diff(z[27:31]) > 0).all()  # down the ridge, the nose comes forward
    assert y[48:68].max() < y[31:36].min()


def test_landmarks_do_not_depend_on_the_grid(landmarks):
    fine = template.make(200, 240)
    assert np.abs(at(fine, fine.positions()) - landmarks).max() < 0.25


def test_places_are_where_they_were_looked_for(head):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-5, 5, 200), rng.uniform(-7, 7, 200)
    found = places.locate(head, x, y)
    np.testing.assert_allclose(places.interpolated(head.x, *found), x, atol=1e-6)
    np.testing.assert_allclose(places.interpolated(head.y, *found), y, atol=1e-6)


def test_the_chart_of_an_eye_agrees_with_the_grid_on_both_sides(head):
    rng = np.random.default_rng(1)
    x, y = rng.uniform(1.2, 5.2, 50) * rng.choice([-1, 1], 50), rng.uniform(1.0, 6.0, 50)
    where = places.Chart.of(head).find(torch.tensor(x).float(), torch.tensor(y).float())
    found = at(head, (head.x, head.y), where)
    np.testing.assert_allclose(found, np.stack([x, y]), atol=0.02)
    around, weights = places.vertices(where, *head.shape)
    flat = torch.from_numpy(head.x.reshape(-1))
    np.testing.assert_allclose((flat[around] * weights).sum(0), found[0], atol=1e-5)


def test_modes_move_what_they_name(head):
    shape, expression = modes.shape_modes(head), modes.expression_modes(head)
    assert len(shape) == 38 + modes.RANDOM_MODES
    assert len(expression) == 12
    points = {name: at(head, mode) for name, mode in {**shape, **expression}.items()}
    assert all(np.isfinite(mode).all() for mode in {**shape, **expression}.values())
    assert all(np.abs(mode).max() > 0.01 for mode in {**shape, **expression}.values())
    assert points["open"][1, 8] < -0.5  # the chin drops
    assert abs(points["open"][1, 30]) < 0.05  # the nose stays
    assert points["smile"][0, 54] > 0.2 > -0.2 > points["smile"][0, 48]
    assert points["eye_spacing"][0, 42:48].min() > 0 > points["eye_spacing"][0, 36:42].max()


def test_children_have_large_eyes_and_small_chins_and_the_old_sag(head, landmarks):
    modes_ = modes.expression_modes(head)
    child, old = landmarks + at(head, modes_["child"]), landmarks + at(head, modes_["old"])

    def size(points, one, other):
        return np.linalg.norm(points[:, one] - points[:, other])

    face = (0, 16), (27, 8)
    assert size(child, *face[1]) / size(child, *face[0]) < 0.95 * size(landmarks, *face[1]) / size(
        landmarks, *face[0]
    )
    assert size(child, 36, 39) > 1.05 * size(landmarks, 36, 39)
    assert size(child, 48, 54) < 0.95 * size(landmarks, 48, 54)
    assert size(child, 27, 33) < 0.9 * size(landmarks, 27, 33)
    assert old[1, 48] < landmarks[1, 48] - 0.1
    assert old[1, 33] < landmarks[1, 33]


def test_features_lie_where_they_should(head):
    found = features.make(head)
    assert found.beard.min() >= 0
    assert found.beard.max() <= 1
    assert head.y[found.beard > 0.5].max() < 1
    assert (found.shadow > 0).mean() > 0.99
