"""Faces of one set that are people of another, a protected one: by name and by embedding.

    unit    c = (x + x') / 2 of a face of nobody known, the mean of these over a person's images; normalised
    match   max over the units c' of the protected sets of <c, c'> >= t(kind of c, kind of c')
    mutual  c' is the nearest to c of the protected people, c the nearest to c' of the dataset's people,
            and <c, c'> >= u, where u <= t

x, x' are the normalised embeddings of an image and of its mirror image. Each kind of comparison, person or
single face on either side, has its own threshold t (`pipeline.evaluate.impostors`); u is that of two people
at a higher rate, since being each other's nearest is evidence too. Training sets must not hold people of
benchmarks and of the validation set, the validation set none of benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, Int

from pipeline.evaluate import tail
from pipeline.evaluate.names import normal_name
from pipeline.evaluate.vectors import normalise

Kind = tuple[bool, bool]  # is it a person's centroid: of the training unit, of the protected one
Barred = Collection[tuple[str, str, str]]  # (training unit, protected set, protected unit): no match
Measured = tuple[tail.Threshold, tail.Scores]  # of one kind: the threshold, and impostors that justify it
CELLS = 8_000_000  # similarities in memory at a time
SUMMED = 4096  # vectors that are added up at a time
COLUMNS = ["dataset", "sample_id", "identity", "reason", "benchmark", "matched", "similarity", "threshold"]


def kind_name(kind: Kind) -> str:
    return "-".join("person" if known else "face" for known in kind)


@dataclass(frozen=True)
class Faces:
    """The faces of one dataset. `identity` and `name` hold None where nobody knows."""

    dataset: str
    sample_id: Sequence[str]
    identity: Sequence[str | None]
    name: Sequence[str | None]
    vector: npt.NDArray[np.float32]  # (n, d): (x + x') / 2
    hashes: npt.NDArray[np.uint64] | None = None  # (n, 2): of `pipeline.evaluate.hashes`, where asked for

    @classmethod
    def of(
        cls,
        dataset: str,
        frame: pd.DataFrame,
        embeddings: Float[np.ndarray, "n 2 d"],
        hashes: npt.NDArray[np.uint64] | None = None,
    ) -> Faces:
        """From a dataset's sample_id, identity and name, and its plain and mirrored embeddings."""
        ids = frame["sample_id"].tolist()
        plain, mirrored = (normalise(embeddings[:, side], ids) for side in (0, 1))
        identity, name = (
            [None if pd.isna(value) else str(value) for value in frame[column]]
            for column in ("identity", "name")
        )
        return cls(dataset, ids, identity, name, (plain + mirrored) / 2, hashes)

    @cached_property
    def units(self) -> Units:
        """People where they are known, single faces where not."""
        keys = [
            ("face", sample) if person is None else ("person", person)
            for sample, person in zip(self.sample_id, self.identity, strict=True)
        ]
        order = sorted(set(keys))
        index = {key: place for place, key in enumerate(order)}
        of_row = np.asarray([index[key] for key in keys], np.int64)
        vector = normalise(self._sums(of_row, len(order)), [f"{self.dataset}: {key[1]}" for key in order])
        known = np.asarray([key[0] == "person" for key in order], bool)
        return Units([key[1] for key in order], known, vector, of_row)

    def _sums(self, of_row: Int[np.ndarray, " n"], units: int) -> Float[np.ndarray, "units d"]:
        """The sum of each unit's vectors, in float64, a part of the units at a time."""
        rows = np.argsort(of_row, kind="stable")
        starts = np.searchsorted(of_row[rows], np.arange(units + 1))
        total = np.empty((units, self.vector.shape[1]), np.float32)
        first = 0
        while first < units:
            last = max(first + 1, int(np.searchsorted(starts, starts[first] + SUMMED, side="right")) - 1)
            part = self.vector[rows[starts[first] : starts[last]]].astype(np.float64)
            total[first:last] = np.add.reduceat(part, starts[first:last] - starts[first])
            first = last
        return total


@dataclass(frozen=True)
class Units:
    """What is compared: unit vectors, of people or of single faces."""

    label: list[str]  # identity, or sample id
    known: npt.NDArray[np.bool_]  # a person
    vector: npt.NDArray[np.float32]
    of_row: npt.NDArray[np.int64]  # unit of each face


@dataclass(frozen=True)
class Match:
    """The nearest protected unit of every training unit of one kind of comparison."""

    kind: Kind
    unit: npt.NDArray[np.int64]  # rows of the training units compared
    benchmark: list[str]
    matched: list[str]
    similarity: npt.NDArray[np.float64]
    compared: int  # pairs looked at
    mutual: npt.NDArray[np.bool_]  # both are people, and each other's nearest


@dataclass(frozen=True)
class Bound:
    """Similarities from which a match counts: of any unit, and of people who are each other's nearest."""

    match: float
    mutual: float = np.inf


def kinds(training: Sequence[Faces], protected: Sequence[Faces]) -> list[Kind]:
    """Comparisons that occur."""
    left = {bool(known) for faces in training for known in faces.units.known}
    right = {bool(known) for faces in protected for known in faces.units.known}
    return sorted(((a, b) for a in left for b in right), reverse=True)


def nearest(training: Faces, protected: Sequence[Faces], kind: Kind, barred: Barred = ()) -> Match | None:
    """For every training unit the most similar protected unit of all sets that is not barred."""
    rows = np.flatnonzero(training.units.known == kind[0])
    chosen = [np.flatnonzero(faces.units.known == kind[1]) for faces in protected]
    targets = [
        (faces.dataset, faces.units.label[place])
        for faces, places in zip(protected, chosen, strict=True)
        for place in places
    ]
    if not len(rows) or not targets:
        return None
    vectors = _stacked(
        [(faces.units.vector, places) for faces, places in zip(protected, chosen, strict=True)]
    )
    apart = _cells([training.units.label[row] for row in rows], targets, barred)
    own = _stacked([(training.units.vector, rows)])
    place, similarity, back = _nearest_both_ways(own, vectors, apart)
    datasets, labels = [targets[i][0] for i in place], [targets[i][1] for i in place]
    mutual = (back[place] == np.arange(len(rows))) & all(kind)
    return Match(kind, rows, datasets, labels, similarity, len(rows) * len(targets), mutual)


def _stacked(
    parts: Sequence[tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]],
) -> npt.NDArray[np.float32]:
    """The chosen rows of all parts; nothing is copied where that is all rows of one."""
    whole = [vector if len(rows) == len(vector) else vector[rows] for vector, rows in parts if len(rows)]
    return whole[0] if len(whole) == 1 else np.concatenate(whole)


def _cells(
    labels: Sequence[str], targets: Sequence[tuple[str, str]], barred: Barred
) -> npt.NDArray[np.int64]:
    """(row, column) of every barred pair that is compared here."""
    if not barred:
        return np.empty((0, 2), np.int64)
    rows = {label: place for place, label in enumerate(labels)}
    columns = {target: place for place, target in enumerate(targets)}
    cells = [(rows.get(who, -1), columns.get((set_, other), -1)) for who, set_, other in sorted(barred)]
    return np.asarray([cell for cell in cells if min(cell) >= 0], np.int64).reshape(-1, 2)


def _nearest_both_ways(
    left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "m d"], barred: Int[np.ndarray, "k 2"]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """For every left row the most similar right one and how similar, for every right row the left one."""
    there, best = np.empty(len(left), np.int64), np.empty(len(left))
    back, highest = np.zeros(len(right), np.int64), np.full(len(right), -np.inf)
    step = max(1, CELLS // len(right))
    for start in range(0, len(left), step):
        rows = slice(start, start + step)
        similar = left[rows] @ right.T
        for row, column in barred[(barred[:, 0] >= start) & (barred[:, 0] < start + step)]:
            similar[row - start, column] = -1.0
        there[rows] = similar.argmax(1)
        best[rows] = np.take_along_axis(similar, there[rows, None], 1)[:, 0]
        top = similar.max(0)
        (higher,) = np.nonzero(top > highest)  # soon there are few
        back[higher], highest[higher] = start + similar[:, higher].argmax(0), top[higher]
    return there, best, back


def matches(
    training: Sequence[Faces],
    protected: Sequence[Faces],
    kinds: Sequence[Kind],
    barred: Callable[[str], Barred] = lambda _: (),
) -> dict[tuple[str, Kind], Match]:
    """`nearest` of every training set and kind of comparison that it has; `barred` tells those of a set."""
    found = {
        (faces.dataset, kind): nearest(faces, protected, kind, barred(faces.dataset))
        for faces in training
        for kind in kinds
    }
    return {key: match for key, match in found.items() if match is not None}


Spares = Callable[[str, int, Faces, int], bool]  # dataset, face, protected set, its face: are two people


def by_name(
    training: Faces, protected: Sequence[Faces], spares: Spares = lambda *_: False
) -> list[dict[str, Any]]:
    """Faces whose name a protected set has, and the other faces of the same identities."""
    known: dict[str, list[tuple[Faces, int]]] = {}
    for faces in protected:
        for other, name in enumerate(faces.name):
            if name is not None and (normal := normal_name(name)):
                known.setdefault(normal, []).append((faces, other))
    found: dict[int, tuple[str, str]] = {}
    for row, name in enumerate(training.name):
        for faces, other in known.get(normal_name(name), ()):
            if not spares(training.dataset, row, faces, other):
                found[row] = (faces.dataset, str(faces.name[other]))
                break
    people = {
        training.identity[row]: where for row, where in found.items() if training.identity[row] is not None
    }
    for row, person in enumerate(training.identity):
        if person in people:
            found.setdefault(row, people[person])
    return [listed(training, row, "name", *found[row], None, None) for row in sorted(found)]


def by_embedding(training: Faces, match: Match, bound: Bound) -> list[dict[str, Any]]:
    """Every face of the units that match."""
    sure = match.similarity >= bound.match
    kept = np.flatnonzero(sure | (match.mutual & (match.similarity >= bound.mutual)))
    place = {int(match.unit[i]): int(i) for i in kept}
    rows = [(row, place[int(unit)]) for row, unit in enumerate(training.units.of_row) if int(unit) in place]
    why = {True: ("embedding", bound.match), False: ("mutual", bound.mutual)}
    answer = []
    for row, i in rows:
        reason, limit = why[bool(sure[i])]
        where = (match.benchmark[i], match.matched[i], match.similarity[i])
        answer.append(listed(training, row, reason, *where, limit))
    return answer


def listed(
    training: Faces,
    row: int,
    reason: str,
    benchmark: str,
    matched: str,
    similarity: float | None,
    threshold: float | None,
) -> dict[str, Any]:
    """A row of what is removed, in COLUMNS."""
    values = (training.dataset, training.sample_id[row], training.identity[row], reason, benchmark, matched)
    numbers = (None if similarity is None else float(similarity), threshold)
    return dict(zip(COLUMNS, (*values, *numbers), strict=True))
