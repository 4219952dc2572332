import cv2
import numpy as np
import pytest

from pipeline import geometry
from pipeline.geometry import GeometryError

RNG = np.random.default_rng(0)
FACE = geometry.template(112) * 1.7 + [40, 25]


def noise(height, width):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def umeyama(points, targets):
    """The textbook form by singular values, as scikit-image writes it out."""
    mean_p, mean_q = points.mean(0), targets.mean(0)
    covariance = (targets - mean_q).T @ (points - mean_p) / len(points)
    u, d, v = np.linalg.svd(covariance)
    signs = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(v))])
    turn = u @ np.diag(signs) @ v
    scale = (d * signs).sum() / (points - mean_p).var(0).sum()
    return np.column_stack([scale * turn, mean_q - scale * turn @ mean_p])


def least_squares(points, targets):
    """a, b, tx, ty of [[a, -b, tx], [b, a, ty]] from ten linear equations."""
    rows, right = [], []
    for (x, y), (u, v) in zip(points, targets, strict=True):
        rows += [[x, -y, 1, 0], [y, x, 0, 1]]
        right += [u, v]
    a, b, tx, ty = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
    return np.array([[a, -b, tx], [b, a, ty]])


def bilinear(image, matrix, size):
    """The warp pixel by pixel in float64, black outside."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    out = np.zeros((size, size, 3))
    for v in range(size):
        for u in range(size):
            x, y = (inverse @ [u, v, 1])[:2]
            left, top = int(np.floor(x)), int(np.floor(y))
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                if 0 <= top + i < image.shape[0] and 0 <= left + j < image.shape[1]:
                    weight = (1 - abs(y - top - i)) * (1 - abs(x - left - j))
                    out[v, u] += weight * image[top + i, left + j]
    return out


@pytest.mark.parametrize("seed", range(20))
def test_similarity_equals_two_slow_references(seed):
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(0, 50, (5, 2)), geometry.template(112)
    ours = geometry.similarity(points, targets)
    np.testing.assert_allclose(ours, umeyama(points, targets), atol=1e-9)
    np.testing.assert_allclose(ours, least_squares(points, targets), atol=1e-9)


def test_similarity_undoes_a_known_one():
    turn = np.radians(25)
    matrix = 0.4 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (geometry.template(112) - [3, 9]) @ np.linalg.inv(matrix).T
    found = geometry.similarity(points, geometry.template(112))
    np.testing.assert_allclose(found, np.column_stack([matrix, [3, 9]]), atol=1e-10)
    assert geometry.scale(found) == pytest.approx(0.4)
    assert geometry.rotation(found) == pytest.approx(25)


def test_aligned_puts_landmarks_on_the_template_of_any_size():
    image = noise(300, 300)
    for size in (32, 64, 112, 144, 224):
        crop, matrix = geometry.aligned(image, FACE, size)
        assert crop.shape == (size, size, 3)
        np.testing.assert_allclose(geometry.apply(matrix, FACE), geometry.template(size), atol=1e-9)


def test_aligned_equals_a_slow_warp():
    image = cv2.GaussianBlur(noise(200, 220), (0, 0), 2)
    crop, matrix = geometry.aligned(image, FACE * 0.8, 48 * 2)
    assert geometry.scale(matrix) > 0.5
    # OpenCV weighs with five bits of a pixel
    assert np.abs(crop - bilinear(image, matrix, 96)).max() < 4


def test_a_crop_does_not_change_with_the_face_s_place():
    image = cv2.GaussianBlur(noise(300, 300), (0, 0), 3)
    shifted = np.zeros((350, 360, 3), np.uint8)
    shifted[37:337, 51:351] = image
    first = geometry.aligned(image, FACE, 112)[0]
    second = geometry.aligned(shifted, np.add(FACE, (51, 37)), 112)[0]
    assert np.abs(first.astype(int) - second).max() <= 1


@pytest.mark.parametrize("shrink", [2, 5, 20])
def test_strong_shrinking_averages_instead_of_skipping(shrink):
    """A fine pattern becomes grey; plain bilinear sampling would show some of its pixels."""
    size = 64
    side = size * shrink
    stripes = np.zeros((side, side, 3), np.uint8)
    stripes[:, ::2] = 255
    crop, matrix = geometry.unaligned(stripes, [-0.5, -0.5, side, side], size, 0.0)
    assert geometry.scale(matrix) == pytest.approx(1 / shrink)
    assert np.abs(crop[2:-2, 2:-2].astype(float) - 127.5).max() < 26


def test_shrinking_keeps_the_place_of_things():
    """The centre of mass of a blob lies where the matrix says, to a tenth of a crop's pixel."""
    y, x = np.mgrid[:1003, :1201]
    blob = 255 * np.exp(-((x - 700) ** 2 + (y - 333) ** 2) / (2 * 30**2))
    image = np.repeat(blob[..., None], 3, 2).astype(np.uint8)
    points = geometry.template(112) * 8 + [280, -130]
    crop, matrix = geometry.aligned(image, points, 64)
    assert geometry.scale(matrix) < 0.1
    weight = crop[..., 0].astype(float)
    found = [(weight.sum(0) @ np.arange(64)) / weight.sum(), (weight.sum(1) @ np.arange(64)) / weight.sum()]
    np.testing.assert_allclose(found, geometry.apply(matrix, [700, 333])[0], atol=0.1)


def test_unaligned_of_the_whole_image_is_the_image():
    image = noise(80, 80)
    crop, _ = geometry.unaligned(image, [-0.5, -0.5, 80, 80], 80, 0.0)
    np.testing.assert_array_equal(crop, image)


def test_unaligned_is_a_square_around_the_box_with_its_margin():
    _, matrix = geometry.unaligned(noise(200, 200), [60, 80, 40, 60], 100, 0.5)
    assert geometry.scale(matrix) == pytest.approx(100 / 90)
    np.testing.assert_allclose(geometry.apply(matrix, [80, 110])[0], [49.5, 49.5])
    np.testing.assert_allclose(geometry.move_box(matrix, [60, 80, 40, 60])[2:], [400 / 9, 600 / 9])


def test_a_crop_beyond_the_border_is_black_there():
    image = np.full((100, 100, 3), 200, np.uint8)
    crop, _ = geometry.unaligned(image, [-50, -50, 100, 100], 64, 0.0)
    assert crop[:30, :].max() == 0
    assert crop[:, :30].max() == 0
    assert crop[40:, 40:].min() == 200


def test_five_of_68():
    points = RNG.normal(size=(68, 2))
    five = geometry.five_of_68(points.ravel())
    expected = [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    np.testing.assert_allclose(five, expected)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((5, 2), np.nan), "5 finite points"),
        (FACE[:4], "5 finite points"),
        (FACE + 500, "outside the image of 300 x 300"),
        (np.full((5, 2), 100.0), "on a line"),
        (np.linspace([10, 20], [200, 90], 5), "on a line"),
        (FACE[[1, 0, 2, 4, 3]], "mirrored"),
    ],
)
def test_landmarks_that_allow_no_crop(points, message):
    with pytest.raises(GeometryError, match=message):
        geometry.aligned(noise(300, 300), points, 112)


def test_a_profile_is_no_mirrored_face():
    profile = np.array([[51.6, 50.1], [51.0, 50.0], [35.7, 69.0], [51.2, 89.0], [50.6, 89.7]])
    assert geometry.aligned(noise(112, 112), profile, 112)[0].shape == (112, 112, 3)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([10, 10, 0, 20], "positive width"),
        ([10, 10, -5, 20], "positive width"),
        ([np.nan, 10, 5, 20], "finite"),
        ([100, 10, 20, 20], "outside the image of 100 x 50"),
        ([-30, 10, 20, 20], "outside"),
    ],
)
def test_boxes_that_allow_no_crop(box, message):
    with pytest.raises(GeometryError, match=message):
        geometry.unaligned(noise(50, 100), box, 64, 0.3)


def test_an_image_of_one_pixel():
    crop, _ = geometry.unaligned(noise(1, 1), [-0.5, -0.5, 1, 1], 16, 0.0)
    assert crop.shape == (16, 16, 3)


def test_the_way_back():
    matrix = np.array([[1.2, -0.3, 5], [0.3, 1.2, -7]])
    points = np.random.default_rng(0).normal(size=(9, 2))
    np.testing.assert_allclose(
        geometry.apply(geometry.inverse(matrix), geometry.apply(matrix, points)), points
    )
