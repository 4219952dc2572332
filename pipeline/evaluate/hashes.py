"""Perceptual hashes of images, and all pairs of them within a Hamming radius.

    c = D A g A' D^T        bit (u, v) = c(u, v) > median(c)

g: grey image; A, A': its pixels averaged over a grid of 32 x 32 equal areas; D: the first 8 rows of the
DCT-II. 64 bits, the first coefficient among them, as the released pHash programs have it (the "DCT hash" of
https://www.phash.org/docs/pubs/thesis_zauner.pdf). The mirror image has c(u, v) (-1)^v, exactly. Half of all
bits are set, so that distances are even, but for ties. An image whose coefficients are mostly one, such as a
blank one or a plain gradient, would have bits of rounding alone: it has the hash 0, which is near nothing.
Of aligned faces of 112 px, JPEG at quality 30, half the size, blur of 2 px and other brightness move 4 bits
at most, a shift of 2 % moves 8 at most in 90 % (`benchmarks/copies.py`). Other photographs may be as near:
something else has to confirm a pair.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, UInt8, UInt64
from torch import Tensor

SIDE, KEPT = 32, 8
GREY = np.asarray([0.299, 0.587, 0.114], np.float32)  # of red, green, blue
BLANK = 25.6  # median distance to the median coefficient; a wave of a tenth of a grey level has 256 x 0.1
ROWS, COLUMNS = 64, 2048  # of a block of pairs: what it takes stays in the cache
Pairs = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint8]]


class Images(Protocol):
    """What is needed of `pipeline.loader.Faces`."""

    def __len__(self) -> int: ...

    def images(self, positions: npt.NDArray[np.int64]) -> Tensor: ...


class Hashing:
    """Faces that are hashed as their images pass by: `hashes` (n, 2) of each and of its mirror image.

    Without `wanted` nothing is hashed, and `hashes` is None.
    """

    def __init__(self, faces: Images, wanted: bool = True) -> None:
        self._faces = faces
        self._seen = np.zeros(len(faces), bool)
        self.hashes: npt.NDArray[np.uint64] | None = np.zeros((len(faces), 2), np.uint64) if wanted else None

    def __len__(self) -> int:
        return len(self._faces)

    def images(self, positions: npt.NDArray[np.int64]) -> Tensor:
        images = self._faces.images(positions)
        if self.hashes is not None and not self._seen[positions].all():
            self.hashes[positions] = hashes(images.numpy())
            self._seen[positions] = True
        return images


@cache
def projection(size: int) -> Float[np.ndarray, "8 size"]:
    """D A of `size` pixels: areas of equal width, then the first rows of the DCT-II."""
    edges = np.linspace(0, size, SIDE + 1)
    low, high = edges[:-1, None], edges[1:, None]
    covered = np.minimum(high, np.arange(1, size + 1)) - np.maximum(low, np.arange(size))
    area = np.clip(covered, 0, None) * SIDE / size
    wave = np.cos(np.pi * np.arange(KEPT)[:, None] * (2 * np.arange(SIDE) + 1) / (2 * SIDE))
    return np.asarray(wave @ area, np.float32)


def hashes(images: UInt8[np.ndarray, "n h w 3"]) -> UInt64[np.ndarray, "n 2"]:
    """Hash of every image (RGB), and of its mirror image; 0 of one with too little on it."""
    grey = images.astype(np.float32) @ GREY
    waves = projection(images.shape[1]) @ grey @ projection(images.shape[2]).T
    signs = np.where(np.arange(KEPT) % 2, -1, 1).astype(np.float32)
    both = np.stack([waves, waves * signs], 1).reshape(len(images), 2, KEPT * KEPT)
    middle = np.median(both, axis=2, keepdims=True)
    spread = np.median(np.abs(both - middle), axis=2)
    words: npt.NDArray[np.uint64] = np.packbits(both > middle, axis=2).view(np.uint64)[..., 0]
    words[spread.min(1) < BLANK] = 0
    return words


def within(left: UInt64[np.ndarray, "n 2"], right: UInt64[np.ndarray, "m 2"], radius: int) -> Iterator[Pairs]:
    """(rows, columns, distances) of all pairs within `radius` bits, plain or mirrored, block by block.

    A hash of 0 is near nothing. Every pair is looked at, at 3.7 ns of a core (one that shared its machine): a
    million faces against 50,000 take some three minutes, in a few MB. Measured, for 4e8 pairs, with

        python -m timeit -p -n 1 -s "import numpy as np; from pipeline.evaluate.hashes import within;
        a, b = np.random.default_rng(0).integers(1, 2**64, (2, 20000, 2), np.uint64)" "list(within(a, b, 8))"
    """
    own, other = np.flatnonzero(left[:, 0]), np.flatnonzero(right[:, 0])
    sides = [np.ascontiguousarray(right[other, side]) for side in (0, 1)]
    for start in range(0, len(own), ROWS):
        block = left[own[start : start + ROWS], :1]
        for first in range(0, len(other), COLUMNS):
            plain, mirrored = (np.bitwise_count(block ^ side[first : first + COLUMNS]) for side in sides)
            near = np.minimum(plain, mirrored, out=plain)
            if near.min() <= radius:  # finding places costs more than the bits: mostly there is none
                rows, columns = np.nonzero(near <= radius)
                yield own[start + rows], other[first + columns], near[rows, columns]
