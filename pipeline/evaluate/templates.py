"""Templates of several images, IJB's way: one vector a template.

    x_k   image k: plain and mirrored embedding fused by `flip`, divided by its norm unless `keep_norm`,
          times its detector score s_k where scores are given
    t     = sum over media of the template of (1 / |medium|) sum over its images of x_k,  then t / |t|

(https://doi.org/10.1109/ICB2018.2018.00033.) Media mean, then template sum, is one weighted sum of rows, so
a block of images is pooled by one sparse product. Weights of other origin (SCF's concentration) go in as
`scores`. Embeddings may be a memory map: a block of rows is read at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from pipeline.evaluate.vectors import FLIPS, Flip, lengths, normalise

ROWS = 16_384  # images read at a time


class TemplateError(ValueError):
    """A template that has no usable image."""


@dataclass(frozen=True)
class Templates:
    """Unit vectors of templates, by ascending id."""

    ids: npt.NDArray[Any]
    unit: npt.NDArray[np.float32]


def pool(
    embeddings: Float[np.ndarray, "n 2 d"] | Float[np.ndarray, "n d"],
    template: npt.NDArray[Any],
    medium: npt.NDArray[Any],
    *,
    flip: Flip = "sum",
    keep_norm: bool = False,
    scores: Float[np.ndarray, " n"] | None = None,
    usable: npt.NDArray[np.bool_] | None = None,
    names: Sequence[Any] | None = None,
) -> Templates:
    """One vector a template. `usable` leaves images out (no face found); a template needs one at least.

    Embeddings without a mirrored half, (n, d), go with flip `none`. `names`: what errors call the images.
    """
    _check(embeddings, template, medium, flip, scores)
    use = np.ones(len(template), bool) if usable is None else np.asarray(usable, bool)
    ids, code = np.unique(template, return_inverse=True)
    bare = np.flatnonzero(np.bincount(code[use], minlength=len(ids)) == 0)
    if len(bare):
        raise TemplateError(
            f"template {ids[bare[0]]!s} has no usable image ({len(bare)} of {len(ids)} templates)"
        )
    weight = np.zeros(len(template))
    weight[use] = _shares(code[use], np.asarray(medium)[use])
    if scores is not None:
        weight *= np.asarray(scores, np.float64)
    total: npt.NDArray[np.float64] | None = None
    for start, block in _fused(embeddings, flip):
        here = slice(start, start + len(block))
        part = weight[here].copy()
        used = np.flatnonzero(use[here])
        told = [row if names is None else names[row] for row in (start + used).tolist()]
        norm = lengths(block if len(used) == len(block) else block[used], told)
        if not keep_norm:
            part[used] /= norm
        total = np.zeros((len(ids), block.shape[1])) if total is None else total
        _add(total, code[here][used], part[used], block if len(used) == len(block) else block[used])
    assert total is not None
    return Templates(ids, normalise(total, [f"template {name!s}" for name in ids]))


def _check(
    embeddings: npt.NDArray[Any],
    template: npt.NDArray[Any],
    medium: npt.NDArray[Any],
    flip: Flip,
    scores: npt.NDArray[Any] | None,
) -> None:
    if flip not in FLIPS:
        raise ValueError(f"flip {flip!r}: one of {', '.join(FLIPS)}")
    if embeddings.ndim == 2 and flip != "none":
        raise ValueError(f"flip {flip!r} needs embeddings (n, 2, d), plain and mirrored: {embeddings.shape}")
    sizes = {len(embeddings), len(template), len(medium), len(embeddings if scores is None else scores)}
    if len(sizes) > 1 or not len(template):
        raise ValueError(
            f"{len(embeddings)} embeddings, {len(template)} templates, {len(medium)} media:"
            " one of each an image"
        )
    if scores is not None and not (np.isfinite(scores).all() and (np.asarray(scores) >= 0).all()):
        row = int(np.argmin(np.isfinite(scores) & (np.asarray(scores) >= 0)))
        raise ValueError(f"score of row {row} is {scores[row]}: a weight is finite and not negative")


def _shares(code: npt.NDArray[np.int64], medium: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """1 / (images of the same template and medium), of each image."""
    names, media = np.unique(medium, return_inverse=True)
    _, group, count = np.unique(code * np.int64(len(names)) + media, return_inverse=True, return_counts=True)
    return 1.0 / count[group]


def _fused(embeddings: npt.NDArray[Any], flip: Flip) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    for start in range(0, len(embeddings), ROWS):
        rows = np.asarray(embeddings[start : start + ROWS], np.float32)
        if rows.ndim == 3:
            sides = rows[:, 0], rows[:, 1]
            whole = {"concat": rows.reshape(len(rows), -1), "none": sides[0]}.get(flip)
            rows = sides[0] + sides[1] if whole is None else whole
        yield start, rows


def _add(
    total: npt.NDArray[np.float64],
    code: npt.NDArray[np.int64],
    weight: npt.NDArray[np.float64],
    rows: npt.NDArray[np.float32],
) -> None:
    """total[t] += weighted rows of template t."""
    from scipy.sparse import csr_matrix

    there, place = np.unique(code, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.append(0, np.cumsum(np.bincount(place, minlength=len(there))))
    pooling = csr_matrix((weight[order].astype(np.float32), order, starts), shape=(len(there), len(rows)))
    total[there] += pooling @ rows
