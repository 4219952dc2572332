"""The mean head: symmetric, whole, with landmarks where a face has them."""

import numpy as np
import pytest

from pipeline.synthetic import features, modes, template

MIRRORED = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
MIRRORED += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]
MIRRORED += [64, 63, 62, 61, 60, 67, 66, 65]


@pytest.fixture(scope="module")
def head():
    return template.make(176, 224)


@pytest.fixture(scope="module")
def landmarks(head):
    return head.positions().reshape(3, -1)[:, features.landmarks(head)]


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
    columns = -np.arange(224) % 224  # column 112 is the middle of the face
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
    fine = template.make(224, 288)
    other = fine.positions().reshape(3, -1)[:, features.landmarks(fine)]
    assert np.abs(other - landmarks).max() < 0.6


def test_modes_move_what_they_name(head):
    shape, expression = modes.shape_modes(head), modes.expression_modes(head)
    assert len(shape) == 38 + modes.RANDOM_MODES
    assert len(expression) == 12
    marks = features.landmarks(head)
    points = {name: mode.reshape(3, -1)[:, marks] for name, mode in {**shape, **expression}.items()}
    assert all(np.isfinite(mode).all() for mode in {**shape, **expression}.values())
    assert all(np.abs(mode).max() > 0.01 for mode in {**shape, **expression}.values())
    assert points["open"][1, 8] < -0.5  # the chin drops
    assert abs(points["open"][1, 30]) < 0.05  # the nose stays
    assert points["smile"][0, 54] > 0.2 > -0.2 > points["smile"][0, 48]
    assert points["eye_spacing"][0, 42:48].min() > 0 > points["eye_spacing"][0, 36:42].max()


def test_features_lie_where_they_should(head):
    found = features.make(head)
    for name in ("lip", "beard", "mouth", "slit"):
        value = getattr(found, name)
        assert value.min() >= 0
        assert value.max() <= 1
    lips = head.y[found.lip > 0.5]
    assert -5.4 < lips.min() < lips.max() < -3.2
    eyes = np.abs(head.x[np.abs(found.eye_x) < 1])
    assert 1.5 < eyes.min() < eyes.max() < 5
    assert (found.shadow > 0).mean() > 0.99
