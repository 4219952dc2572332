"""Intervals of what BLUFR tells, mean minus standard deviation over splits: people are drawn for all splits.

Draws are centred on what was measured (`resampled.centred`), and an interval ends at 1 at the highest.
A split's pairs are looked at once more: every genuine pair with its person, and of N impostor pairs the
highest (`intervals.highest`) with their two, at most `resampled.MOST` (see there for the weights and
approximations).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.evaluate import identify, intervals, reported, resampled
from pipeline.evaluate.resampled import Compared, Draws, People
from pipeline.evaluate.streaming import StreamingRoc
from pipeline.evaluate.tiles import BYTES, sorted_people, tiles


@dataclass
class Splits:
    """Draws of every split's rates, as the splits pass."""

    people: People | None
    fars: Sequence[float]
    fpirs: Sequence[float]
    rank: int
    tar: list[npt.NDArray[np.float64]] = field(default_factory=list)
    tpir: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(
        self,
        unit: Float[np.ndarray, "n d"],
        names: npt.NDArray[Any],
        state: StreamingRoc,
        found: identify.Found,
        probes: npt.NDArray[Any],
    ) -> None:
        """A split: its test faces with whose they are, their ROC, its open set with whose the probes are."""
        if self.people is None:
            return
        within = resampled.reach(self.fars, state.impostors.count)
        drawn = np.full((len(self.fars), self.people.draws), np.nan)
        if within:
            pairs = compared(unit, names, state, max(within), self.people)
            rows = [place for place, far in enumerate(self.fars) if far in within]
            drawn[rows] = resampled.tar(pairs, [self.fars[row] for row in rows], self.people)
        self.tar.append(drawn)
        person = self.people.number(probes)
        self.tpir.append(resampled.tpir(found, person, self.fpirs, self.rank, self.people))

    def told(self, tars: list[dict[str, Any]], tpirs: list[dict[str, Any]]) -> pd.DataFrame:
        """The table of draws; adds `low` and `high` to what is told of each rate."""
        draws = Draws(self.people)
        if self.people is None:
            return draws.table()
        open_set = reported.open_set(self.rank)
        for rates, each, name, at in (
            (tars, self.tar, "TAR at FAR", "far"),
            (tpirs, self.tpir, open_set, "fpir"),
        ):
            for rate, sampled in zip(rates, resampled.mean_minus_std(each), strict=True):
                value = rate["mean_minus_std"]
                moved = np.full(1, np.nan) if value is None else resampled.centred(sampled, value)
                low, high = intervals.interval(moved) or (None, None)
                rate |= {"low": low, "high": None if high is None else min(high, 1.0)}
                draws.add(f"{name} {rate[at]:g}, mean - std", value, moved, rate["supported"])
        return draws.table()


def of(
    names: npt.NDArray[Any], fars: Sequence[float], fpirs: Sequence[float], rank: int, draws: int, seed: int
) -> Splits:
    return Splits(reported.people_of([names], draws, seed), list(fars), list(fpirs), rank)


def compared(
    unit: Float[np.ndarray, "n d"],
    names: npt.NDArray[Any],
    state: StreamingRoc,
    far: float,
    people: People,
    size: int = BYTES,
) -> Compared:
    """All genuine pairs, and the impostor pairs that matter up to this FAR."""
    unit, code, known = sorted_people(unit, names)
    number = people.number(known.to_numpy())
    count = intervals.highest(far, state.impostors.count)
    whole = count == state.impostors.count
    floor = -np.inf if whole else state.impostors.nth(count)[0]
    parts: list[tuple[npt.NDArray[Any], ...]] = []
    own: list[tuple[npt.NDArray[Any], ...]] = []
    for tile in tiles(unit, code, size):
        left, right = number[code[tile.rows]], number[code[tile.columns]]
        chosen = tile.scores >= floor
        if tile.same is not None and tile.once is not None:
            row, column = np.nonzero(tile.once & tile.same)
            own.append((tile.scores[row, column], left[row]))
            chosen &= tile.once & ~tile.same
        row, column = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
        parts.append((tile.scores[row, column], left[row], right[column]))
    scores, a, b = (np.concatenate(each) for each in zip(*parts, strict=True))
    genuine, person = (np.concatenate(each) for each in zip(*own, strict=True))
    faces = np.bincount(number[code], minlength=len(people.names))
    return Compared(genuine, person, scores, a, b, faces, whole)
