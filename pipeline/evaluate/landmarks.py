"""Landmark error: mean distance of points to their truth, by the size of the face's box.

    NME_i = (1 / p_i) sum_k |x_ik - y_ik| / sqrt(w_i h_i)      over the p_i points with a known truth
    AUC   = (1 / L) integral of CED(e) over e = 0..L,  CED(e) = share of faces with NME <= e
          = mean of max(0, 1 - NME_i / L)                      failures: share of faces with NME > L

L = 7 % as there. Pixels in, a share of the box's side out (https://arxiv.org/abs/1703.07332, section 3.1).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LIMIT = 0.07  # of the errors that the AUC looks at


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


def auc(errors: Float[np.ndarray, " n"], limit: float = LIMIT) -> float:
    """Area under the cumulative errors up to `limit`, by `limit`: exact, no bins; NaN errors are left out."""
    known = _known(errors, limit)
    return float(np.clip(1 - known / limit, 0, None).mean())


def failures(errors: Float[np.ndarray, " n"], limit: float = LIMIT) -> float:
    """Share of faces whose error is above `limit`; NaN errors are left out."""
    return float((_known(errors, limit) > limit).mean())


def _known(errors: Float[np.ndarray, " n"], limit: float) -> Float[np.ndarray, " known"]:
    if not 0 < limit < np.inf:
        raise ValueError(f"limit {limit}: an error above 0, as a share of the box's side")
    known = np.asarray(errors, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        raise ValueError("no face has an error: none of their points has a truth")
    return known


def told(errors: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Mean error, AUC and failures of faces whose every error is known, by the names of metrics."""
    rates = {"auc": auc(errors), "failures": failures(errors)}
    return {"nme": float(errors.mean())} | {f"{k}_{100 * LIMIT:g}_percent": v for k, v in rates.items()}
