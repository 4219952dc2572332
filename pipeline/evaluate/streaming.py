"""ROC of score sets that do not fit in memory: bins of all scores, and the highest ones exactly.

    #{s > v}       exact for v at or above the lowest score kept, else between two bins' counts
    TAR at FAR x   genuine scores above v, the (floor(x N) + 1)-th highest of N impostors: exact where that
                   many are kept, else a lower and an upper bound, of scores at v's bin's ends

Memory: BINS counts and at most twice `keep` scores of each kind, however many pass. States of parts are
merged. Bins are equal parts of -1..1 (a power of two of them, so that float32 scores fall on exact sides);
cosines that rounding puts outside fall into the outermost. With 0 bins nothing is known below what is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from pipeline.evaluate import curves

BINS = 8192
KEEP = 2**20
CHUNK = 16_384  # scores that stay in the cache while they are binned and compared


class Highest:
    """The `keep` highest of the scores that pass: every one above `floor` is held."""

    def __init__(self, keep: int, dtype: npt.DTypeLike = np.float32) -> None:
        if keep < 1:
            raise ValueError(f"keep {keep}: at least one score")
        self.keep, self.floor = keep, -np.inf
        self._parts: list[npt.NDArray[Any]] = [np.zeros(0, dtype)]
        self._held = 0

    def add(self, scores: Float[np.ndarray, " n"]) -> None:
        if np.isfinite(self.floor):
            scores = scores[scores > self.floor]
        if len(scores):
            self._parts.append(np.array(scores))
            self._held += len(scores)
        if self._held > 2 * self.keep:
            self._shrink()

    def _shrink(self) -> None:
        joined = np.concatenate(self._parts)
        if len(joined) > self.keep:
            joined = np.partition(joined, len(joined) - self.keep)[-self.keep :].copy()
            self.floor = float(joined.min())
        self._parts, self._held = [joined], len(joined)

    def merge(self, other: Highest) -> None:
        """Adds what another one kept; what it let go of lies at or below its floor."""
        self._shrink()
        floor = max(self.floor, other.floor)
        self.add(other.values)
        self._shrink()
        self.floor = max(self.floor, floor)

    @property
    def values(self) -> npt.NDArray[Any]:
        """Ascending."""
        self._shrink()
        self._parts[0].sort()
        return self._parts[0]


class HighestRows:
    """The `keep` highest scores of rows with columns, as blocks of them pass, and the row of each."""

    def __init__(self, keep: int) -> None:
        if keep < 1:
            raise ValueError(f"keep {keep}: at least one score")
        self.keep, self.floor = keep, -np.inf
        self._parts = [(np.zeros(0, np.float32), np.zeros(0, np.int32))]
        self._held = 0

    def add(self, scores: Float[np.ndarray, "rows columns"], first: int = 0) -> None:
        """A block that begins with row `first`; -infinity is no score."""
        chosen = np.flatnonzero(scores > self.floor)
        if len(chosen):
            rows = (chosen // scores.shape[1] + first).astype(np.int32)
            self._parts.append((scores.reshape(-1)[chosen].astype(np.float32, copy=False), rows))
            self._held += len(chosen)
        if self._held > 2 * self.keep:
            self._shrink()

    def _shrink(self) -> None:
        scores, rows = (np.concatenate(each) for each in zip(*self._parts, strict=True))
        if len(scores) > self.keep:
            best = np.argpartition(scores, len(scores) - self.keep)[-self.keep :]
            scores, rows = scores[best], rows[best]
            self.floor = float(scores.min())
        self._parts, self._held = [(scores, rows)], len(scores)

    @property
    def found(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
        """(scores, rows), in no order."""
        self._shrink()
        return self._parts[0]


@dataclass
class Scores:
    """Scores of one kind as they stream by."""

    keep: int = KEEP
    bins: int = BINS
    count: int = 0
    dtype: npt.DTypeLike = np.float32
    histogram: npt.NDArray[np.int64] = field(init=False)
    highest: Highest = field(init=False)

    def __post_init__(self) -> None:
        self.histogram = np.zeros(self.bins, np.int64)
        self.highest = Highest(self.keep, self.dtype)

    def add(self, scores: Float[np.ndarray, "..."]) -> None:
        flat = np.asarray(scores, self.dtype).reshape(-1)
        for start in range(0, len(flat), CHUNK):
            part = flat[start : start + CHUNK]
            if self.bins:
                self.histogram += histogram(part, self.bins)
            self.highest.add(part)
        self.count += len(flat)

    def merge(self, other: Scores) -> None:
        if (self.bins, self.keep) != (other.bins, other.keep):
            raise ValueError(f"{other.bins} bins, {other.keep} kept: not {self.bins} and {self.keep}")
        self.count += other.count
        self.histogram += other.histogram
        self.highest.merge(other.highest)

    def above(self, value: float) -> tuple[int, int]:
        """(fewest, most) scores above `value`."""
        if value == -np.inf:
            return self.count, self.count
        kept = self.highest.values
        exact = len(kept) - int(np.searchsorted(kept, value, "right"))
        if value >= self.highest.floor:
            return exact, exact
        if not self.bins:
            return exact, self.count
        place = int(places(np.asarray([value], self.dtype), self.bins)[0])
        most = int(self.histogram[place:].sum())
        return max(exact, most - int(self.histogram[place])), most

    def next_above(self, value: float) -> float:
        """The lowest score above `value`; infinity: there is none, or it lies below what is kept."""
        if value < self.highest.floor:
            return np.inf if np.isfinite(value) else value
        kept = self.highest.values
        place = int(np.searchsorted(kept, value, "right"))
        return float(kept[place]) if place < len(kept) else np.inf

    def counted(self, value: float) -> tuple[int, float]:
        """(scores, threshold): the most scores above `value` whose number is known, and where they begin."""
        kept = self.highest.values
        held = len(kept) - int(np.searchsorted(kept, self.highest.floor, "right"))
        if self.bins:
            place = int(places(np.asarray([value], self.dtype), self.bins)[0])
            binned = int(self.histogram[place + 1 :].sum())
            if binned >= held:
                return binned, edge(place + 1, self.bins)
        return held, self.next_above(self.highest.floor)

    def nth(self, n: int) -> tuple[float, float, int]:
        """(lower, upper, bin) around the n-th highest, n from 1; lower = upper where it is kept (bin -1)."""
        kept = self.highest.values
        if n <= len(kept):
            return float(kept[-n]), float(kept[-n]), -1
        if not self.bins:
            return -np.inf, np.inf, 0
        reached = np.cumsum(self.histogram[::-1])
        place = self.bins - 1 - int(np.searchsorted(reached, n))
        return edge(place, self.bins), edge(place + 1, self.bins), place


def edge(place: int, bins: int) -> float:
    """Lower end of a bin; the outermost ones have no end."""
    return -np.inf if place <= 0 else np.inf if place >= bins else place * 2 / bins - 1


def places(scores: Float[np.ndarray, " n"], bins: int) -> npt.NDArray[np.int64]:
    """Bin of each score."""
    scaled = scores * scores.dtype.type(bins / 2)
    np.floor(scaled, out=scaled)
    found = scaled.astype(np.int64)
    found += bins // 2
    return np.clip(found, 0, bins - 1, out=found)


def histogram(scores: Float[np.ndarray, " n"], bins: int = BINS) -> npt.NDArray[np.int64]:
    """Counts in `bins` equal bins of -1..1."""
    return np.bincount(places(scores, bins), minlength=bins)


class StreamingRoc:
    """Genuine and impostor scores as they stream by, in any order and parts."""

    def __init__(self, keep: int = KEEP, bins: int = BINS) -> None:
        if bins == 1 or bins & (bins - 1):
            raise ValueError(f"{bins} bins: a power of two, so that scores fall on exact sides")
        self.genuine, self.impostors = Scores(keep, bins), Scores(keep, bins)

    def add(self, scores: Float[np.ndarray, " n"], same: Bool[np.ndarray, " n"]) -> None:
        self.genuine.add(scores[same])
        self.impostors.add(scores[~same])

    def merge(self, other: StreamingRoc) -> None:
        self.genuine.merge(other.genuine)
        self.impostors.merge(other.impostors)

    def tar_at_far(self, far: float) -> dict[str, Any]:
        """As `curves.tar_at_far`, with `tar_high`: equal to `tar` where it is exact, else an upper bound.

        A bounded `tar` is that of the stated threshold, whose FAR is at most `far`.
        """
        total = self.genuine.count
        if not total or not self.impostors.count:
            raise ValueError(
                f"{total} genuine and {self.impostors.count} impostor pairs: a curve needs both kinds"
            )
        allowed, answer = curves.support(far, self.impostors.count)
        if allowed is None:
            return {**answer, "tar_high": None, "exact": False}
        lower, upper, place = -np.inf, -np.inf, -1
        if allowed < self.impostors.count:
            lower, upper, place = self.impostors.nth(allowed + 1)
        if place < 0:
            fewest, most, threshold = self._above(lower)
            kept = self.impostors.highest.values
            accepted = len(kept) - int(np.searchsorted(kept, threshold)) if np.isfinite(lower) else allowed
        else:  # accept what is above the bin
            fewest, most = int(self.genuine.histogram[place + 1 :].sum()), self.genuine.above(lower)[1]
            threshold, accepted = upper, int(self.impostors.histogram[place + 1 :].sum())
        told = {"tar": fewest / total, "tar_high": most / total, "exact": fewest == most}
        return {**answer, **told, "threshold": threshold, "false_accepts": accepted}

    def _above(self, lower: float) -> tuple[int, int, float]:
        """(fewest, most) genuine scores above an impostor score that is kept; a threshold with the fewest."""
        fewest, most = self.genuine.above(lower)
        if lower == -np.inf or lower >= self.genuine.highest.floor:
            return fewest, most, min(self.genuine.next_above(lower), self.impostors.next_above(lower))
        if fewest == most:
            ends = np.asarray([lower, np.inf], self.genuine.dtype)
            return fewest, most, float(np.nextafter(ends[0], ends[1]))
        fewest, threshold = self.genuine.counted(lower)
        return fewest, most, threshold

    def curve(self) -> curves.Roc:
        """The curve at the ends of the bins, for pictures and for `curves.eer`."""
        genuine, impostors = (
            np.append(0, np.cumsum(kind.histogram[::-1])) for kind in (self.genuine, self.impostors)
        )
        threshold = np.linspace(1, -1, self.genuine.bins + 1)
        return curves.Roc(threshold, genuine, impostors, self.genuine.count, self.impostors.count)

    def auc(self) -> tuple[float, float]:
        """(area, largest error): within a bin a genuine and an impostor score count as tied."""
        shared = float((self.genuine.histogram / self.genuine.count) @ self.impostors.histogram)
        return curves.auc(self.curve()), shared / self.impostors.count / 2
