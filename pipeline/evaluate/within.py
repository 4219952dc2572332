"""Mistakes inside one dataset: identities that are one person, and images that are of somebody else.

    one person   <c, c'> >= t, and c, c' are each other's nearest of the dataset's centroids
    misplaced    s = <x, m> <= v

t: `false_merges` of the n (n - 1) / 2 pairs reach it by chance, by the law of impostors. What is found is
joined, and looked at again, so that a person under three names is found, and so that the pairs found no
longer count as impostors. m: centroid of the half of the identity's other images that are most alike (by the
median of their cosines with the rest). v: the highest with p F_I(v) / F(v) >= precision, where F, F_I are the
shares of s and of images against other people's centroids up to v, and the share of wrong images
p is F / F_I where F_I = 3/4, or less where F / F_I is lower by more than its own error at 1/4 or 1/2: there
right images reach up to 3/4. Only identities of FEWEST images or more are looked at.

A net that was trained on the very labels has learnt their mistakes too: a foreign net finds more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from pipeline.evaluate import impostors
from pipeline.evaluate.duplicates import REASON as DUPLICATE
from pipeline.evaluate.overlap import CELLS, Faces, listed
from pipeline.evaluate.vectors import normalise

REASON = "misplaced"
MERGED = "merged"  # a part of somebody who goes
FEWEST = 4  # images of an identity whose mistakes can be told
SAMPLED, STRANGE = 50, 2_000_000  # images at least, and comparisons about, that tell what strangers are like
ROUNDS, FITTED = 10, 2  # a third fit would take the tail that is left for all of it, and so on downwards
TELLING = (0.25, 0.5, 0.75)  # shares of strangers: so many of the wrong images are found up to there
Row = dict[str, Any]


@dataclass(frozen=True)
class Inside:
    """What is wrong inside the datasets, the surest first, and numbers about it by dataset."""

    merges: list[Row] = field(default_factory=list)  # dataset, identity, alike, into, similarity, threshold
    misplaced: list[Row] = field(default_factory=list)  # dataset, sample_id, identity, similarity ...
    about: dict[str, dict[str, Any]] = field(default_factory=dict)

    def into(self, dataset: str) -> dict[str, str]:
        """Identity -> the one that it is a part of."""
        return {row["identity"]: row["into"] for row in self.merges if row["dataset"] == dataset}


def search(sets: Sequence[Faces], held_out: Collection[str] | None, params: Mapping[str, Any]) -> Inside:
    """Of every set with two identities or more; a part of `params` that says `none` is not looked for."""
    found = Inside()
    for faces in sets:
        if len(set(faces.identity) - {None}) < 2:
            continue
        about: dict[str, Any] = {}
        aside = held_out if len(set(held_out or ()) & set(faces.identity)) >= 2 else None
        if params["false_merges"] != "none":
            merges, about["merge_threshold"] = duplicates(faces, aside, params["false_merges"])
            found.merges.extend(merges)
            about["merges"] = len(merges)
        if params["precision"] != "none":
            wrong, numbers = misplaced(joined(faces, found.into(faces.dataset)), aside, params["precision"])
            found.misplaced.extend(wrong)
            about |= numbers | {"misplaced": len(wrong)}
        found.about[faces.dataset] = about
    return found


def joined(faces: Faces, into: Mapping[str, str]) -> Faces:
    """The same faces with merged identities."""
    if not into:
        return faces
    return replace(faces, identity=[into.get(who, who) if who else who for who in faces.identity])


def named_once(
    sets: Sequence[Faces], held_out: Collection[str] | None, inside: Inside
) -> tuple[list[Faces], set[str] | None]:
    """The sets and who was held out with one name a person: two names of one person are no impostors."""
    parts = [inside.into(faces.dataset) for faces in sets]
    people = [joined(faces, into) for faces, into in zip(sets, parts, strict=True)]
    if held_out is None:
        return people, None
    return people, {into.get(who, who) for who in held_out for into in (*parts, {})}


def duplicates(
    faces: Faces, held_out: Collection[str] | None, false_merges: float
) -> tuple[list[Row], float | None]:
    """Identities that are one person with a larger one, and the last threshold."""
    sizes: dict[str, int] = {}
    for who in faces.identity:
        if who is not None:
            sizes[who] = sizes.get(who, 0) + 1
    into: dict[str, str] = {}
    rows: list[Row] = []
    limit = 2.0
    for number in range(ROUNDS):
        now = joined(faces, into)
        known = np.flatnonzero(now.units.known)
        if len(known) < 3:  # two identities: no impostors to tell how alike strangers are
            break
        pairs = len(known) * (len(known) - 1) / 2
        if number < FITTED:
            strangers = None if held_out is None else {into.get(who, who) for who in held_out}
            limits = impostors.thresholds([now], strangers, [(True, True)], min(0.5, false_merges / pairs))
            limit = limits[True, True][0].value
        labels = [now.units.label[place] for place in known]
        found = [(a, b, c) for a, b, c in _mutual(now.units.vector[known]) if c >= limit]
        for a, b, similarity in found:
            keep, drop = sorted((labels[a], labels[b]), key=lambda who: (-sizes[who], who))
            sizes[keep] += sizes[drop]
            into = {who: keep if root == drop else root for who, root in into.items()} | {drop: keep}
            rows.append(
                {"dataset": faces.dataset, "identity": drop, "alike": keep}
                | {"similarity": similarity, "threshold": limit}
            )
        if not found:
            break
    return [row | {"into": into[row["identity"]]} for row in rows], limit if limit <= 1 else None


def _mutual(unit: Float[np.ndarray, "n d"]) -> list[tuple[int, int, float]]:
    """(a, b, cosine) of rows that are each other's nearest, a < b."""
    every = np.arange(len(unit))
    nearest, best = np.empty(len(unit), np.int64), np.empty(len(unit))
    step = max(1, CELLS // len(unit))
    for start in range(0, len(unit), step):
        part = every[start : start + step]
        similar = unit[part] @ unit.T
        similar[part - start, part] = -1.0
        nearest[part] = similar.argmax(1)
        best[part] = similar[part - start, nearest[part]]
    rows = np.flatnonzero((nearest[nearest] == every) & (every < nearest))
    return [(int(row), int(nearest[row]), float(best[row])) for row in rows]


@dataclass(frozen=True)
class Cores:
    """The people with FEWEST images or more: their images, and the centroid of each one's core."""

    people: list[str]
    vector: npt.NDArray[np.float32]  # (people, d)
    rows: npt.NDArray[np.int64]  # of the faces
    person: npt.NDArray[np.int64]  # of each of these rows
    similar: npt.NDArray[np.float64]  # of each: its cosine with the core of the person's other images


def cores(faces: Faces, image: Float[np.ndarray, "n d"]) -> Cores:
    """`image` are the unit vectors of the faces."""
    mine: dict[str, list[int]] = {}
    for row, who in enumerate(faces.identity):
        if who is not None:
            mine.setdefault(who, []).append(row)
    people = sorted(who for who, rows in mine.items() if len(rows) >= FEWEST)
    vector = np.empty((len(people), image.shape[1]), np.float32)
    similar = []
    for number, who in enumerate(people):
        x = image[mine[who]].astype(np.float64)
        cosines = x @ x.T
        np.fill_diagonal(cosines, -np.inf)
        alike = np.median(np.sort(cosines, axis=1)[:, 1:], axis=1)
        inner = np.zeros(len(x), bool)
        inner[np.argsort(-alike, kind="stable")[: (len(x) + 1) // 2]] = True
        total = x[inner].sum(0)
        others = total - np.where(inner[:, None], x, 0)
        similar.append((x * others).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12))
        vector[number] = total / max(float(np.linalg.norm(total)), 1e-12)
    rows = np.asarray([row for who in people for row in mine[who]], np.int64)
    person = np.repeat(np.arange(len(people)), [len(mine[who]) for who in people])
    return Cores(people, vector, rows, person, np.concatenate([np.empty(0), *similar]))


def misplaced(
    faces: Faces, held_out: Collection[str] | None, precision: float
) -> tuple[list[Row], dict[str, Any]]:
    """Images as unlike their identity as strangers are, the least similar first; numbers about them."""
    image = normalise(faces.vector, faces.sample_id)
    core = cores(faces, image)
    if len(core.people) < 2:
        return [], {"misplaced_threshold": None, "misplaced_share": 0.0}
    names = np.asarray(core.people, object)
    left, right = impostors.Side(names[core.person], image[core.rows]), impostors.Side(names, core.vector)
    if held_out is not None and len(set(core.people) & set(held_out)) >= 2:
        left, right = left.only(held_out), right.only(held_out)
    left = left.thinned(max(SAMPLED, STRANGE // len(right.person)))
    strange = np.concatenate(list(impostors.blocks(left, right, once=False)))
    limit, share = cut(core.similar, strange, precision)
    wrong = np.flatnonzero(core.similar <= limit) if limit is not None else np.empty(0, np.int64)
    wrong = wrong[np.argsort(core.similar[wrong], kind="stable")]
    found = []
    for i in wrong:
        others = core.vector @ image[core.rows[i]]
        others[core.person[i]] = -1.0
        other = int(others.argmax())
        found.append(
            {
                "dataset": faces.dataset,
                "sample_id": faces.sample_id[core.rows[i]],
                "identity": core.people[core.person[i]],
                "similarity": float(core.similar[i]),
                "threshold": limit,
                "other": core.people[other],
                "other_similarity": float(others[other]),
            }
        )
    return found, {"misplaced_threshold": limit, "misplaced_share": share}


def cut(
    own: Float[np.ndarray, " n"], strange: Float[np.ndarray, " k"], precision: float
) -> tuple[float | None, float]:
    """(v, p) of the module's law: v None where no cosine is low enough.

    `own` are cosines of images with their own identity, `strange` of images with others.
    """
    values, strange = np.sort(own), np.sort(strange)
    wrong = np.searchsorted(strange, values, side="right") / len(strange)
    seen = np.searchsorted(values, values, side="right")
    count = np.searchsorted(values, np.quantile(strange, TELLING), side="right")
    most = count + 1 + np.sqrt(count + 0.75)  # of what would be seen again; the last one is taken as it is
    above = np.append(most[:-1], count[-1])
    share = float(min(1.0, (above / np.asarray(TELLING)).min() / len(values)))
    sure = np.flatnonzero(share * len(values) * wrong >= precision * seen)
    return (float(values[sure[-1]]) if len(sure) else None), share


def rows(
    faces: Faces, inside: Inside, gone: Sequence[Row], params: Mapping[str, Any], copied: bool = False
) -> list[Row]:
    """What `drop` and `merge` remove of a set beyond `gone`: misplaced images, and parts of people who go.

    `copied`: a near-duplicate takes its person, not only the image.
    """
    mine = [row for row in gone if row["dataset"] == faces.dataset]
    found: dict[str, Row] = {}
    if params["merge"]:
        found |= {row["sample_id"]: row for row in _parts(faces, inside, mine, copied)}
    if params["drop"]:
        where = {sample: place for place, sample in enumerate(faces.sample_id)}
        for row in inside.misplaced:
            if row["dataset"] == faces.dataset:
                numbers = (row["other"], row["similarity"], row["threshold"])
                place = where[row["sample_id"]]
                found.setdefault(row["sample_id"], listed(faces, place, REASON, faces.dataset, *numbers))
    already = {row["sample_id"] for row in mine}
    return [found[sample] for sample in sorted(found) if sample not in already]


def _parts(faces: Faces, inside: Inside, gone: Sequence[Row], copied: bool) -> list[Row]:
    """All faces of the merged people of whom one part goes whole, each with the part it goes with.

    Numbers are those of the merge, where it joined just these two.
    """
    into, images = inside.into(faces.dataset), Counter(faces.identity)
    numbers = {
        pair: (row["similarity"], row["threshold"])
        for row in inside.merges
        if row["dataset"] == faces.dataset
        for pair in ((row["identity"], row["alike"]), (row["alike"], row["identity"]))
    }
    lost = Counter(row["identity"] for row in gone if copied or row["reason"] != DUPLICATE)
    people: dict[str, str] = {}
    for who in sorted(part for part in {*into, *into.values()} if lost[part] == images[part] > 0):
        people.setdefault(into.get(who, who), who)
    found = []
    for place, whose in enumerate(faces.identity):
        if whose is not None and (part := people.get(into.get(whose, whose))) is not None:
            about = numbers.get((whose, part), (None, None))
            found.append(listed(faces, place, MERGED, faces.dataset, part, *about))
    return found
