"""Training impostors of each kind of comparison, and the thresholds that follow from them.

A trained net pushes the people it was trained on apart, but no stranger away from them. So impostors are
(anyone, person held out of training) where a training person is compared with a stranger, and (held out,
held out) where both are strangers: single faces of nobody known. Without a list of held-out people, as for
a foreign net, everyone counts as one. Where no training face has an identity, pairs of single faces are
impostors but for a few, and only the bulk of their scores is used. People of the validation set are
strangers too, but share the training people's threshold, which is none too high for them: validation may
lose a person too many, which costs less than one too few.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline import files
from pipeline.evaluate import tail
from pipeline.evaluate.overlap import CELLS, Bound, Faces, Kind, Measured
from pipeline.evaluate.vectors import normalise

log = logging.getLogger(__name__)
COMPARISONS = 300_000_000  # at most: beyond, rows are thinned evenly
STRANGERS = 2000  # faces whose pairs are looked at where nobody is known


@dataclass(frozen=True)
class Side:
    """One side of the comparisons: unit vectors, and whose they are."""

    person: npt.NDArray[np.object_]
    vector: npt.NDArray[np.float32]

    def only(self, chosen: Collection[str]) -> Side:
        keep = np.asarray([person in chosen for person in self.person], bool)
        return Side(self.person[keep], self.vector[keep])

    def thinned(self, count: int) -> Side:
        if len(self.person) <= count:
            return self
        rows = np.linspace(0, len(self.person) - 1, count).astype(np.int64)
        return Side(self.person[rows], self.vector[rows])


def people(faces: Sequence[Faces]) -> Side:
    """Every person's centroid."""
    known = [each.units.known for each in faces]
    labels = [
        each.units.label[i] for each, mask in zip(faces, known, strict=True) for i in np.flatnonzero(mask)
    ]
    vectors = [each.units.vector[mask] for each, mask in zip(faces, known, strict=True)]
    return Side(np.asarray(labels, object), np.concatenate(vectors))


def images(faces: Sequence[Faces]) -> Side:
    """Every single face whose person is known."""
    rows = [np.flatnonzero([person is not None for person in each.identity]) for each in faces]
    labels = [person for each in faces for person in each.identity if person is not None]
    vectors = np.concatenate([each.vector[kept] for each, kept in zip(faces, rows, strict=True)])
    return Side(np.asarray(labels, object), normalise(vectors))


def compare(faces: Sequence[Faces], held_out: Collection[str] | None, kind: Kind) -> tail.Scores:
    """Scores of different people of the training `faces`, compared as `kind` says."""
    everyone, singles = people(faces), images(faces)
    strangers = set(everyone.person) if held_out is None else set(held_out)
    left = everyone if kind[0] else singles.only(strangers)
    right = (everyone if kind[1] else singles).only(strangers)
    scores = tail.Scores()
    for block in blocks(left, right, once=kind[0] == kind[1]):
        scores.add(block)
    return scores


def blocks(left: Side, right: Side, once: bool) -> Iterator[npt.NDArray[np.float64]]:
    """Scores of different people; with `once` not (b, a) where (a, b) was compared."""
    if len(left.person) * len(right.person) > COMPARISONS:
        side = int(np.sqrt(COMPARISONS))
        right = right.thinned(max(side, COMPARISONS // len(left.person)))
        left = left.thinned(COMPARISONS // len(right.person))
    codes, _ = pd.factorize(np.concatenate([left.person, right.person]))
    a, b = codes[: len(left.person)], codes[len(left.person) :]
    common = np.intersect1d(a, b)
    free = ~np.isin(b, common)[None]
    step = max(1, CELLS // max(1, len(b)))
    for start in range(0, len(a), step):
        mine = a[start : start + step, None]
        keep = mine != b[None]
        if once:
            keep &= (mine < b[None]) | free | ~np.isin(mine, common)
        similar = left.vector[start : start + step] @ right.vector.T
        yield similar[keep].astype(np.float64)


def thresholds(
    faces: Sequence[Faces], held_out: Collection[str] | None, kinds: Sequence[Kind], rate: float
) -> dict[Kind, Measured]:
    """The threshold of each kind, and the impostor scores that justify it."""
    if not kinds:
        return {}
    known = {person for each in faces for person in each.identity if person is not None}
    if held_out is not None and len(known & set(held_out)) < 2:
        log.warning("fewer than two training people were held out of the model: everyone is an impostor then")
        held_out = None
    if len(known) >= 2:
        scores = {kind: compare(faces, held_out, kind) for kind in kinds}
        return {kind: (tail.threshold(found, rate), found) for kind, found in scores.items()}
    found = strangers(faces)
    return {kind: (tail.bulk(found, rate), found) for kind in kinds}


def held_out(model: Path) -> list[str] | None:
    """The identities that a model of ours was not trained on; None where nobody noted them."""
    noted = model / "holdout.json"
    return list(files.read_json(noted)["identities"]) if noted.exists() else None


def bounds(limits: Mapping[Kind, Measured], mutual_rate: float) -> dict[Kind, Bound]:
    """From where a match of each kind counts; people who are each other's nearest at a rate of their own.

    A mutual rate that is not above the other one has no effect.
    """
    answer = {kind: Bound(limit.value) for kind, (limit, _) in limits.items()}
    if (both := limits.get((True, True))) is not None and mutual_rate > both[0].rate:
        lower = tail.bulk if both[0].method == "bulk" else tail.threshold
        answer[True, True] = Bound(both[0].value, lower(both[1], mutual_rate).value)
    return answer


def strangers(faces: Sequence[Faces]) -> tail.Scores:
    """Pairs of single faces of nobody known: some are the same person, so only their bulk may be used."""
    vectors = np.concatenate([each.vector for each in faces])
    side = Side(np.arange(len(vectors)).astype(object), normalise(vectors)).thinned(STRANGERS)
    scores = tail.Scores()
    for block in blocks(side, side, once=True):
        scores.add(block)
    return scores
