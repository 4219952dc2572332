"""Intervals and paired tests of pair lists by the vertex bootstrap: people are drawn, not pairs.

    w ~ Multinomial(n, 1/n) over the n people of a list, once a draw
    weight of a pair of different people i, j = w_i w_j;  of two faces of one person i = w_i

Pairs that share a person are not independent, so a bootstrap over pairs gives intervals that are too
short (https://arxiv.org/abs/2306.01198). The share of genuine pairs stays as in the list. An interval
is between percentiles of the draws; a paired difference uses the same draws for both models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Bool, Float

CELLS = 4_000_000  # draws x pairs held in memory at a time
EMPTY = 0.05  # share of draws without genuine or impostor pairs beyond which there is no interval


@dataclass(frozen=True)
class Pairs:
    """A pair list by people: `a` and `b` are numbers of people, equal in a genuine pair."""

    a: npt.NDArray[np.int64]
    b: npt.NDArray[np.int64]
    same: npt.NDArray[np.bool_]

    @property
    def people(self) -> int:
        return int(max(self.a.max(initial=-1), self.b.max(initial=-1)) + 1)

    def weights(self, draws: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
        """Blocks (draws, pairs) of pair weights; the same seed gives the same draws."""
        rng = np.random.default_rng(seed)
        block = max(1, CELLS // max(1, len(self.a)))
        chance = np.full(self.people, 1 / max(1, self.people))
        for start in range(0, draws, block):
            drawn = rng.multinomial(self.people, chance, size=min(block, draws - start))
            yield np.where(self.same, drawn[:, self.a], drawn[:, self.a] * drawn[:, self.b])


def people(frame: pd.DataFrame, identity: dict[str, str | None]) -> Pairs:
    """Numbers the people of a list with columns a, b (sample ids) and same.

    Faces without an identity are joined by the list's genuine pairs; else each is a person.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    samples = pd.unique(pd.concat([frame["a"], frame["b"]], ignore_index=True))
    index = pd.Index(samples)
    known = [identity.get(sample) for sample in samples]
    names = [
        f"of {sample}" if pd.isna(person) else f"is {person}"
        for sample, person in zip(samples, known, strict=True)
    ]
    code, _ = pd.factorize(np.asarray(names, object))
    a, b = code[index.get_indexer(pd.Index(frame["a"]))], code[index.get_indexer(pd.Index(frame["b"]))]
    same = frame["same"].to_numpy(bool)
    size = int(code.max(initial=-1) + 1)
    links = coo_matrix((np.ones(int(same.sum())), (a[same], b[same])), shape=(size, size))
    _, person = connected_components(links, directed=False)
    return Pairs(person[a].astype(np.int64), person[b].astype(np.int64), same)


def accuracy_draws(
    correct: Bool[np.ndarray, "models pairs"], pairs: Pairs, draws: int, seed: int
) -> Float[np.ndarray, "models draws"]:
    """Accuracy of each model in each draw, NaN where a draw has no genuine or no impostor pair."""
    share = pairs.same.mean()
    parts = []
    for weight in pairs.weights(draws, seed):
        total = np.zeros((len(correct), len(weight)))
        for kind, part in ((pairs.same, share), (~pairs.same, 1 - share)):
            if part > 0:
                chosen = weight[:, kind].astype(np.float64)
                with np.errstate(invalid="ignore", divide="ignore"):
                    total += part * (correct[:, kind] @ chosen.T) / chosen.sum(1)
        parts.append(total)
    return np.concatenate(parts, 1)


def tar_draws(
    scores: Float[np.ndarray, " pairs"], pairs: Pairs, fars: list[float], draws: int, seed: int
) -> Float[np.ndarray, "fars draws"]:
    """Largest TAR with FAR <= x in each draw, its threshold chosen anew."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    same = pairs.same[order]
    parts = []
    for weight in pairs.weights(draws, seed):
        weight = weight[:, order]
        genuine = np.cumsum(weight * same, 1)[:, ends]
        impostors = np.cumsum(weight * ~same, 1)[:, ends]
        block = np.full((len(fars), len(weight)), np.nan)
        usable = (genuine[:, -1] > 0) & (impostors[:, -1] > 0)
        for row, far in enumerate(fars):
            points = (impostors <= far * impostors[:, -1:] + 1e-9).sum(1)
            accepted = np.where(points > 0, genuine[np.arange(len(weight)), points - 1], 0)
            block[row, usable] = accepted[usable] / genuine[usable, -1]
        parts.append(block)
    return np.concatenate(parts, 1)


def interval(draws: Float[np.ndarray, " draws"], level: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval; None where too many draws were empty (a handful of people)."""
    usable = draws[np.isfinite(draws)]
    if len(usable) < (1 - EMPTY) * len(draws) or not len(usable):
        return None
    low, high = np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired(
    first: Bool[np.ndarray, " pairs"], second: Bool[np.ndarray, " pairs"], pairs: Pairs, draws: int, seed: int
) -> dict[str, Any]:
    """accuracy(second) - accuracy(first) on the same pairs: difference, interval, two-sided p.

    p is twice the smaller share of draws on either side of no difference, never below 2 / (draws + 1).
    """
    both = np.stack([np.asarray(first, bool), np.asarray(second, bool)])
    sampled = np.subtract(*accuracy_draws(both, pairs, draws, seed)[::-1])
    ends = interval(sampled)
    usable = sampled[np.isfinite(sampled)]
    side = min((usable <= 1e-12).sum(), (usable >= -1e-12).sum())
    return {
        "difference": float(both[1].mean() - both[0].mean()),
        "low": None if ends is None else ends[0],
        "high": None if ends is None else ends[1],
        "p": min(1.0, 2 * (int(side) + 1) / (len(usable) + 1)),
        "pairs": len(both[0]),
        "people": pairs.people,
    }


KEYS = ["benchmark", "protocol", "fold", "a", "b"]


def compare(
    first: pd.DataFrame, second: pd.DataFrame, draws: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """Second model against first, a row a benchmark and protocol, from two evaluations' score tables.

    The tables have KEYS, same, correct, person_a and person_b; pairs that only one scored are left out.
    """
    columns = [*KEYS, "correct"]
    table = first.merge(second[columns], on=KEYS, suffixes=("", "_second"), validate="one_to_one")
    rows = []
    for (benchmark, protocol), part in table.groupby(["benchmark", "protocol"], sort=True):
        codes, _ = pd.factorize(pd.concat([part["person_a"], part["person_b"]], ignore_index=True))
        half = len(part)
        pairs = Pairs(codes[:half], codes[half:], part["same"].to_numpy(bool))
        result = paired(
            part["correct"].to_numpy(bool), part["correct_second"].to_numpy(bool), pairs, draws, seed
        )
        left_out = len(first[(first["benchmark"] == benchmark) & (first["protocol"] == protocol)]) - half
        rows.append({"benchmark": benchmark, "protocol": protocol, **result, "left_out": int(left_out)})
    return rows
