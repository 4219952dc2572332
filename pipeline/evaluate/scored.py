"""What is told of a scored list of pairs: TAR at FAR with intervals over people, its ROC for a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline.evaluate import curves, folds, intervals

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


def in_folds(
    scores: Float[np.ndarray, " pairs"],
    fold: Int[np.ndarray, " pairs"],
    who: intervals.Pairs,
    draws: int,
    seed: int,
) -> tuple[dict[str, Any], Bool[np.ndarray, " pairs"]]:
    """(accuracy by thresholds of the other folds, with its interval; which pairs were decided rightly)."""
    found = folds.kfold(scores, who.same, fold)
    accuracy: dict[str, Any] = {"mean": found.mean, "std": found.std, **ends(None)}
    if draws:
        sampled = intervals.accuracy_draws(found.correct[None], who, draws, seed)[0]
        accuracy |= ends(intervals.interval(sampled))
    each = {"fold_accuracy": found.accuracy.tolist(), "fold_threshold": found.threshold.tolist()}
    return {"accuracy": accuracy, **each}, found.correct


def people_in_folds(
    pairs: pd.DataFrame, who: intervals.Pairs, identity: Mapping[str, str | None], given: bool
) -> dict[str, Any]:
    """How many people are in several folds of `pairs` (fold, a, b); a note where the list has given them."""
    faces = pd.concat([pairs["a"], pairs["b"]], ignore_index=True)
    first = pd.Series(faces.to_numpy(), np.concatenate([who.a, who.b])).groupby(level=0).first()
    names = [face if pd.isna(name := identity.get(face)) else name for face in first]
    shared = folds.shared_identities(pairs["fold"].to_numpy(), who.a, who.b)
    told: dict[str, Any] = {"people": who.people, "people_in_several_folds": len(shared)}
    if given and shared:
        told["folds_note"] = folds.told({names[person]: where for person, where in shared.items()})
    return told


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
