"""What must hold of a list of pairs before it is scored: no pair of both kinds, nothing paired with itself.

Repeats are counted: a published list may hold a pair twice, and is scored as published. So is one with people
in several of its folds, though thresholds then have seen whom they judge: that is said.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Bool, Int

LOG = logging.getLogger(__name__)


class PairListError(ValueError):
    """A list that says two things of a pair, or pairs something with itself."""


def _keys(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """A number a pair, the same in either order."""
    code, names = pd.factorize(np.concatenate([a, b]))
    low, high = np.minimum(code[: len(a)], code[len(a) :]), np.maximum(code[: len(a)], code[len(a) :])
    return np.asarray(low.astype(np.int64) * len(names) + high)


def repeated(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Int[np.ndarray, " repeats"]:
    """Rows whose pair stood before, in this order or the other."""
    return np.flatnonzero(pd.Series(_keys(a, b)).duplicated().to_numpy())


def check_pairs(a: npt.NDArray[Any], b: npt.NDArray[Any], same: Bool[np.ndarray, " pairs"]) -> int:
    """Rows that repeat a pair; an error names the first pair of both kinds, or of something with itself."""
    a, b, same = np.asarray(a), np.asarray(b), np.asarray(same, bool)
    if not len(a) == len(b) == len(same):
        raise PairListError(f"{len(a)} and {len(b)} names and {len(same)} kinds: one of each a pair")
    itself = np.flatnonzero(a == b)
    if len(itself):
        raise PairListError(f"row {itself[0]} pairs {a[itself[0]]!s} with itself ({len(itself)} rows do)")
    pairs = pd.Series(same).groupby(_keys(a, b))
    torn = np.flatnonzero(same != pairs.transform("first").to_numpy(bool))
    if len(torn):
        row = int(torn[0])
        before = int(pairs.indices[_keys(a, b)[row]][0])
        raise PairListError(
            f"{a[row]!s} - {b[row]!s} is called both same and different, rows {before} and {row}"
            f" ({len(torn)} rows contradict an earlier one)"
        )
    return len(a) - pairs.ngroups


def repeats(dataset: str, name: str, pairs: pd.DataFrame) -> int:
    """Rows of one list that repeat a pair; what contradicts itself is refused with its row."""
    try:
        return check_pairs(pairs["a"].to_numpy(), pairs["b"].to_numpy(), pairs["same"].to_numpy(bool))
    except PairListError as error:
        raise PairListError(f"benchmark {dataset!r}, list {name!r}: {error}") from error


def warn_of_folds(dataset: str, name: str, metrics: Mapping[str, Any]) -> None:
    """Say that people are in several of a list's own folds, where they are."""
    if note := metrics.get("folds_note"):
        LOG.warning("benchmark %r, list %r: %s", dataset, name, note)
