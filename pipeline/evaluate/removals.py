"""Which faces go, why, and how many chance alone would take.

By chance n units that share nobody with m protected ones lose n (1 - (1 - r)^m) to matches at the rate r.
If the comparisons were independent, a pair would be mutual where it is the highest of its k = n + m - 1
comparisons: n m ((1 - r)^k - (1 - r')^k) / k more go at the rate r' of mutual ones.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.evaluate import duplicates, impostors, overlap, within
from pipeline.evaluate.overlap import COLUMNS, Bound, Faces, Kind, Match, Measured, Spares
from pipeline.evaluate.verdicts import ACCEPTED, Verdicts

log = logging.getLogger(__name__)
TOO_MANY = 0.3  # a share
INSIDE = (within.MERGED, within.REASON)  # by what is known of the set itself, not of a protected one
REASONS = (ACCEPTED, "name", "embedding", "mutual", duplicates.REASON, *INSIDE)  # the first one counts
# Training depends on the list of these: any more would re-train every model where the same faces go.
LISTED = COLUMNS[:2]
Pass = tuple[
    Sequence[Faces], Sequence[Faces]
]  # sets that are cleaned, and sets of which they may hold nobody
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """All that justifies the removals."""

    limits: Mapping[Kind, Measured]
    bounds: Mapping[Kind, Bound]
    matches: Mapping[tuple[str, Kind], Match]
    rows: Rows  # to remove, by dataset and sample id
    verdicts: Verdicts  # of a person


def search(
    passes: Sequence[Pass],
    held_out: Collection[str] | None,
    settings: Mapping[str, Any],
    verdicts: Verdicts | None = None,
    inside: within.Inside | None = None,
) -> Found:
    """Everything to remove of the sets of all passes; thresholds follow from the first pass that has sets.

    At a rate of `none` nobody is looked for by embedding: identities are classes of objects.
    """
    trained = next((cleaned for cleaned, _ in passes if cleaned), [])
    merge = inside is not None and settings["within"]["merge"]
    strange, strangers = within.named_once(trained, held_out, inside if inside and merge else within.Inside())
    if inside is not None and not merge:
        _tell_doubled(trained, inside)
    verdicts = verdicts or Verdicts()
    rate = settings["false_match_rate"]
    compared = {kind for each in passes for kind in overlap.kinds(*each)} if rate != "none" else set()
    kinds = sorted(compared, reverse=True)
    limits = impostors.thresholds(strange, strangers, kinds, rate)
    bounds = impostors.bounds(limits, settings["mutual_rate"])
    matches = {
        key: match for each in passes for key, match in overlap.matches(*each, kinds, verdicts.barred).items()
    }
    rows = [
        row for each in passes for row in exclusions(*each, matches, bounds, settings["duplicates"], verdicts)
    ]
    if inside is not None:
        cleaned = [faces for sets, _ in passes for faces in sets]
        copied = settings["duplicates"]["identity"]
        rows += [
            row for faces in cleaned for row in within.rows(faces, inside, rows, settings["within"], copied)
        ]
    rows.sort(key=lambda row: (row["dataset"], row["sample_id"]))
    return Found(limits, bounds, matches, rows, verdicts)


def _tell_doubled(sets: Sequence[Faces], inside: within.Inside) -> None:
    """A warning where two names may be one person.

    They are not joined for the thresholds unless asked for: in drawn worlds nobody has two names, and wrong
    joins take the highest impostors away.
    """
    for faces in sets:
        if pairs := len(inside.into(faces.dataset)):
            log.warning(
                "%s: %d identities may be another's, and count as strangers in the thresholds, which are too"
                " high if they are: see evidence/merges.parquet; overlap.within.merge: true joins them",
                faces.dataset, pairs,
            )  # fmt: skip


def exclusions(
    training: Sequence[Faces],
    protected: Sequence[Faces],
    matches: Mapping[tuple[str, Kind], Match],
    bounds: Mapping[Kind, Bound],
    duplicated: Mapping[str, Any] | None = None,
    verdicts: Verdicts | None = None,
) -> Rows:
    """One row a face to remove, by dataset and sample id; where several reasons hold, the first of REASONS.

    `duplicated` are the params of near-duplicates; nobody looks for them without.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    verdicts = verdicts or Verdicts()
    for faces in training:
        rows = [
            row
            for (dataset, kind), match in matches.items()
            if dataset == faces.dataset
            for row in overlap.by_embedding(faces, match, bounds[kind])
        ]
        rows.sort(key=lambda row: (row["reason"] == "embedding", row["similarity"] - row["threshold"]))
        again = _duplicates(faces, protected, duplicated or {"radius": "none"}, verdicts.spares)
        named = overlap.by_name(faces, protected, verdicts.spares)
        for row in [*again, *rows, *named, *verdicts.rows(faces)]:
            found[row["dataset"], row["sample_id"]] = row
    return [found[key] for key in sorted(found)]


def _duplicates(faces: Faces, protected: Sequence[Faces], params: Mapping[str, Any], spares: Spares) -> Rows:
    if params["radius"] == "none":
        return []
    found = duplicates.find(faces, protected, params["radius"], params["similarity"], spares)
    return duplicates.rows(faces, found, params["similarity"], params["identity"])


def expected(
    dataset: str,
    matches: Mapping[tuple[str, Kind], Match],
    limits: Mapping[Kind, Measured],
    mutual_rate: float = 0.0,
) -> dict[str, Any]:
    """People and single faces that chance alone removes of a set; whether the impostors support that.

    Says so where they are more than TOO_MANY of all. None where nobody was looked for.
    """
    mine = {kind: match for (name, kind), match in matches.items() if name == dataset}
    if not limits:
        return {"expected_false_removals": None, "supported": None}
    removals, units = 0.0, 0
    for known in (True, False):
        count, spared = 0, 1.0
        for kind, match in mine.items():
            if kind[0] == known:
                count = len(match.unit)
                spared *= (1 - limits[kind][0].rate) ** (match.compared // count)
        removals, units = removals + count * (1 - spared), units + count
    if (both := mine.get((True, True))) is not None:
        highest = len(both.unit) + both.compared // len(both.unit) - 1  # of so many comparisons
        low, high = limits[True, True][0].rate, max(mutual_rate, limits[True, True][0].rate)
        removals += both.compared * ((1 - low) ** highest - (1 - high) ** highest) / highest
    if removals > TOO_MANY * units:
        log.warning(
            "%s: chance alone removes some %.0f of %d people or single faces, whoever they are:"
            " lower overlap.false_match_rate, or take a better overlap.model", dataset, removals, units
        )  # fmt: skip
    return {"expected_false_removals": removals, "supported": all(limits[kind][0].supported for kind in mine)}


def summary(found: Found, sets: Sequence[Faces], mutual_rate: float) -> dict[str, dict[str, Any]]:
    """Of each of the sets what was removed, and what chance removes."""
    answer = counted(found.rows, sets)
    for name, counts in answer.items():
        counts |= expected(name, found.matches, found.limits, mutual_rate)
    return answer


def counted(rows: Sequence[Mapping[str, Any]], sets: Sequence[Faces]) -> dict[str, dict[str, Any]]:
    """What was removed of each set: faces by reason, people of whom nothing is left, images of others."""
    answer: dict[str, dict[str, Any]] = {}
    for faces in sets:
        mine = [row for row in rows if row["dataset"] == faces.dataset]
        reasons = {reason: sum(row["reason"] == reason for row in mine) for reason in REASONS}
        everyone, lost = (
            Counter(who for who in people if who is not None)
            for people in (faces.identity, (row["identity"] for row in mine))
        )
        people = [who for who, count in lost.items() if count == everyone[who]]
        answer[faces.dataset] = {
            "faces": len(faces.sample_id), "people": len(everyone),
            "removed_faces": len(mine), "removed_people": len(people),
            "removed_images": lost.total() - sum(lost[who] for who in people),
            **{f"by_{reason}": count for reason, count in reasons.items()},
        }  # fmt: skip
    return answer


def told(counts: Mapping[str, Any]) -> str:
    """ "3 of 40 people, 12 of 160 faces" from one set's part of a summary."""
    told = [f"{counts[f'removed_{what}']:,} of {counts[what]:,} {what}" for what in ("people", "faces")]
    if images := counts["removed_images"]:
        told.append(f"{images:,} of them of people who stay")
    return ", ".join(told)
