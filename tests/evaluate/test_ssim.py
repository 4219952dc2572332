"""SSIM against a loop over windows, and what must hold of it."""

import cv2
import numpy as np
import pytest

from pipeline.evaluate.ssim import ssim


def slow(x, y, span=255.0):
    """Equation 13 window by window, weights from the two-dimensional Gaussian."""
    place = np.arange(11) - 5
    weight = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    weight = weight / weight.sum()
    c1, c2, found = (0.01 * span) ** 2, (0.03 * span) ** 2, []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = (one[top : top + 11, left : left + 11].astype(float) for one in (x, y))
            ma, mb = (weight * a).sum(), (weight * b).sum()
            va, vb = (weight * (a - ma) ** 2).sum(), (weight * (b - mb) ** 2).sum()
            vab = (weight * (a - ma) * (b - mb)).sum()
            found.append((2 * ma * mb + c1) * (2 * vab + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return np.mean(found)


def picture(seed, shape=(24, 19)):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 4, *shape[2:])).astype(np.uint8)
    return cv2.resize(coarse, shape[1::-1], interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("seed", range(3))
def test_against_a_loop(seed):
    x, y = picture(seed), picture(seed + 10)
    assert ssim(x, y) == pytest.approx(slow(x, y), abs=1e-9)
    near = np.clip(x + np.random.default_rng(seed).normal(0, 9, x.shape), 0, 255)
    assert ssim(x, near) == pytest.approx(slow(x, near), abs=1e-9)
    assert ssim(x / 255, y / 255, 1.0) == pytest.approx(ssim(x, y))


def test_of_colours_the_mean_of_the_channels():
    x, y = picture(1, (16, 16, 3)), picture(2, (16, 16, 3))
    assert ssim(x, y) == pytest.approx(np.mean([ssim(x[..., c], y[..., c]) for c in range(3)]))


def test_equal_images_have_one_and_blur_costs():
    x = picture(3, (40, 40))
    soft = [ssim(x, cv2.GaussianBlur(x, (0, 0), sigma)) for sigma in (0.5, 1.5, 4)]
    assert ssim(x, x) == pytest.approx(1)
    assert 1 > soft[0] > soft[1] > soft[2]
    assert ssim(x, soft_ := cv2.GaussianBlur(x, (0, 0), 2)) == pytest.approx(ssim(soft_, x))
    assert ssim(np.zeros((11, 11)), np.zeros((11, 11))) == 1


def test_what_can_not_be_compared():
    with pytest.raises(ValueError, match="one shape"):
        ssim(np.zeros((12, 12)), np.zeros((12, 13)))
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(np.zeros((10, 12)), np.zeros((10, 12)))
    with pytest.raises(ValueError, match="not finite"):
        ssim(np.full((12, 12), np.nan), np.zeros((12, 12)))
