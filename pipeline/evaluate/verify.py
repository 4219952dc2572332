"""Verification metrics of pair scores, exact: every distinct score is a threshold, ties are one step.

    TAR(t) = share of genuine pairs with score >= t      FAR(t) = share of impostor pairs with score >= t
    TAR at FAR x = the largest TAR(t) with FAR(t) <= x   EER = FAR where FAR = 1 - TAR (linear in between)
    accuracy of a fold = share of its pairs decided rightly by the best threshold of the other folds

TAR at FAR x (https://doi.org/10.1109/CVPR.2015.7298803 and later benchmarks) is refused where x times
the impostor pairs is below 1 and flagged where it is below 10. Scores are cosines, higher is more alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int

from pipeline.evaluate.embed import embed
from pipeline.loader import Faces
from pipeline.model import Recogniser
from pipeline.runtime import Runtime

Flip = Literal["concat", "sum", "none"]
FLIPS: tuple[Flip, ...] = ("concat", "sum", "none")
FLAGGED, REFUSED = 10, 1  # expected false accepts below which a TAR is flagged, refused


class BadEmbeddingError(ValueError):
    """An embedding that has no direction: NaN, infinite, or all zero."""


def normalise(
    embeddings: Float[np.ndarray, "n d"], ids: Sequence[str] | None = None
) -> Float[np.ndarray, "n d"]:
    """Rows at unit length; NaN, infinity or a zero row is an error that names the sample."""
    values = np.asarray(embeddings, np.float32)
    norm = np.linalg.norm(values.astype(np.float64), axis=1)
    bad = np.flatnonzero(~np.isfinite(norm) | (norm == 0))
    if len(bad):
        row = int(bad[0])
        what = "zero" if norm[row] == 0 else "not finite"
        name = repr(ids[row]) if ids is not None else f"row {row}"
        raise BadEmbeddingError(
            f"the embedding of sample {name} is {what} ({len(bad)} of {len(values)} are unusable):"
            " the model or the image is broken"
        )
    return np.asarray(values / norm[:, None], np.float32)


def fuse(
    embeddings: Float[np.ndarray, "n 2 d"], flip: Flip, ids: Sequence[str] | None = None
) -> Float[np.ndarray, "n e"]:
    """One unit vector a face of its plain and mirrored embedding.

    concat: both one after the other (e = 2 d), sum: their sum, none: the plain one; then normalised.
    """
    if flip not in FLIPS:
        raise ValueError(f"flip {flip!r}: one of {', '.join(FLIPS)}")
    plain, mirrored = embeddings[:, 0], embeddings[:, 1]
    joined = {"concat": np.concatenate([plain, mirrored], 1), "sum": plain + mirrored, "none": plain}[flip]
    return normalise(joined, ids)


def cosine(
    unit: Float[np.ndarray, "n d"], a: Int[np.ndarray, " pairs"], b: Int[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Cosine of rows a and b of unit vectors; a block of pairs in memory at a time."""
    block = 65_536
    parts = [
        np.einsum("nd,nd->n", unit[a[i : i + block]], unit[b[i : i + block]], dtype=np.float64)
        for i in range(0, len(a), block)
    ]
    return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True)
class Roc:
    """The whole curve: point k accepts scores >= threshold[k]; point 0 accepts nothing."""

    threshold: npt.NDArray[np.float64]  # descending; the first lies just above every score
    genuine_accepted: npt.NDArray[np.int64]
    impostors_accepted: npt.NDArray[np.int64]
    genuine: int
    impostors: int

    @property
    def tar(self) -> npt.NDArray[np.float64]:
        return self.genuine_accepted / self.genuine

    @property
    def far(self) -> npt.NDArray[np.float64]:
        return self.impostors_accepted / self.impostors


def roc(scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"]) -> Roc:
    """The curve of all pairs, from one sort."""
    scores, same = np.asarray(scores, np.float64), np.asarray(same, bool)
    if scores.shape != same.shape or scores.ndim != 1:
        raise ValueError(f"{scores.shape} scores for {same.shape} labels: one of each a pair")
    if not np.isfinite(scores).all():
        raise ValueError(f"{int((~np.isfinite(scores)).sum())} scores are not finite numbers")
    genuine, impostors = int(same.sum()), int((~same).sum())
    if not genuine or not impostors:
        raise ValueError(f"{genuine} genuine and {impostors} impostor pairs: a curve needs both kinds")
    order = np.argsort(-scores, kind="stable")
    scores, same = scores[order], same[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)  # the last of each run of ties
    return Roc(
        np.append(np.nextafter(scores[0], np.inf), scores[last]),
        np.append(0, np.cumsum(same)[last]),
        np.append(0, np.cumsum(~same)[last]),
        genuine,
        impostors,
    )


def tar_at_far(curve: Roc, far: float) -> dict[str, Any]:
    """The largest TAR with FAR <= far; `tar` is None where the impostors can't tell."""
    if not 0 < far <= 1:
        raise ValueError(f"FAR {far}: a share above 0, at most 1")
    expected = far * curve.impostors
    answer: dict[str, Any] = {"far": far, "impostors": curve.impostors, "supported": expected >= FLAGGED}
    few = f"FAR {far:g} of {curve.impostors} impostor pairs is {expected:.3g} false accepts"
    if expected < REFUSED - 1e-9:
        return {**answer, "tar": None, "threshold": None, "note": f"{few}, below 1: not measurable"}
    allowed = int(np.floor(expected + 1e-9))
    point = int(np.searchsorted(curve.impostors_accepted, allowed, side="right")) - 1
    note = None if expected >= FLAGGED else f"{few}, below {FLAGGED}: a rough value"
    tar, threshold = float(curve.tar[point]), float(curve.threshold[point])
    accepted = int(curve.impostors_accepted[point])
    return {**answer, "tar": tar, "threshold": threshold, "false_accepts": accepted, "note": note}


def auc(curve: Roc) -> float:
    """Area under the curve: the chance that a genuine pair outscores an impostor one, ties half."""
    return float(np.trapezoid(np.append(curve.tar, 1.0), np.append(curve.far, 1.0)))


def eer(curve: Roc) -> float:
    """Equal error rate, linear between the two points of the curve around it."""
    gap = curve.far - (1 - curve.tar)  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    step = -gap[before] / (gap[after] - gap[before])
    return float(curve.far[before] + step * (curve.far[after] - curve.far[before]))


def best_threshold(
    scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"]
) -> tuple[float, float]:
    """(threshold, accuracy) of the best of ALL thresholds.

    Candidates lie midway between neighbouring distinct scores, one above and one below them all;
    of several equally good ones the middle is taken (of an even number the higher).
    """
    curve = roc(scores, same)
    right = curve.genuine_accepted + (curve.impostors - curve.impostors_accepted)
    best = np.flatnonzero(right == right.max())
    point = int(best[(len(best) - 1) // 2])
    upper = curve.threshold[point]
    if 0 < point < len(curve.threshold) - 1:
        lower = curve.threshold[point + 1]
        middle = upper / 2 + lower / 2
        upper = middle if middle > lower else upper  # neighbouring floats have nothing in between
    return float(upper), float(right[point] / len(np.asarray(scores)))


@dataclass(frozen=True)
class Folds:
    """k-fold verification: decisions of every pair by a threshold that never saw its fold."""

    accuracy: npt.NDArray[np.float64]  # (k)
    threshold: npt.NDArray[np.float64]  # (k)
    correct: npt.NDArray[np.bool_]  # (pairs)

    @property
    def mean(self) -> float:
        return float(self.accuracy.mean())

    @property
    def std(self) -> float:
        """Spread over folds, population formula as the field reports it."""
        return float(self.accuracy.std())


def kfold(
    scores: Float[np.ndarray, " pairs"], same: Bool[np.ndarray, " pairs"], fold: Int[np.ndarray, " pairs"]
) -> Folds:
    """Accuracy of every fold with the best threshold of all other folds together."""
    scores, same, fold = np.asarray(scores, np.float64), np.asarray(same, bool), np.asarray(fold)
    names = np.unique(fold)
    if len(names) < 2:
        raise ValueError(f"{len(names)} fold: accuracy needs at least two, one gives the threshold")
    correct = np.zeros(len(scores), bool)
    accuracy, thresholds = [], []
    for name in names:
        test = fold == name
        threshold, _ = best_threshold(scores[~test], same[~test])
        correct[test] = (scores[test] >= threshold) == same[test]
        accuracy.append(correct[test].mean())
        thresholds.append(threshold)
    return Folds(np.asarray(accuracy), np.asarray(thresholds), correct)


def contiguous_folds(same: Bool[np.ndarray, " pairs"], folds: int) -> Int[np.ndarray, " pairs"]:
    """Folds 0..folds-1 of a list that has none: runs of equal length, of each kind of pair apart."""
    same = np.asarray(same, bool)
    fold = np.zeros(len(same), np.int64)
    for kind in (True, False):
        rows = np.flatnonzero(same == kind)
        if len(rows) < folds:
            what = "genuine" if kind else "impostor"
            raise ValueError(f"{len(rows)} {what} pairs for {folds} folds: each fold needs one at least")
        fold[rows] = np.arange(len(rows)) * folds // len(rows)
    return fold


def random_pairs(
    labels: Int[np.ndarray, " faces"], count: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Rows a and b and sameness of up to `count` different genuine pairs and as many impostor pairs."""
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    if len(sizes) < 2 or ends[-1] < 1:
        raise ValueError("no pairs: validation needs two identities, and one of them with two images")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(ends[-1], size=min(count, int(ends[-1])), replace=False)
    person = np.searchsorted(ends, chosen, side="right")
    place = chosen - (ends - sizes * (sizes - 1) // 2)[person]  # pair (i, j < i) of a person stands at
    i = (1 + np.sqrt(1 + 8 * place)).astype(np.int64) // 2  # i (i - 1) / 2 + j
    a, b = order[starts[person] + i], order[starts[person] + place - i * (i - 1) // 2]
    first = rng.integers(0, len(labels), len(chosen))
    second = rng.integers(0, len(labels), len(chosen))
    while (clash := labels[first] == labels[second]).any():
        second[clash] = rng.integers(0, len(labels), int(clash.sum()))
    same = np.repeat([True, False], len(chosen))
    return np.concatenate([a, first]), np.concatenate([b, second]), same


def validation_accuracy(
    recogniser: Recogniser, faces: Faces, runtime: Runtime, seed: int, count: int = 3000
) -> dict[str, float]:
    """Accuracy over 10 folds (flip: sum), AUC and EER on random pairs of validation identities.

    For training curves and choices; folds share people, so it is no benchmark result.
    """
    unit = fuse(embed(recogniser, faces, runtime), "sum", faces.sample_ids)
    a, b, same = random_pairs(faces.labels, count, seed)
    scores = cosine(unit, a, b)
    curve = roc(scores, same)
    folds = kfold(scores, same, contiguous_folds(same, min(10, curve.genuine)))
    return {"accuracy": folds.mean, "auc": auc(curve), "eer": eer(curve)}
