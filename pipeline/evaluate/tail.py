"""The threshold at a stated false-match rate, from impostor scores.

    measured   t with share(impostors >= t) <= rate, where the impostors hold 10 false matches or more
    tail       t = u + sigma / xi ((rate n / k)^(-xi) - 1): a generalised Pareto law of the k scores above
               u, by probability-weighted moments (https://doi.org/10.1080/00401706.1987.10488243)
    normal     t = tanh(m + s z), m and s of arctanh(score): where there are too few scores for a tail
    bulk       the same, m = median and s by the 97.7 % quantile: where some of the pairs may be genuine

n impostors, rate = `rate`. Cosines end at 1, so xi is at most 0; a few wrong labels (one person under two
names) would else pull the law up to where nobody is found. `supported` says that rate n is 1 or more, else
the threshold is an extrapolation. In Gaussian worlds of 1,000 people, 100 of them held out, the tail's
threshold lets pass 1.2, 2.3 and 7 times the stated rate where that is 10 / n, 1 / n and 0.1 / n.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from pipeline.evaluate import streaming

MEASURED = 10  # false matches among the impostors from which the rate is read off directly
SHARE, FEWEST, MOST = 0.01, 50, 20_000  # of the impostors that make the tail
BINS = 400


@dataclass
class Scores(streaming.Scores):
    """Impostor scores as they stream by: a histogram, the highest, the moments of arctanh."""

    keep: int = 2 * MOST
    bins: int = BINS
    dtype: npt.DTypeLike = np.float64
    total: float = 0.0
    squares: float = 0.0

    def add(self, scores: Float[np.ndarray, " n"]) -> None:
        super().add(scores)
        bent = np.arctanh(np.clip(np.asarray(scores, np.float64), -0.999999, 0.999999))
        self.total += float(bent.sum())
        self.squares += float((bent**2).sum())

    @property
    def top(self) -> npt.NDArray[np.float64]:
        """The highest, ascending."""
        return self.highest.values


def histogram(scores: Float[np.ndarray, " n"]) -> npt.NDArray[np.int64]:
    """Counts in BINS equal bins of -1..1."""
    return streaming.histogram(np.asarray(scores, np.float64), BINS)


@dataclass(frozen=True)
class Threshold:
    """Scores of `value` or more are matches."""

    value: float
    rate: float
    impostors: int
    method: str  # measured, tail, normal, bulk
    shape: float | None = None  # xi of the tail
    highest: float | None = None  # of the impostors

    @property
    def supported(self) -> bool:
        return self.method != "bulk" and self.rate * self.impostors >= 1 - 1e-9

    def about(self) -> dict[str, Any]:
        answer = {name: getattr(self, name) for name in ("value", "rate", "impostors", "method")}
        return {**answer, "shape": self.shape, "highest": self.highest, "supported": self.supported}


def threshold(scores: Scores, rate: float) -> Threshold:
    """The lowest score that impostors reach at most at `rate`, measured or by the law of their tail."""
    if not 0 < rate < 1:
        raise ValueError(f"false-match rate {rate}: a share between 0 and 1")
    if scores.count < 2:
        raise ValueError(f"{scores.count} impostor scores: a threshold needs two or more")
    expected = rate * scores.count
    highest = float(scores.top[-1])
    allowed = int(np.floor(expected + 1e-9))
    if expected >= MEASURED and allowed < len(scores.top):
        upper, lower = scores.top[-allowed], scores.top[-allowed - 1]
        value = float(upper / 2 + lower / 2) if upper > lower else float(np.nextafter(upper, 2))
        return Threshold(value, rate, scores.count, "measured", None, highest)
    k = min(int(SHARE * scores.count), MOST)
    if k < max(FEWEST, 2 * expected):
        return Threshold(_normal(scores, rate), rate, scores.count, "normal", None, highest)
    start, excesses = scores.top[-k - 1], scores.top[-k:] - scores.top[-k - 1]
    shape, scale = pareto(excesses)
    chance = expected / k
    step = -np.log(chance) if shape == 0 else (chance**-shape - 1) / shape
    return Threshold(float(start + scale * step), rate, scores.count, "tail", shape, highest)


def pareto(excesses: Float[np.ndarray, " k"]) -> tuple[float, float]:
    """(shape xi in -0.5..0, scale sigma) of ascending excesses, by probability-weighted moments."""
    k = len(excesses)
    mean = float(excesses.mean())
    if mean <= 0:
        return 0.0, 0.0  # all equal: nothing lies above
    weighted = float((excesses * (k - np.arange(1, k + 1)) / (k - 1)).mean())
    shape = float(np.clip(2 - mean / (mean - 2 * weighted), -0.5, 0.0)) if mean > 2 * weighted else 0.0
    return shape, mean * (1 - shape)


def _normal(scores: Scores, rate: float) -> float:
    mean = scores.total / scores.count
    spread = np.sqrt(max(scores.squares / scores.count - mean**2, 0.0))
    return float(np.tanh(mean + spread * NormalDist().inv_cdf(1 - rate)))


def bulk(scores: Scores, rate: float) -> Threshold:
    """The threshold of scores that are impostors' but for a few."""
    if scores.count < 2:
        raise ValueError(f"{scores.count} scores: a threshold needs two or more")
    edges = np.linspace(-1, 1, BINS + 1)
    share = np.append(0, np.cumsum(scores.histogram)) / scores.count
    middle, upper = np.arctanh(
        np.clip(np.interp([0.5, NormalDist().cdf(2)], share, edges), -0.999999, 0.999999)
    )
    value = float(np.tanh(middle + (upper - middle) / 2 * NormalDist().inv_cdf(1 - rate)))
    return Threshold(value, rate, scores.count, "bulk", None, float(scores.top[-1]))
