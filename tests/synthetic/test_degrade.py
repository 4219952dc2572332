"""What the camera does, one setting at a time."""

import numpy as np
import pytest

from pipeline.synthetic import degrade

PLAIN = dict(exposure=1.0, saturation=1.0, gamma=1.0, balance=np.ones(3, np.float32), blur=0.0) | dict(
    resolution=1.0, noise=0.0
)


def generator(seed=0):
    return np.random.Generator(np.random.PCG64(seed))


def picture(size=60):
    return np.random.default_rng(3).random((size, size, 3)).astype(np.float32)


def develop(image, size=60, **changes):
    return degrade.develop(image, size, degrade.Settings(**(PLAIN | changes)), generator())


def test_a_plain_camera_only_rounds():
    image = picture()
    np.testing.assert_allclose(develop(image), np.rint(image * 255), atol=1)


def test_tone_against_a_loop():
    image, balance = picture(8), np.array([1.1, 0.9, 1.0], np.float32)
    found = develop(image, 8, exposure=0.8, saturation=0.5, gamma=1.3, balance=balance)
    for row in range(8):
        for column in range(8):
            colour = image[row, column].astype(np.float64) * balance * 0.8
            grey = colour.mean()
            expected = np.clip(grey + (colour - grey) * 0.5, 1e-4, 1) ** 1.3
            np.testing.assert_allclose(found[row, column], expected * 255, atol=1.0)


def test_no_saturation_is_grey():
    found = develop(picture(), saturation=0.0).astype(int)
    assert np.abs(found - found[..., :1]).max() <= 1


@pytest.mark.parametrize("change", [{"blur": 2.0}, {"resolution": 0.3}])
def test_blur_and_low_resolution_take_detail_away_and_keep_the_mean(change):
    image = picture()
    plain, found = develop(image).astype(float), develop(image, **change).astype(float)
    assert found.std() < 0.7 * plain.std()
    assert abs(found.mean() - plain.mean()) < 2


def test_noise_has_its_strength_and_is_the_generators():
    grey = np.full((96, 96, 3), 0.5, np.float32)
    found = develop(grey, 96, noise=0.05)
    assert found.std() == pytest.approx(0.05 * 255, rel=0.1)
    settings = degrade.Settings(**(PLAIN | {"noise": 0.05}))
    assert np.array_equal(found, degrade.develop(grey, 96, settings, generator(0)))
    assert not np.array_equal(found, degrade.develop(grey, 96, settings, generator(1)))


def test_supersampled_images_are_averaged():
    image = np.zeros((80, 80, 3), np.float32)
    image[::2] = 1.0
    assert abs(develop(image, 40).mean() - 127.5) < 2


def test_backdrops_are_images_of_their_own():
    one, other = degrade.backdrop(generator(1), 48), degrade.backdrop(generator(2), 48)
    assert one.shape == (48, 48, 3)
    assert one.dtype == np.float32
    assert 0 <= one.min() <= one.max() <= 1
    assert not np.array_equal(one, other)
    assert np.array_equal(one, degrade.backdrop(generator(1), 48))


def test_an_occluder_covers_its_place_alone():
    image = picture()
    before = image.copy()
    place = np.array([0.5, 0.5, 0.2, 0.1], np.float32)
    degrade.occlude(image, place, np.array([0.2, 0.4, 0.6], np.float32))
    changed = (image != before).any(2)
    assert changed[30, 30]
    assert not changed[:20].any()
    assert not changed[:, :15].any()
    assert 0.15 * 0.36 < changed.mean() < 0.25 * 0.4


@pytest.mark.parametrize("size", [96, 168, 256, 512])
@pytest.mark.parametrize("blur", [1.0, 2.2, 5.0])
def test_blur_is_in_pixels_of_a_crop_however_large_the_photograph_is(size, blur):
    """The spread of a white bar grows by sigma^2, sigma in pixels of a crop of 112."""
    picture, wide = np.zeros((size, size, 3), np.float32), size // 8
    picture[:, size // 2 : size // 2 + wide] = 1
    same = dict(exposure=1.0, saturation=1.0, gamma=1.0, balance=np.ones(3, np.float32), noise=0.0)
    settings = degrade.Settings(**same, blur=blur, resolution=1.0)
    taken = degrade.develop(picture, size, settings, np.random.default_rng(0))
    line, at = taken[0, :, 0].astype(float), np.arange(size)
    middle = (line * at).sum() / line.sum()
    spread = (line * (at - middle) ** 2).sum() / line.sum() - (wide**2 - 1) / 12
    asked = blur * size * degrade.CROP_SHARE / degrade.BLUR_UNIT
    assert abs(spread**0.5 / asked - 1) < 0.05
