"""Landmark error: mean distance of points to their truth, by the size of the face's box.

    NME_i = (1 / p_i) sum_k |x_ik - y_ik| / sqrt(w_i h_i)      over the p_i points with a known truth

Pixels in, a share of the box's side out (https://arxiv.org/abs/1703.07332, section 3.1).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def nme(
    predicted: Float[np.ndarray, "n points 2"],
    truth: Float[np.ndarray, "n points 2"],
    box: Float[np.ndarray, "n 4"],
) -> Float[np.ndarray, " n"]:
    """Error of each face (NaN where none of its points has a truth); box = x, y, width, height."""
    if predicted.shape != truth.shape or predicted.shape[0] != box.shape[0]:
        raise ValueError(f"points {predicted.shape}, truth {truth.shape}, boxes {box.shape}: faces differ")
    area = np.asarray(box[:, 2], np.float64) * box[:, 3]
    if (area <= 0).any():
        raise ValueError(f"the box of face {int(np.argmax(area <= 0))} has no area: width and height above 0")
    distance = np.linalg.norm(np.asarray(predicted, np.float64) - truth, axis=2)
    known = np.isfinite(truth).all(2)
    count = known.sum(1)
    total = np.where(known, distance, 0).sum(1)
    with np.errstate(invalid="ignore"):
        return total / np.where(count > 0, count, np.nan) / np.sqrt(area)
