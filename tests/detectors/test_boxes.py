import numpy as np
import pytest

from pipeline.detectors import _boxes


def slow(corners, scores, overlap):
    """One by one: a box stays unless a surer one that stays overlaps it too much."""
    kept = []
    for row in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        x1, y1, x2, y2 = corners[row]
        fits = True
        for other in kept:
            a1, b1, a2, b2 = corners[other]
            shared = max(0, min(x2, a2) - max(x1, a1) + 1) * max(0, min(y2, b2) - max(y1, b1) + 1)
            both = (x2 - x1 + 1) * (y2 - y1 + 1) + (a2 - a1 + 1) * (b2 - b1 + 1) - shared
            fits &= shared / both <= overlap
        if fits:
            kept.append(row)
    return kept


@pytest.mark.parametrize("seed", range(10))
def test_doubles_are_suppressed(seed):
    rng = np.random.default_rng(seed)
    low = rng.uniform(0, 60, (40, 2))
    corners = np.concatenate([low, low + rng.uniform(5, 60, (40, 2))], 1)
    scores = np.round(rng.uniform(size=40), 1)  # with ties
    assert _boxes.suppressed(corners, scores, 0.4) == slow(corners, scores, 0.4)


def test_extremes():
    assert _boxes.suppressed(np.zeros((0, 4)), np.zeros(0), 0.4) == []
    same = np.tile([1.0, 2, 30, 40], (5, 1))
    assert _boxes.suppressed(same, np.arange(5.0), 0.4) == [4]
    assert _boxes.suppressed(same, np.arange(5.0), 1.0) == [4, 3, 2, 1, 0]


def test_the_way_to_the_copy_and_back():
    """A point of the image in the copy of it, and back."""
    image = np.zeros((300, 1000, 3), np.uint8)
    seen, grow = _boxes.shrunk(image, 500)
    assert seen.shape == (150, 500, 3)
    face = _boxes.detection(np.array([9.5, 19.5, 30, 40]), np.full((5, 2), 4.5), 0.7, grow)
    np.testing.assert_allclose(face.box, [19.5, 39.5, 60, 80])
    np.testing.assert_allclose(face.points5, 9.5)
    small = np.zeros((30, 20, 3), np.uint8)
    assert _boxes.shrunk(small, 500)[0] is small
