"""Real augmentation: the same for the same seed in any process, and as frequent as the params say."""

import multiprocessing

import cv2
import numpy as np
import pytest

from pipeline.augment import wild

OFF = {"colour": 0.0, "low": 0.0, "blur": 0.0, "jpeg": 0.0}


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)


def only(**chance):
    return wild.build(wild.Params(**{**OFF, **chance}))


def test_a_seed_and_an_image_decide_in_any_process_and_order(image):
    augment = wild.build(wild.Params())
    forward = {seed: augment.image(image, seed) for seed in range(20)}
    backward = {seed: augment.image(image, seed) for seed in reversed(range(20))}
    assert all((forward[seed] == backward[seed]).all() for seed in forward)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        elsewhere = pool.map(augmented, [(image, seed) for seed in range(20)])
    assert all((forward[seed] == elsewhere[seed]).all() for seed in forward)


def augmented(task):
    return wild.build(wild.Params()).image(*task)


def test_what_happens_is_drawn_for_each_transform_apart(image):
    """Chances 0.5 of four transforms: 1 in 16 images stays; were they drawn together, it would be 1 in 2."""
    augment = only(colour=0.5, low=0.5, blur=0.5, jpeg=0.5)
    same = sum(bool((augment.image(image, seed) == image).all()) for seed in range(400))
    assert 8 <= same <= 48  # expected 25, standard deviation 4.8


@pytest.mark.parametrize("name", list(OFF))
def test_each_happens_as_often_as_it_should(image, name):
    for chance in (0.0, 0.3, 1.0):
        augment = only(**{name: chance})
        share = np.mean([bool((augment.image(image, seed) != image).any()) for seed in range(150)])
        assert abs(share - chance) <= (0.13 if chance == 0.3 else 0.0)


def test_low_resolution_against_opencv(image):
    augment = only(low=1.0, scale=0.5)
    shares = np.arange(0.5, 0.9, 0.001)
    small = (cv2.resize(image, None, fx=s, fy=s, interpolation=cv2.INTER_AREA) for s in shares)
    known = np.stack([cv2.resize(s, (24, 24), interpolation=cv2.INTER_LINEAR) for s in small]).astype(int)
    for seed in range(8):
        assert np.abs(known - augment.image(image, seed)).mean((1, 2, 3)).min() < 1.0
    assert np.abs(known - image).mean((1, 2, 3)).min() > 5.0


@pytest.mark.parametrize("value", [0, 255])
def test_flat_images_survive_all_but_light(value):
    flat = np.full((16, 16, 3), value, np.uint8)
    augment = only(low=1.0, blur=1.0, jpeg=1.0)
    assert all(np.abs(augment.image(flat, seed).astype(int) - value).max() <= 1 for seed in range(10))
    assert wild.build(wild.Params()).image(flat[:8, :8], 1).shape == (8, 8, 3)
    assert wild.ONLY_FLIP is augment.only_flip is False


def test_wrong_params_are_told():
    for bad in ({"blur": 1.5}, {"quality": 0}, {"scale": 0.0}, {"blurr": 0.1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            wild.Params(**bad)
