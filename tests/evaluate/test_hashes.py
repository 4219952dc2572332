"""Perceptual hashes against OpenCV's and SciPy's own steps; the search against every pair one by one."""

import cv2
import numpy as np
import pytest
import torch
from scipy.fft import dctn

from pipeline import records
from pipeline.evaluate import hashes


def photograph(seed, size=112):
    """Smooth blobs of colour, like a face in that its energy lies in low frequencies."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 6, 3)).astype(np.uint8)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)


def by_loop(image):
    """The released programs' steps: grey, 32 x 32, DCT, 8 x 8, median."""
    grey = image.astype(np.float32) @ np.asarray([0.299, 0.587, 0.114], np.float32)
    waves = dctn(cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float64))[:8, :8]
    # the norm of a wave is the same for all but the first row and column
    waves = waves.ravel() > np.median(waves)
    return int.from_bytes(np.packbits(waves).tobytes(), "little")


@pytest.mark.parametrize("size", [64, 96, 112, 144])
def test_hash_is_that_of_resize_and_dct(size):
    images = np.stack([photograph(seed, size) for seed in range(20)])
    for image, (plain, _) in zip(images, hashes.hashes(images), strict=True):
        assert (int(plain) ^ by_loop(image)).bit_count() <= 2  # one exchange at the median, of rounding


def test_the_second_hash_is_that_of_the_mirror_image():
    images = np.stack([photograph(seed) for seed in range(20)])
    found, mirrored = hashes.hashes(images), hashes.hashes(images[:, :, ::-1])
    np.testing.assert_array_equal(found[:, 1], mirrored[:, 0])
    np.testing.assert_array_equal(found[:, 0], mirrored[:, 1])
    assert (found[:, 0] != found[:, 1]).all()


def copies(image):
    small = cv2.resize(image, (56, 56), interpolation=cv2.INTER_AREA)
    return [
        records.decode(records.encode(image, 30)),
        cv2.resize(small, (112, 112), interpolation=cv2.INTER_LINEAR),
        cv2.convertScaleAbs(image, alpha=0.8, beta=30),
        np.ascontiguousarray(image[:, ::-1]),
        cv2.GaussianBlur(image, (0, 0), 2),
    ]


def test_copies_are_near_and_other_photographs_far():
    images = np.stack([photograph(seed) for seed in range(40)])
    found = hashes.hashes(images)
    for number, image in enumerate(images):
        for copy in copies(image):
            both = found[number] ^ hashes.hashes(copy[None])[0, 0]
            assert min(np.bitwise_count(both)) <= 8
    rows, columns, _ = (np.concatenate(part) for part in zip(*hashes.within(found, found, 8), strict=True))
    assert (rows == columns).all()


@pytest.mark.parametrize("radius", [0, 3, 8, 20, 63])
@pytest.mark.parametrize("blocks", [(64, 2048), (7, 11)])
def test_search_is_exact(radius, blocks, monkeypatch):
    """Random words, copies of some with a few bits flipped, against every pair in Python's integers."""
    monkeypatch.setattr(hashes, "ROWS", blocks[0])
    monkeypatch.setattr(hashes, "COLUMNS", blocks[1])
    rng = np.random.default_rng(radius)
    left, right = (rng.integers(0, 2**64, (count, 2), np.uint64) for count in (90, 70))
    for row in range(40):
        flips = rng.choice(64, rng.integers(0, 12), replace=False)
        word = int(left[row, 0]) ^ sum(1 << int(bit) for bit in flips)
        right[row, row % 2] = np.uint64(word)
    expected = {}
    for a in range(len(left)):
        for b in range(len(right)):
            bits = min((int(left[a, 0]) ^ int(right[b, side])).bit_count() for side in (0, 1))
            if bits <= radius:
                expected[a, b] = bits
    found = [
        ((int(a), int(b)), int(bits))
        for part in hashes.within(left, right, radius)
        for a, b, bits in zip(*part, strict=True)
    ]
    assert len(found) == len(dict(found))
    assert dict(found) == expected


def test_nothing_to_compare_finds_nothing():
    none, one = np.zeros((0, 2), np.uint64), np.ones((1, 2), np.uint64)
    assert [list(hashes.within(*sides, 8)) for sides in ((none, one), (one, none))] == [[], []]


def test_faces_are_hashed_once_as_they_pass():
    images = np.stack([photograph(seed, 16) for seed in range(5)])

    class Given:
        def __len__(self):
            return 5

        def images(self, positions):
            return torch.from_numpy(images[positions])

    faces = hashes.Hashing(Given())
    for positions in (np.array([3, 4]), np.array([0, 1, 2]), np.array([1])):
        np.testing.assert_array_equal(faces.images(positions).numpy(), images[positions])
    np.testing.assert_array_equal(faces.hashes, hashes.hashes(images))
    assert len(faces) == 5


def test_an_image_with_nothing_on_it_is_no_copy_of_anything():
    """Of blank ones and plain gradients the bits would be rounding; of faint photographs they are not."""
    ramp = np.broadcast_to(np.linspace(20, 230, 112)[None, :, None], (112, 112, 3))
    blank = [np.full((112, 112, 3), grey) for grey in (0, 100, 255)]
    images = np.stack([*blank, ramp, ramp.transpose(1, 0, 2)]).astype(np.uint8)
    found = hashes.hashes(images)
    assert not found.any()
    faint = np.stack([photograph(seed) // 8 + 100 for seed in range(3)])
    both = np.concatenate([found, hashes.hashes(faint)])
    assert both[5:].all()
    pairs = [np.concatenate(part) for part in zip(*hashes.within(both, both, 0), strict=True)]
    assert list(zip(pairs[0], pairs[1], strict=True)) == [(5, 5), (6, 6), (7, 7)]
    assert list(hashes.within(found, found, 63)) == []
