"""Intervals of searches and of splits by the vertex bootstrap over people, and the draws that they come from.

    w ~ Multinomial(n, 1/n) over the n people of the probes, once a draw; a probe weighs the w of its person
    CMC(k)          weight of mated probes of rank <= k, by that of all mated ones
    TPIR at FPIR x  weight of mates found at >= t by that of mated probes, t chosen anew: the non-mated probes
                    at >= t weigh at most the share x of all of them
    TAR at FAR x    of probes with gallery entries or distractors: a pair weighs the w of its probe's person
    BLUFR           mean - standard deviation over splits, one draw of people for all splits; two faces of
                    people i and j weigh w_i w_j, of one person w_i, as in `pipeline.evaluate.intervals`;
                    draws shifted by what was measured less their mean (see `centred`)

What is drawn are the people who are sought; gallery and distractors stay as they are, so that an interval is
one of probes, given that gallery. A gallery drawn anew would lack 37 % of the entries, and a probe with one
rival would be found in so many draws: ranks would lie above what was measured, on one side.

All is exact at any number of probes. Of a split's N impostor pairs the 4 x N + 1000 highest are looked at: a
draw whose threshold lies below them is empty, a FAR with more than MOST of them has no interval. Draws of the
same people (`key`) are the same, whatever the model: differences of two models' draws make a paired test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, Int

from pipeline.evaluate import intervals
from pipeline.evaluate.identify import Found

MOST = 2**20  # impostor pairs of a split that are looked at
COLUMNS = ("protocol", "measure", "value", "supported", "people", "key", "draws")  # of a table of draws


@dataclass(frozen=True)
class People:
    """Whom to draw: the same people give the same draws, in whatever order they stand."""

    names: pd.Index
    draws: int
    seed: int = 0

    @staticmethod
    def of(names: npt.NDArray[Any], draws: int, seed: int = 0) -> People:
        return People(pd.Index(sorted(set(map(str, names)))), draws, seed)

    def number(self, names: npt.NDArray[Any]) -> Int[np.ndarray, " probes"]:
        found = self.names.get_indexer(pd.Index([str(name) for name in names]))
        if (found < 0).any():
            raise KeyError(f"{names[int(np.argmin(found))]} is none of the people that are drawn")
        return np.asarray(found, np.int64)

    @property
    def key(self) -> str:
        """Tells who was drawn, how often and from what seed."""
        told = "\n".join([str(self.draws), str(self.seed), *self.names])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def weights(self, cells: int) -> Iterator[npt.NDArray[np.int64]]:
        """Blocks (draws, people), small enough for so many numbers a draw."""
        block = intervals.block_of(max(cells, len(self.names)))
        return intervals.drawn(len(self.names), self.draws, self.seed, block)


def cmc(
    rank: Int[np.ndarray, " probes"], person: Int[np.ndarray, " probes"], ranks: Sequence[int], people: People
) -> Float[np.ndarray, "ranks draws"]:
    """CMC at each of `ranks` in each draw, of probes of rank above 0; NaN where none of them is drawn."""
    mated, size = rank > 0, len(people.names)
    limits = np.append(np.asarray(ranks, np.int64), np.iinfo(np.int64).max)  # the last one: all of them
    counts = np.stack([np.bincount(person[mated & (rank <= k)], minlength=size) for k in limits])
    weight = np.concatenate([drawn @ counts.T for drawn in people.weights(len(limits))]).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((weight[:, :-1] / weight[:, -1:]).T)


def tpir(
    found: Found, person: Int[np.ndarray, " probes"], fpirs: Sequence[float], rank: int, people: People
) -> Float[np.ndarray, "fpirs draws"]:
    """TPIR at each FPIR in each draw, mates up to `rank`; NaN where a draw has no probe of either kind."""
    mated = np.flatnonzero(found.mated)
    accepted = mated[found.rank[mated] <= rank]
    accepted = accepted[np.argsort(-found.mate[accepted], kind="stable")]
    strangers = np.flatnonzero(~found.mated)
    strangers = strangers[np.argsort(-found.other[strangers], kind="stable")]
    answer = []
    for drawn in people.weights(len(found.rank)):
        total, before = drawn[:, person[mated]].sum(1), np.cumsum(drawn[:, person[strangers]], 1)
        rows = []
        for fpir in fpirs:
            passed = intervals.reached(
                found.mate[accepted],
                drawn[:, person[accepted]],
                found.other[strangers],
                before,
                fpir * before[:, -1] + 1e-9,
                whole=True,
            )
            rows.append(shares(passed, total, before[:, -1]))
        answer.append(np.stack(rows) if rows else np.zeros((0, len(drawn))))
    return np.concatenate(answer, 1)


def shares(
    passed: Float[np.ndarray, " draws"], genuine: npt.NDArray[Any], impostors: npt.NDArray[Any]
) -> Float[np.ndarray, " draws"]:
    """Weight that passed by all of its kind; NaN where a draw has nothing of either kind."""
    usable = (genuine > 0) & (impostors > 0)
    return np.where(usable, passed / np.maximum(genuine, 1), np.nan)


@dataclass(frozen=True)
class Compared:
    """All pairs of a set of faces: genuine scores with their person, the highest impostors with their two."""

    genuine: npt.NDArray[np.float32]
    person: npt.NDArray[np.int64]
    impostors: npt.NDArray[np.float32]
    a: npt.NDArray[np.int64]
    b: npt.NDArray[np.int64]
    faces: npt.NDArray[np.int64]  # number of faces of each person
    whole: bool  # whether these are all impostors

    def falling(self) -> Compared:
        first, second = (np.argsort(-scores, kind="stable") for scores in (self.genuine, self.impostors))
        kept = self.genuine[first], self.person[first], self.impostors[second], self.a[second], self.b[second]
        return Compared(*kept, self.faces, self.whole)


@dataclass(frozen=True)
class Probed:
    """Probes with entries that are not drawn: genuine scores and the highest impostors, each with whose its
    probe is, and how many impostor pairs the probes of each person have."""

    genuine: npt.NDArray[np.float32]
    person: npt.NDArray[np.int64]
    impostors: npt.NDArray[np.float32]
    a: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]
    whole: bool  # whether these are all impostors

    def falling(self) -> Probed:
        first, second = (np.argsort(-scores, kind="stable") for scores in (self.genuine, self.impostors))
        kept = self.genuine[first], self.person[first], self.impostors[second], self.a[second]
        return Probed(*kept, self.count, self.whole)


def reach(fars: Sequence[float], impostors: int) -> list[float]:
    """Those FARs for which few enough impostors are looked at."""
    return [far for far in fars if intervals.highest(far, impostors) <= MOST]


def tar(pairs: Compared | Probed, fars: Sequence[float], people: People) -> Float[np.ndarray, "fars draws"]:
    """TAR at each FAR in each draw, over all pairs of faces, or of probes with entries that stay."""
    pairs, answer = pairs.falling(), []
    for drawn in people.weights(len(pairs.genuine) + len(pairs.impostors)):
        mine = drawn[:, pairs.person]
        weight, total = _impostors(pairs, drawn)
        before = np.cumsum(weight, 1)
        rows = []
        for far in fars:
            allowed = far * total + 1e-9
            passed = intervals.reached(pairs.genuine, mine, pairs.impostors, before, allowed, pairs.whole)
            rows.append(shares(passed, mine.sum(1), total))
        answer.append(np.stack(rows) if rows else np.zeros((0, len(drawn))))
    return np.concatenate(answer, 1)


def _impostors(
    pairs: Compared | Probed, drawn: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(weights of the impostor pairs that are looked at, of all of them) in each draw."""
    if isinstance(pairs, Probed):
        return drawn[:, pairs.a], drawn @ pairs.count
    faces = drawn * pairs.faces
    return drawn[:, pairs.a] * drawn[:, pairs.b], (faces.sum(1) ** 2 - (faces**2).sum(1)) // 2


def mean_minus_std(
    each: Sequence[Float[np.ndarray, "rates draws"]],
) -> Float[np.ndarray, "rates draws"]:
    """Over splits (standard deviation of a sample), in each draw."""
    splits = np.stack(each)
    return np.asarray(splits.mean(0) - splits.std(0, ddof=1))


def centred(sampled: Float[np.ndarray, " draws"], value: float) -> Float[np.ndarray, " draws"]:
    """Draws moved as one so that their mean is what was measured.

    Splits spread in a draw by their own difference and by the noise of the draw, so that a standard deviation
    over them is larger in draws than it was measured. What is taken off is the bootstrap's estimate of that
    bias, mean of the draws - `value` (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 10.2).
    """
    known = sampled[np.isfinite(sampled)]
    return sampled + (value - known.mean()) if len(known) else sampled


def ends(sampled: Mapping[Any, Float[np.ndarray, " draws"]]) -> dict[str, dict[Any, float | None]]:
    """`low` and `high` of several numbers by name."""
    found = {name: intervals.interval(draws) or (None, None) for name, draws in sampled.items()}
    return {side: {name: one[k] for name, one in found.items()} for k, side in enumerate(("low", "high"))}


@dataclass
class Draws:
    """A table of what was drawn, a row a number; numbers that could not be told are left out."""

    people: People | None
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, measure: str, value: float | None, sampled: Float[np.ndarray, " draws"], supported: bool = True
    ) -> None:
        if self.people is None or value is None:
            return
        told = {"measure": measure, "value": float(value), "supported": bool(supported)}
        who = {"people": len(self.people.names), "key": self.people.key}
        self.rows.append({**told, **who, "draws": np.asarray(sampled, np.float64).tolist()})

    def table(self, protocol: str = "") -> pd.DataFrame:
        return pd.DataFrame([{"protocol": protocol, **row} for row in self.rows], columns=list(COLUMNS))
