"""Embeddings as unit vectors, the fusion of an image with its mirror image, and cosines of pairs of rows.

    concat  z = (x, x') / |(x, x')|      sum  z = (x + x') / |x + x'|      none  z = x / |x|

x, x' are the embeddings of an image and of its mirror image. A cosine is <z_a, z_b>, higher is more alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

Flip = Literal["concat", "sum", "none"]
FLIPS: tuple[Flip, ...] = ("concat", "sum", "none")
GATHERED = 1024  # pairs whose vectors are copied at a time: they stay in the cache
PRODUCT_BYTES = 16 * 2**20  # of scores of a block of the matrix product
MANY, DENSE = 100_000, 40  # pairs, and products a pair, up to which a matrix product is the shorter way


class BadEmbeddingError(ValueError):
    """An embedding that has no direction: NaN, infinite, or all zero."""


def lengths(
    values: Float[np.ndarray, "n d"], ids: Sequence[Any] | None = None, first: int = 0
) -> Float[np.ndarray, " n"]:
    """Euclidean norms; NaN, infinity or a zero row is an error that names it (rows count from `first`)."""
    every = np.arange(len(values))
    norm = np.sqrt(_dots(values, values, every, every))
    bad = np.flatnonzero(~np.isfinite(norm) | (norm == 0))
    if len(bad):
        row = int(bad[0])
        what = "zero" if norm[row] == 0 else "not finite"
        name = repr(ids[first + row]) if ids is not None else f"row {first + row}"
        raise BadEmbeddingError(
            f"the embedding of sample {name} is {what} ({len(bad)} of {len(values)} are unusable):"
            " the model or the image is broken"
        )
    return np.asarray(norm)


def normalise(
    embeddings: Float[np.ndarray, "n d"], ids: Sequence[Any] | None = None
) -> Float[np.ndarray, "n d"]:
    """Rows at unit length; NaN, infinity or a zero row is an error that names the sample."""
    values = np.asarray(embeddings, np.float32)
    return np.asarray(values / lengths(values, ids).astype(np.float32)[:, None])


def fuse(
    embeddings: Float[np.ndarray, "n 2 d"], flip: Flip, ids: Sequence[Any] | None = None
) -> Float[np.ndarray, "n e"]:
    """One unit vector a face of its plain and mirrored embedding; e = 2 d for `concat`."""
    if flip not in FLIPS:
        raise ValueError(f"flip {flip!r}: one of {', '.join(FLIPS)}")
    plain, mirrored = embeddings[:, 0], embeddings[:, 1]
    joined = {"concat": np.concatenate([plain, mirrored], 1), "sum": plain + mirrored, "none": plain}[flip]
    return normalise(joined, ids)


def cosine(
    unit: Float[np.ndarray, "n d"], a: Int[np.ndarray, " pairs"], b: Int[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Cosine of rows a and b of unit vectors, in blocks.

    Summed in float64 pair by pair, except where pairs are many among few rows (IJB's lists): there a block
    of the matrix product is formed and read, all in float32 (within 1e-6).
    """
    a, b = np.asarray(a), np.asarray(b)
    if len(a) > MANY:
        left, a_place = _distinct(a, len(unit))
        right, b_place = _distinct(b, len(unit))
        if len(left) * len(right) <= DENSE * len(a):
            return _by_product(unit[left], unit[right], a_place, b_place)
    return _dots(unit, unit, a, b)


def _dots(
    first: npt.NDArray[Any], second: npt.NDArray[Any], a: npt.NDArray[Any], b: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Inner products of rows a of `first` and b of `second`, summed in float64."""
    products = np.empty(len(a))
    for start in range(0, len(a), GATHERED):
        part = slice(start, start + GATHERED)
        rows = first[a[part]].astype(np.float64)
        others = rows if a is b and first is second else second[b[part]].astype(np.float64)
        products[part] = np.einsum("nd,nd->n", rows, others)
    return products


def _distinct(
    rows: Int[np.ndarray, " pairs"], size: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """(distinct rows ascending, place of each pair's row among them)."""
    used = np.zeros(size, bool)
    used[rows] = True
    return np.flatnonzero(used), (np.cumsum(used, dtype=np.int32) - np.int32(1))[rows]


def _by_product(
    left: Float[np.ndarray, "l d"],
    right: Float[np.ndarray, "r d"],
    a: Int[np.ndarray, " pairs"],
    b: Int[np.ndarray, " pairs"],
) -> Float[np.ndarray, " pairs"]:
    height = max(1, PRODUCT_BYTES // (4 * len(right)))
    scores = np.empty(len(a), np.float32)
    rising = bool((a[1:] >= a[:-1]).all())
    for start in range(0, len(left), height):
        product = left[start : start + height] @ right.T
        pairs = _within(a, start, start + height, rising)
        place = (a[pairs] - start).astype(np.int64) * len(right) + b[pairs]
        scores[pairs] = product.ravel()[place]
    return scores


def _within(a: Int[np.ndarray, " pairs"], low: int, high: int, rising: bool) -> slice | npt.NDArray[np.int64]:
    """Where a is from `low` to below `high`."""
    if rising:
        return slice(*np.searchsorted(a, np.asarray([low, high], a.dtype)))
    return np.flatnonzero((a >= low) & (a < high))
