"""Couples of a crowd by their numbers, so that some can be drawn of many without a list of all.

Number c is the c-th of `itertools.combinations(range(len(kinds)), 2)` whose two are of one kind: with m_i
members of its kind behind member i, those of i are the numbers m_0 + .. + m_(i-1) to m_0 + .. + m_i - 1.
Memory is that of the crowd. Shapes: n members, k numbers.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


class Couples:
    """Of members of the given kinds, by their positions."""

    def __init__(self, kinds: Int[np.ndarray, "n"]) -> None:
        _, kind, counts = np.unique(kinds, return_inverse=True, return_counts=True)
        self._sorted = np.argsort(kind, kind="stable")  # kind by kind, in the crowd's order
        self._place = np.empty(len(kinds), np.int64)
        self._place[self._sorted] = np.arange(len(kinds))
        self._behind = np.cumsum(counts)[kind] - self._place - 1
        self._ends = np.cumsum(self._behind)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def at(self, numbers: Int[np.ndarray, "k"]) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k"]]:
        """The first and the second of each couple."""
        first = np.searchsorted(self._ends, numbers, side="right")
        past = numbers - (self._ends - self._behind)[first]
        return first, self._sorted[self._place[first] + 1 + past]
