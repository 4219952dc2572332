"""Landmark error: mean distance of points to their truth, by the size of the face.

    NME_i = (1 / p_i) sum_k |x_ik - y_ik| / s_i          over the p_i points with a known truth
    s_i   = sqrt(w_i h_i)            box     sides of the face's box (https://arxiv.org/abs/1703.07332, 3.1)
            |y_i36 - y_i45|          outer   corners of the eyes (300-W, https://doi.org/10.1109/ICCVW.2013.59)
            |eye_i - other eye_i|    pupils  means of the six points of each eye; of five points the eyes
    AUC   = (1 / L) integral of CED(e) over e = 0..L,  CED(e) = share of faces with NME <= e
          = mean of max(0, 1 - NME_i / L)                      failures: share of faces with NME > L

L = 7 % with the box, 8 and 10 % are usual with the eyes. Pixels in, a share of the face's size out. By the
eyes a profile has a large error, since they lie nearly behind one another, and none where they are one point.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

LIMIT = 0.07  # of the errors that the AUC looks at
Normaliser = Literal["box", "outer", "pupils"]
NORMALISERS: dict[int, tuple[Normaliser, ...]] = {68: ("box", "outer", "pupils"), 5: ("box", "pupils")}
"""What faces of so many points can be normalised by."""


def nme(
    predicted: Float[np.ndarray, "n points 2"],
    truth: Float[np.ndarray, "n points 2"],
    box: Float[np.ndarray, "n 4"],
    normaliser: Normaliser = "box",
) -> Float[np.ndarray, " n"]:
    """Error of each face; NaN where none of its points has a truth, or its size is not known.

    box = x, y, width, height.
    """
    if predicted.shape != truth.shape or predicted.shape[0] != box.shape[0]:
        raise ValueError(f"points {predicted.shape}, truth {truth.shape}, boxes {box.shape}: faces differ")
    size = box_size(box) if normaliser == "box" else apart(truth, normaliser)
    distance = np.linalg.norm(np.asarray(predicted, np.float64) - truth, axis=2)
    known = np.isfinite(truth).all(2)
    count = known.sum(1)
    total = np.where(known, distance, 0).sum(1)
    with np.errstate(invalid="ignore"):
        return total / np.where(count > 0, count, np.nan) / size


def box_size(box: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Square root of the area of each box."""
    area = np.asarray(box[:, 2], np.float64) * box[:, 3]
    if (area <= 0).any():
        raise ValueError(f"the box of face {int(np.argmax(area <= 0))} has no area: width and height above 0")
    return np.asarray(np.sqrt(area))


def apart(truth: Float[np.ndarray, "n points 2"], normaliser: Normaliser) -> Float[np.ndarray, " n"]:
    """Distance of the eyes by their outer corners or by their middles; NaN where it is 0."""
    points = truth.shape[1]
    if normaliser not in NORMALISERS.get(points, ()):
        known = ", ".join(NORMALISERS.get(points, ())) or "none"
        raise ValueError(f"{points} points can't be normalised by {normaliser!r}; by these they can: {known}")
    points_of = np.asarray(truth, np.float64)
    if normaliser == "outer":
        first, second = points_of[:, 36], points_of[:, 45]
    elif points == 68:
        first, second = points_of[:, 36:42].mean(1), points_of[:, 42:48].mean(1)
    else:
        first, second = points_of[:, 0], points_of[:, 1]
    distance = np.linalg.norm(first - second, axis=1)
    return np.where(distance > 0, distance, np.nan)


def closeness(errors: Float[np.ndarray, " n"], limit: float) -> Float[np.ndarray, " n"]:
    """What each error adds to the AUC: their mean."""
    return np.clip(1 - errors / limit, 0, None)


def failed(errors: Float[np.ndarray, " n"], limit: float) -> Bool[np.ndarray, " n"]:
    """Which errors are above `limit`."""
    return np.asarray(errors > limit)


def auc(errors: Float[np.ndarray, " n"], limit: float = LIMIT) -> float:
    """Area under the cumulative errors up to `limit`, by `limit`: exact, no bins; NaN errors are left out."""
    return float(closeness(_known(errors, limit), limit).mean())


def failures(errors: Float[np.ndarray, " n"], limit: float = LIMIT) -> float:
    """Share of faces whose error is above `limit`; NaN errors are left out."""
    return float(failed(_known(errors, limit), limit).mean())


def _known(errors: Float[np.ndarray, " n"], limit: float) -> npt.NDArray[np.float64]:
    if not 0 < limit < np.inf:
        raise ValueError(f"limit {limit}: an error above 0, as a share of the face's size")
    known = np.asarray(errors, np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        raise ValueError("no face has an error: none of their points has a truth")
    return known


def named(kind: str, limit: float) -> str:
    """auc_7_percent."""
    return f"{kind}_{100 * limit:g}_percent"


def told(errors: Float[np.ndarray, " n"]) -> dict[str, float]:
    """Mean error, AUC and failures of faces whose every error is known, by the names of metrics."""
    rates = {"auc": auc(errors), "failures": failures(errors)}
    return {"nme": float(errors.mean())} | {named(kind, LIMIT): rate for kind, rate in rates.items()}
