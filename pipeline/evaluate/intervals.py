"""Intervals and paired tests of pair lists by the vertex bootstrap: people are drawn, not pairs.

    w ~ Multinomial(n, 1/n) over the n people of a list, once a draw
    weight of a pair of different people i, j = w_i w_j;  of two faces of one person i = w_i

Pairs that share a person are not independent, so a bootstrap over pairs gives intervals that are too
short (https://arxiv.org/abs/2306.01198). The share of genuine pairs stays as in the list. An interval
is between percentiles of the draws; a paired difference uses the same draws for both models.

Above LARGE pairs: rates at a fixed threshold stay exact (w' E w, E the errors between two people added up).
TAR at FAR x looks at the 4 x N + 1000 highest of N impostors alone, and at evenly spaced ranks of these where
they are more than LARGE, each with the weight of those it stands for, which widens an interval a little; a
draw whose threshold lies below them is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Bool, Float

from pipeline.evaluate import curves

CELLS = 4_000_000  # draws x pairs held in memory at a time
LARGE = 1_000_000  # pairs up to which every pair is weighted by itself
DENSE = 4096  # people up to whom E is a dense matrix
EMPTY = 0.05  # share of draws without genuine or impostor pairs beyond which there is no interval


@dataclass(frozen=True)
class Pairs:
    """A pair list by people: `a` and `b` are numbers of people, equal in a genuine pair."""

    a: npt.NDArray[np.integer[Any]]
    b: npt.NDArray[np.integer[Any]]
    same: npt.NDArray[np.bool_]
    among: int = 0  # people to draw from, where they are more than those of the list

    @property
    def people(self) -> int:
        return max(self.among, int(max(self.a.max(initial=-1), self.b.max(initial=-1)) + 1))

    def drawn(self, draws: int, seed: int, block: int) -> Iterator[npt.NDArray[np.int64]]:
        """Blocks (draws, people) of how often each person is drawn; the same seed gives the same draws."""
        return drawn(self.people, draws, seed, block)

    def weight(
        self, drawn: npt.NDArray[np.int64], rows: npt.NDArray[Any] | slice = slice(None)
    ) -> npt.NDArray[np.int64]:
        """(draws, pairs) weights of some rows."""
        first = drawn[:, self.a[rows]]
        return np.where(self.same[rows], first, first * drawn[:, self.b[rows]])

    def weights(self, draws: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
        """Blocks (draws, pairs) of pair weights."""
        for drawn in self.drawn(draws, seed, block_of(len(self.a))):
            yield self.weight(drawn)


def drawn(people: int, draws: int, seed: int, block: int) -> Iterator[npt.NDArray[np.int64]]:
    """Blocks (draws, people) of how often each of so many people is drawn."""
    rng = np.random.default_rng(seed)
    chance = np.full(people, 1 / max(1, people))
    for start in range(0, draws, block):
        yield rng.multinomial(people, chance, size=min(block, draws - start))


def block_of(cells: int) -> int:
    """Draws at a time, of so many numbers each."""
    return max(1, CELLS // max(1, cells))


def highest(far: float, impostors: int) -> int:
    """How many of the impostors, highest first, are looked at for a FAR: enough for nearly every draw."""
    return min(impostors, int(4 * far * impostors) + 1000)


def reached(
    genuine: Float[np.ndarray, " g"],
    genuine_weight: npt.NDArray[Any],
    impostors: Float[np.ndarray, " i"],
    before: npt.NDArray[Any],
    allowed: Float[np.ndarray, " draws"],
    whole: bool,
) -> Float[np.ndarray, " draws"]:
    """Weight of the genuine scores that pass where at most `allowed` of the impostors' weight does.

    Both by falling score; `before` is the impostors' weight summed up, (draws, i). NaN where the threshold
    lies below the impostors given, unless these are all (`whole`).
    """
    points = (before <= allowed[:, None]).sum(1)
    beyond = np.append(-impostors, np.inf if whole else np.nan)[points]  # minus the first one refused
    accepted = np.searchsorted(-genuine, beyond, "left")
    total = np.insert(np.cumsum(genuine_weight, 1), 0, 0, 1)
    found = np.take_along_axis(total, accepted[:, None], 1)[:, 0].astype(np.float64)
    found[np.isnan(beyond)] = np.nan
    return found


def people(frame: pd.DataFrame, identity: dict[str, str | None]) -> Pairs:
    """Numbers the people of a list with columns a, b (sample ids) and same.

    Faces without an identity are joined by the list's genuine pairs; else each is a person.
    """
    samples = pd.unique(pd.concat([frame["a"], frame["b"]], ignore_index=True))
    index = pd.Index(samples)
    known = [identity.get(sample) for sample in samples]
    a, b = (index.get_indexer(pd.Index(frame[side])) for side in ("a", "b"))
    return joined(samples, known, a, b, frame["same"].to_numpy(bool))


def joined(
    samples: Iterable[Any],
    known: Iterable[Any],
    a: npt.NDArray[np.integer[Any]],
    b: npt.NDArray[np.integer[Any]],
    same: npt.NDArray[np.bool_],
) -> Pairs:
    """The same of pairs of samples a and b, by number; samples without a pair are nobody."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    each = zip(samples, known, strict=True)
    names = [f"of {sample}" if pd.isna(person) else f"is {person}" for sample, person in each]
    code, _ = pd.factorize(np.asarray(names, object))
    size = int(code.max(initial=-1) + 1)
    links = coo_matrix((np.ones(int(same.sum())), (code[a[same]], code[b[same]])), shape=(size, size))
    _, person = connected_components(links, directed=False)
    met = np.zeros(len(code), bool)
    met[a], met[b] = True, True
    number = np.full(len(person), -1, np.int32)
    here = np.unique(person[code[met]])
    number[here] = np.arange(len(here), dtype=np.int32)
    of_sample = number[person[code]]
    return Pairs(of_sample[a], of_sample[b], same)


def sums(
    marks: Bool[np.ndarray, "kinds pairs"], pairs: Pairs, draws: int, seed: int
) -> Float[np.ndarray, "kinds draws"]:
    """Weight of the marked pairs in each draw, for several marks."""
    if len(pairs.a) > LARGE:
        return _sums_by_people(marks, pairs, draws, seed)
    values = np.asarray(marks, np.float64)
    return np.concatenate([values @ weight.T for weight in pairs.weights(draws, seed)], 1)


def _sums_by_people(
    marks: Bool[np.ndarray, "kinds pairs"], pairs: Pairs, draws: int, seed: int
) -> Float[np.ndarray, "kinds draws"]:
    """The same from marked pairs counted by person and by two people: no pair is weighted by itself."""
    from scipy.sparse import coo_matrix

    size = pairs.people
    own = [np.bincount(pairs.a[mark & pairs.same], minlength=size) for mark in marks]
    between = []
    for mark in marks:
        a, b = pairs.a[mark & ~pairs.same], pairs.b[mark & ~pairs.same]
        counts = coo_matrix((np.ones(len(a), np.float32), (a, b)), shape=(size, size)).tocsr()
        between.append(counts.toarray() if size <= DENSE else counts)
    parts = []
    for drawn in pairs.drawn(draws, seed, block_of(size)):
        weight = drawn.astype(np.float32)
        parts.append(
            [
                drawn @ alone + ((many.T @ weight.T).T * drawn).sum(1)
                for alone, many in zip(own, between, strict=True)
            ]
        )
    return np.concatenate([np.asarray(part, np.float64) for part in parts], 1)


def share_draws(
    hit: Bool[np.ndarray, "rates pairs"],
    within: Bool[np.ndarray, "rates pairs"],
    pairs: Pairs,
    draws: int,
    seed: int,
) -> Float[np.ndarray, "rates draws"]:
    """Share of hits within some pairs in each draw, for several rates; NaN where a draw has no such pair."""
    both = sums(np.concatenate([hit & within, within]), pairs, draws, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(both[: len(hit)] / both[len(hit) :])


def accuracy_draws(
    correct: Bool[np.ndarray, "models pairs"], pairs: Pairs, draws: int, seed: int
) -> Float[np.ndarray, "models draws"]:
    """Accuracy of each model in each draw, NaN where a draw has no genuine or no impostor pair."""
    total = np.zeros((len(correct), draws))
    for kind in (pairs.same, ~pairs.same):
        if kind.any():
            within = np.broadcast_to(kind, correct.shape)
            total += kind.mean() * share_draws(correct, within, pairs, draws, seed)
    return total


def tar_draws(
    scores: Float[np.ndarray, " pairs"], pairs: Pairs, fars: Sequence[float], draws: int, seed: int
) -> Float[np.ndarray, "fars draws"]:
    """Largest TAR with FAR <= x in each draw, its threshold chosen anew."""
    genuine = np.flatnonzero(pairs.same)
    genuine = genuine[np.argsort(-scores[genuine], kind="stable")]
    impostors = sums((~pairs.same)[None], pairs, draws, seed)[0]
    answer = np.full((len(fars), draws), np.nan)
    for row, far in enumerate(fars):
        highest, each, whole = _highest_impostors(scores, pairs.same, far)
        start = 0
        for weights in pairs.drawn(draws, seed, block_of(len(highest) + len(genuine))):
            here = slice(start, start + len(weights))
            start += len(weights)
            mine = weights[:, pairs.a[genuine]]
            before = np.cumsum(each * pairs.weight(weights, highest), 1)
            passed = reached(
                scores[genuine], mine, scores[highest], before, far * impostors[here] + 1e-9, whole
            )
            total = mine.sum(1)
            usable = (total > 0) & (impostors[here] > 0) & ~np.isnan(passed)
            answer[row, here][usable] = passed[usable] / total[usable]
    return answer


def _highest_impostors(
    scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"], far: float
) -> tuple[npt.NDArray[np.int64], int, bool]:
    """(rows by falling score, how many each stands for, whether these are all impostors)."""
    impostors = np.flatnonzero(~same)
    region = len(impostors)
    if len(same) > LARGE:
        region = highest(far, region)
    if region < len(impostors):
        impostors = impostors[np.argpartition(-scores[impostors], region)[:region]]
    ordered = impostors[np.argsort(-scores[impostors], kind="stable")]
    step = -(-region // LARGE)
    return ordered[step // 2 :: step], step, region == int((~same).sum())


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
    return {**tested(float(both[1].mean() - both[0].mean()), sampled), **_size(pairs)}


def paired_tar(
    first: Float[np.ndarray, " pairs"],
    second: Float[np.ndarray, " pairs"],
    pairs: Pairs,
    fars: Sequence[float],
    draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """TAR(second) - TAR(first) at each FAR on the same pairs, from both models' scores; as `paired`.

    A FAR that the impostors can't tell has difference, interval and p None.
    """
    sampled = [tar_draws(scores, pairs, fars, draws, seed) for scores in (first, second)]
    found = [curves.roc(scores, pairs.same) for scores in (first, second)]
    rows = []
    for row, far in enumerate(fars):
        mine, other = (curves.tar_at_far(curve, far) for curve in found)
        answer: dict[str, Any] = dict.fromkeys(("difference", "low", "high", "p"))
        if mine["tar"] is not None:
            answer = tested(other["tar"] - mine["tar"], sampled[1][row] - sampled[0][row])
        told = {"far": far, "supported": mine["supported"], "note": mine["note"]}
        rows.append({**told, **answer, **_size(pairs)})
    return rows


def tested(difference: float, sampled: Float[np.ndarray, " draws"]) -> dict[str, Any]:
    """The difference with the interval and two-sided p of its draws."""
    low, high = interval(sampled) or (None, None)
    usable = sampled[np.isfinite(sampled)]
    side = min((usable <= 1e-12).sum(), (usable >= -1e-12).sum())
    p = min(1.0, 2 * (int(side) + 1) / (len(usable) + 1))
    return {"difference": difference, "low": low, "high": high, "p": p}


def _size(pairs: Pairs) -> dict[str, int]:
    return {"pairs": len(pairs.a), "people": pairs.people}
