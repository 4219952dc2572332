"""What must hold of a list of pairs before it is scored: no pair twice, none of both kinds or with itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Bool, Int


class PairListError(ValueError):
    """A list that would count a pair twice, or says two things of it."""


def repeated(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Int[np.ndarray, " repeats"]:
    """Rows whose pair stood before, in this order or the other."""
    code, names = pd.factorize(np.concatenate([a, b]))
    low, high = np.minimum(code[: len(a)], code[len(a) :]), np.maximum(code[: len(a)], code[len(a) :])
    key = low.astype(np.int64) * len(names) + high
    return np.flatnonzero(pd.Series(key).duplicated().to_numpy())


def check_pairs(a: npt.NDArray[Any], b: npt.NDArray[Any], same: Bool[np.ndarray, " pairs"]) -> None:
    """An error that names the first pair that is listed twice, or of something with itself."""
    a, b, same = np.asarray(a), np.asarray(b), np.asarray(same, bool)
    if not len(a) == len(b) == len(same):
        raise PairListError(f"{len(a)} and {len(b)} names and {len(same)} kinds: one of each a pair")
    itself = np.flatnonzero(a == b)
    if len(itself):
        raise PairListError(f"row {itself[0]} pairs {a[itself[0]]!s} with itself ({len(itself)} rows do)")
    rows = repeated(a, b)
    if not len(rows):
        return
    row = int(rows[0])
    ends = a[row], b[row]
    before = int(np.argmax(((a == ends[0]) & (b == ends[1])) | ((a == ends[1]) & (b == ends[0]))))
    what = "is listed twice" if same[row] == same[before] else "is called both same and different"
    raise PairListError(f"{a[row]!s} - {b[row]!s} {what}, rows {before} and {row} ({len(rows)} rows repeat)")
