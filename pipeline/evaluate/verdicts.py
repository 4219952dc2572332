"""Decisions of a person, found again in the faces: which pairs count as one person, which as two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import decisions
from pipeline.decisions import Decision, DecisionsError
from pipeline.evaluate.names import normal_name
from pipeline.evaluate.overlap import Barred, Faces, listed
from pipeline.evaluate.vectors import normalise

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Side:
    """What one name of a decision stands for."""

    rows: frozenset[int]  # faces
    units: frozenset[str]  # labels of the people, or of the faces of nobody known, that are meant whole


@dataclass(frozen=True)
class Verdict:
    """One decision and the faces that it is about."""

    decision: Decision
    who: Side
    matched: Side
    similarity: float  # the highest between the two


class Verdicts:
    """All decisions; none without arguments."""

    def __init__(self, found: Sequence[Verdict] = ()) -> None:
        self.accepted = [one for one in found if one.decision.verdict == "accept"]
        self.rejected = [one for one in found if one.decision.verdict == "reject"]
        self.decided = {
            (one.decision.dataset, who, one.decision.benchmark, matched)
            for one in found
            for who in one.who.units
            for matched in one.matched.units
        }

    def barred(self, dataset: str) -> Barred:
        """(who, benchmark, matched) of the units that are no match, whatever their similarity."""
        return {
            (who, one.decision.benchmark, matched)
            for one in self.rejected
            if one.decision.dataset == dataset
            for who in one.who.units
            for matched in one.matched.units
        }

    def spares(self, dataset: str, row: int, protected: Faces, other: int) -> bool:
        """Whether face `row` of a dataset and face `other` of a protected set are of two people."""
        return any(
            (one.decision.dataset, one.decision.benchmark) == (dataset, protected.dataset)
            and row in one.who.rows
            and other in one.matched.rows
            for one in self.rejected
        )

    def rows(self, faces: Faces) -> list[dict[str, Any]]:
        """The accepted faces of a dataset, as rows of what is removed."""
        return [
            listed(faces, row, ACCEPTED, one.decision.benchmark, one.decision.matched, one.similarity, None)
            for one in self.accepted
            if one.decision.dataset == faces.dataset
            for row in sorted(one.who.rows)
        ]

    def about(self) -> dict[str, Any]:
        """For the metrics: how many of each kind, and each with its similarity."""
        told = [
            {**one.decision.model_dump(), "faces": len(one.who.rows), "similarity": one.similarity}
            for one in (*self.accepted, *self.rejected)
        ]
        return {"accepted": len(self.accepted), "rejected": len(self.rejected), "pairs": told}


def resolve(folder: str | Path, given: Sequence[Decision], every: Mapping[str, Faces]) -> Verdicts:
    """The decisions with the faces that they name; a name that is nobody's is an error."""
    found = []
    for number, decision in enumerate(given, 1):
        where = f"{Path(folder) / decisions.FILE}, entry {number}"
        faces, protected = every[decision.dataset], every[decision.benchmark]
        whole = decision.verdict == "reject"  # an accepted image goes alone
        who = _side(faces, decision.who, f"{where}, who", whole=whole)
        matched = _side(protected, decision.matched, f"{where}, matched", by_name=True, whole=True)
        found.append(Verdict(decision, who, matched, _similarity(faces, who, protected, matched)))
    return Verdicts(found)


def _side(faces: Faces, name: str, where: str, *, by_name: bool = False, whole: bool = False) -> Side:
    """Faces of an identity, the face of this sample id, or those of a person's name.

    `whole`: an image stands for its person, since people are compared and named whole.
    """
    rows, single = {row for row, person in enumerate(faces.identity) if person == name}, False
    if not rows:
        single = True
        rows = {row for row, sample in enumerate(faces.sample_id) if sample == name}
    if not rows and by_name and (normal := normal_name(name)):
        single = False
        rows = {row for row, other in enumerate(faces.name) if normal_name(other) == normal}
    if not rows:
        kinds = "identity, no sample and no name" if by_name else "identity and no sample"
        raise DecisionsError(f"{where}: {faces.dataset} has no {kinds} {name!r}; drop the entry, or mend it")
    units = {int(faces.units.of_row[row]) for row in rows}
    if whole:
        rows = set(np.flatnonzero(np.isin(faces.units.of_row, sorted(units))).tolist())
    meant = {unit for unit in units if whole or not single or not faces.units.known[unit]}
    return Side(frozenset(rows), frozenset(faces.units.label[unit] for unit in meant))


def _similarity(faces: Faces, who: Side, other: Faces, matched: Side) -> float:
    def vectors(of: Faces, side: Side) -> npt.NDArray[np.float32]:
        units = [place for place, label in enumerate(of.units.label) if label in side.units]
        return of.units.vector[units] if units else normalise(of.vector[sorted(side.rows)])

    return float(np.max(vectors(faces, who) @ vectors(other, matched).T))
