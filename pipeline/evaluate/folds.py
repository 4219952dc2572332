"""Accuracy of pairs in folds: the threshold of a fold is the best of all thresholds on the other folds.

    right(t) = genuine pairs with score >= t + impostor pairs with score < t
    t_f = argmax over t of right(t) on the pairs outside fold f
    accuracy of fold f = share of its pairs decided rightly at t_f

Candidates lie midway between neighbouring distinct scores of the other folds, one above and one below them
all: no grid. Of several equally good ones the middle is taken (of an even number the higher).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int

from pipeline.evaluate.curves import checked


@dataclass(frozen=True)
class Ordered:
    """Scores sorted once: distinct values descending, and the step at which each pair is accepted."""

    value: npt.NDArray[np.floating[Any]]  # (steps)
    step: npt.NDArray[np.int64]  # (pairs)

    @staticmethod
    def of(scores: npt.NDArray[np.floating[Any]]) -> Ordered:
        value, inverse = np.unique(scores, return_inverse=True)
        return Ordered(value[::-1], len(value) - 1 - inverse)

    def counts(self, pairs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.bincount(self.step[pairs], minlength=len(self.value))


def _best(
    value: npt.NDArray[np.floating[Any]], genuine: npt.NDArray[np.int64], impostors: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """(threshold, accuracy) from the pairs of each kind at every distinct score, descending."""
    there = np.flatnonzero(genuine + impostors)
    value, gain = value[there], (genuine - impostors)[there]
    right = np.append(0, np.cumsum(gain)) + impostors.sum()
    best = np.flatnonzero(right == right.max())
    point = int(best[(len(best) - 1) // 2])
    if point == 0:
        upper = np.nextafter(value[0], np.inf, dtype=value.dtype)
    elif point == len(value):
        upper = value[-1]
    else:
        upper, lower = value[point - 1], value[point]
        middle = upper / 2 + lower / 2
        upper = middle if middle > lower else upper  # neighbouring floats have nothing in between
    return float(upper), float(right[point] / (genuine.sum() + impostors.sum()))


@dataclass(frozen=True)
class Folds:
    """k-fold verification: decisions of every pair by a threshold that never saw its fold."""

    accuracy: npt.NDArray[np.float64]  # (k)
    threshold: npt.NDArray[np.float64]  # (k)
    correct: npt.NDArray[np.bool_]  # (pairs)

    @property
    def mean(self) -> float:
        return float(self.accuracy.mean())

    @property
    def std(self) -> float:
        """Spread over folds, population formula as the field reports it."""
        return float(self.accuracy.std())


def kfold(
    scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"], fold: Int[np.ndarray, " pairs"]
) -> Folds:
    """Accuracy of every fold with the best threshold of all other folds together; one sort for all folds."""
    scores, same = checked(scores, same)
    names, code = np.unique(np.asarray(fold), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{len(names)} fold: accuracy needs at least two, one gives the threshold")
    ordered = Ordered.of(scores)
    genuine, impostors = ordered.counts(same), ordered.counts(~same)
    thresholds, correct, accuracy = [], np.zeros(len(scores), bool), []
    for number, name in enumerate(names):
        test = code == number
        left = genuine - ordered.counts(test & same), impostors - ordered.counts(test & ~same)
        if not left[0].any() or not left[1].any():
            raise ValueError(f"without fold {name} there are not both kinds of pair: no threshold for it")
        threshold, _ = _best(ordered.value, *left)
        correct[test] = (scores[test] >= threshold) == same[test]
        accuracy.append(correct[test].mean())
        thresholds.append(threshold)
    return Folds(np.asarray(accuracy), np.asarray(thresholds), correct)


def contiguous_folds(same: Bool[np.ndarray, " pairs"], folds: int) -> Int[np.ndarray, " pairs"]:
    """Folds 0..folds-1 of a list that has none: runs of equal length, of each kind of pair apart."""
    same = np.asarray(same, bool)
    fold = np.zeros(len(same), np.int64)
    for kind in (True, False):
        rows = np.flatnonzero(same == kind)
        if len(rows) < folds:
            what = "genuine" if kind else "impostor"
            raise ValueError(f"{len(rows)} {what} pairs for {folds} folds: each fold needs one at least")
        fold[rows] = np.arange(len(rows)) * folds // len(rows)
    return fold


def shared_identities(
    fold: Int[np.ndarray, " pairs"], a: npt.NDArray[Any], b: npt.NDArray[Any]
) -> dict[Any, list[Any]]:
    """Identity -> its folds, of those in more than one; `a`, `b`: whose faces the pairs are."""
    people, code = np.unique(np.concatenate([a, b]), return_inverse=True)
    names, number = np.unique(np.concatenate([fold, fold]), return_inverse=True)
    there = np.unique(np.stack([code, number], 1), axis=0)
    several = np.flatnonzero(np.bincount(there[:, 0]) > 1)
    rows = there[np.isin(there[:, 0], several)]
    return {
        people[person].item(): names[rows[rows[:, 0] == person, 1]].tolist() for person in several.tolist()
    }


def told(shared: Mapping[Any, Sequence[Any]]) -> str:
    """`shared_identities` in words: a threshold should not have seen the people it judges."""
    person, where = next(iter(shared.items()))
    return (
        f"identity {person!r} is in folds {', '.join(map(str, where))} ({len(shared)} identities are in"
        " several): thresholds have seen people that they judge"
    )
