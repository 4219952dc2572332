"""ROC and DET of scores, exact: every distinct score is a threshold, ties are one step.

    TAR(t) = share of genuine scores >= t         FAR(t) = share of impostor scores >= t
    TAR at FAR x = the largest TAR(t) with FAR(t) <= x  (at_most), or TAR at the FAR that is nearest to x
    EER = FAR where FAR = 1 - TAR (linear in between)   DET: 1 - TAR over FAR, in normal deviates

TAR at FAR x (https://doi.org/10.1109/CVPR.2015.7298803 and later benchmarks) is refused where x times the
impostors is below 1 and flagged where it is below 10. `nearest` is what many released scripts print: it may
lie beyond x. Higher scores are more alike.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

Choice = Literal["at_most", "nearest"]
CHOICES: tuple[Choice, ...] = ("at_most", "nearest")
POINTS = 1_000_000  # of a curve looked at at a time
FLAGGED, REFUSED = 10, 1  # expected false accepts below which a TAR is flagged, refused


@dataclass(frozen=True)
class Roc:
    """The whole curve: point k accepts scores >= threshold[k]; point 0 accepts nothing."""

    threshold: npt.NDArray[np.floating[Any]]  # descending; the first lies just above every score
    genuine_accepted: npt.NDArray[np.integer[Any]]
    impostors_accepted: npt.NDArray[np.integer[Any]]
    genuine: int
    impostors: int

    @property
    def tar(self) -> npt.NDArray[np.float64]:
        return self.genuine_accepted / self.genuine

    @property
    def far(self) -> npt.NDArray[np.float64]:
        return self.impostors_accepted / self.impostors

    def corners(self) -> Roc:
        """The curve without points on a straight line between their neighbours."""
        bent = np.zeros(len(self.threshold) - 2, bool)
        for accepted in (self.genuine_accepted, self.impostors_accepted):
            step = np.diff(accepted)
            bent |= step[1:] != step[:-1]
        keep = np.concatenate([[True], bent, [True]])
        kept = (self.threshold[keep], self.genuine_accepted[keep], self.impostors_accepted[keep])
        return Roc(*kept, self.genuine, self.impostors)


def roc(scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"]) -> Roc:
    """The curve of all pairs."""
    scores, same = checked(scores, same)
    return steps(scores[same], scores[~same])


def checked(
    scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"]
) -> tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.bool_]]:
    """Finite floats and booleans of one length, with both kinds of pair; else an error."""
    scores, same = np.asarray(scores), np.asarray(same, bool)
    scores = scores if scores.dtype == np.float32 else scores.astype(np.float64)
    if scores.shape != same.shape or scores.ndim != 1:
        raise ValueError(f"{scores.shape} scores for {same.shape} labels: one of each a pair")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are not finite numbers")
    genuine = int(same.sum())
    if not genuine or genuine == len(same):
        raise ValueError(
            f"{genuine} genuine and {len(same) - genuine} impostor pairs: a curve needs both kinds"
        )
    return scores, same


def steps(genuine: Float[np.ndarray, " g"], impostors: Float[np.ndarray, " i"], never: int = 0) -> Roc:
    """The curve of two sets of scores, each sorted once; `never`: genuine ones that no threshold accepts."""
    genuine, impostors = np.sort(genuine), np.sort(impostors)
    merged = np.concatenate([genuine, impostors])
    merged.sort(kind="stable")  # two sorted runs: one merge
    threshold = merged[np.append(merged[:-1] != merged[1:], True)][::-1]
    del merged
    accepted = [_accepted(ordered, threshold) for ordered in (genuine, impostors)]
    above = np.nextafter(threshold[:1], np.inf, dtype=threshold.dtype)
    return Roc(np.append(above, threshold), accepted[0], accepted[1], len(genuine) + never, len(impostors))


def _accepted(ordered: npt.NDArray[Any], threshold: npt.NDArray[Any]) -> npt.NDArray[np.integer[Any]]:
    """0, then how many of the rising scores are at or above each of the falling thresholds."""
    kind: type[np.integer[Any]] = np.int32 if len(ordered) < 2**31 else np.int64
    counts: npt.NDArray[np.integer[Any]] = np.zeros(len(threshold) + 1, kind)
    for start in range(0, len(threshold), POINTS):
        falling = threshold[start : start + POINTS]
        below = np.searchsorted(ordered, falling[::-1])[::-1]
        counts[1 + start : 1 + start + len(falling)] = len(ordered) - below
    return counts


def support(far: float, impostors: int) -> tuple[int | None, dict[str, Any]]:
    """(false accepts that FAR x allows, or None where they are below 1; what is to be said of it)."""
    if not 0 < far <= 1:
        raise ValueError(f"FAR {far}: a share above 0, at most 1")
    expected = far * impostors
    answer: dict[str, Any] = {"far": far, "impostors": impostors, "supported": expected >= FLAGGED}
    few = f"FAR {far:g} of {impostors} impostor pairs is {expected:.3g} false accepts"
    if expected < REFUSED - 1e-9:
        return None, {**answer, "tar": None, "threshold": None, "note": f"{few}, below 1: not measurable"}
    note = None if expected >= FLAGGED else f"{few}, below {FLAGGED}: a rough value"
    return int(np.floor(expected + 1e-9)), {**answer, "note": note}


def tar_at_far(curve: Roc, far: float, choice: Choice = "at_most") -> dict[str, Any]:
    """The largest TAR with FAR <= far, or at the nearest FAR; `tar` is None where the impostors can't tell.

    Of two FARs that are equally near the larger counts, of several points of one FAR the highest.
    """
    if choice not in CHOICES:
        raise ValueError(f"TAR at FAR by {choice!r}: one of {', '.join(CHOICES)}")
    allowed, answer = support(far, curve.impostors)
    if allowed is None:
        return answer
    accepted = curve.impostors_accepted
    point = int(np.searchsorted(accepted, accepted.dtype.type(allowed), side="right")) - 1
    if choice == "nearest" and point + 1 < len(accepted):
        after = int(np.searchsorted(accepted, accepted[point + 1], side="right")) - 1
        rate = accepted[[point, after]] / curve.impostors
        point = after if rate[1] - far <= far - rate[0] else point
    tar = int(curve.genuine_accepted[point]) / curve.genuine
    threshold = float(curve.threshold[point])
    return {**answer, "tar": tar, "threshold": threshold, "false_accepts": int(accepted[point])}


def auc(curve: Roc) -> float:
    """Area under the curve: the chance that a genuine pair outscores an impostor one, ties half."""
    area = 0.0
    for start in range(0, len(curve.threshold) - 1, POINTS):
        part = slice(start, start + POINTS + 1)
        genuine, impostors = (
            accepted[part].astype(np.float64)
            for accepted in (curve.genuine_accepted, curve.impostors_accepted)
        )
        area += float(np.trapezoid(genuine, impostors))
    last = curve.impostors - float(curve.impostors_accepted[-1])  # to (1, 1), where some are never accepted
    area += last * (float(curve.genuine_accepted[-1]) + curve.genuine) / 2
    return float(area / curve.genuine / curve.impostors)


def eer(curve: Roc) -> float:
    """Equal error rate, linear between the two points of the curve around it."""

    def rates(point: int) -> tuple[float, float]:
        """(FAR, FAR - FRR), of which the second rises from -1 to 1."""
        far = int(curve.impostors_accepted[point]) / curve.impostors
        return far, far - (1 - int(curve.genuine_accepted[point]) / curve.genuine)

    after = bisect.bisect_left(range(len(curve.threshold)), True, key=lambda point: rates(point)[1] >= 0)
    (far, gap), (next_far, next_gap) = rates(after - 1), rates(after)
    return far + gap / (gap - next_gap) * (next_far - far)


def deviates(rates: Float[np.ndarray, "*any"]) -> Float[np.ndarray, "*any"]:
    """Where a standard normal law has these shares below it."""
    from scipy.special import ndtri

    return np.asarray(ndtri(rates))


def det(far: Float[np.ndarray, " points"], frr: Float[np.ndarray, " points"]) -> Float[np.ndarray, "kept 2"]:
    """(FAR, FRR = 1 - TAR) in normal deviates; points at 0 or 1 have none and are left out.

    Two normal laws of one spread make a straight line of it (https://doi.org/10.21437/Eurospeech.1997-504).
    """
    rates = np.stack([far, frr], 1)
    return deviates(rates[((rates > 0) & (rates < 1)).all(1)])
