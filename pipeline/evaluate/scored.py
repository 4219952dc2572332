"""What is told of a scored list of pairs: TAR at FAR with intervals over people, its ROC for a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from pipeline.evaluate import curves, intervals

POINTS = 200  # of a ROC as it is kept for pictures


def ends(found: tuple[float, float] | None) -> dict[str, float | None]:
    """An interval as `low` and `high`; None where there is none."""
    low, high = found or (None, None)
    return {"low": low, "high": high}


def tars(
    curve: curves.Roc,
    scores: Float[np.ndarray, " pairs"],
    who: intervals.Pairs,
    fars: Sequence[float],
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """`curves.tar_at_far` at each FAR, with its interval where `draws` is above 0."""
    found = [curves.tar_at_far(curve, far) for far in fars]
    if not draws:
        return found
    measurable = [tar["far"] for tar in found if tar["tar"] is not None]
    sampled = dict(zip(measurable, intervals.tar_draws(scores, who, measurable, draws, seed), strict=True))
    return [
        tar | ends(intervals.interval(sampled[far]) if (far := tar["far"]) in sampled else None)
        for tar in found
    ]


def thin(curve: curves.Roc, points: int = POINTS) -> dict[str, list[float]]:
    """At most about `points` points of the curve: evenly spaced in FAR and in its logarithm."""
    count = len(curve.threshold)
    wanted = np.concatenate(
        [np.linspace(0, 1, points // 2), np.logspace(-np.log10(max(2, curve.impostors)), 0, points // 2)]
    )
    allowed = np.floor(wanted * curve.impostors).astype(curve.impostors_accepted.dtype)
    chosen = np.searchsorted(curve.impostors_accepted, allowed, side="right") - 1
    chosen = np.unique(np.concatenate([[0, count - 1], np.clip(chosen, 0, count - 1)]))
    far, tar = curve.impostors_accepted[chosen], curve.genuine_accepted[chosen]
    return {"far": (far / curve.impostors).tolist(), "tar": (tar / curve.genuine).tolist()}
