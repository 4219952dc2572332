"""Numbers of pooled templates: pairs of them 1:1, searches in galleries and among distractors.

Each is made of `curves`, `identify` and `distractors`; identities say who is whom. Tables have a row a
pair, or a probe: its mate's score and rank (no score, 0: none in the gallery), the best other score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.evaluate import curves, distractors, identify, intervals, reported, scored, templates, vectors
from pipeline.evaluate.resampled import Probed, reach
from pipeline.evaluate.streaming import HighestRows, StreamingRoc
from pipeline.protocols import Asked, Pooled, Searched, Verified

BYTES = 64 * 2**20  # of scores held at a time
ROWS = 8192  # distractors handed over at a time
ENROLLED, PROBES = ("gallery", "distractor"), ("mated", "unmated")


def pool(
    embeddings: Float[np.ndarray, "images 2 d"], members: pd.DataFrame, flip: vectors.Flip, keep_norm: bool
) -> Pooled:
    """One vector a template, from the embeddings of `members` (template, identity, media) row by row."""
    first = members.drop_duplicates("template").sort_values("template")
    names = pd.Index(first["template"])
    code = names.get_indexer(pd.Index(members["template"]))
    media, _ = pd.factorize(members["media"])
    faces = members["sample_id"].tolist() if "sample_id" in members else None
    made = templates.pool(embeddings, code, media, flip=flip, keep_norm=keep_norm, names=faces)
    return Pooled(names, first["identity"].to_numpy(object), made.unit)


def verify(pooled: Pooled, pairs: pd.DataFrame, fars: Sequence[float], draws: int, seed: int) -> Verified:
    """1:1 of pairs (fold, a, b, same) of templates: TAR at FAR with intervals of `draws` draws, EER, AUC.

    A list in several folds has an accuracy, too, by thresholds of the other folds.
    """
    a, b = (pooled.rows(pairs[side]).astype(np.int32) for side in ("a", "b"))
    scores = vectors.cosine(pooled.unit, a, b)
    who = intervals.joined(pooled.names, pooled.people, a, b, pairs["same"].to_numpy(bool))
    del a, b
    curve = curves.roc(scores, who.same)
    metrics: dict[str, Any] = {
        "tar_at_far": scored.tars(curve, scores, who, fars, draws, seed),
        "eer": curves.eer(curve),
        "auc": curves.auc(curve),
        "genuine": curve.genuine,
        "impostors": curve.impostors,
        "people": who.people,
    }
    columns: dict[str, Any] = {name: pairs[name] for name in ("fold", "a", "b", "same")}
    columns["score"] = scores.astype(np.float32, copy=False)
    if pairs["fold"].nunique() > 1:
        accuracy, columns["correct"] = scored.in_folds(scores, pairs["fold"].to_numpy(), who, draws, seed)
        identity = dict(zip(pooled.names, pooled.people, strict=True))
        metrics |= accuracy | scored.people_in_folds(pairs, who, identity, given=True)
    table = pd.DataFrame({**columns, "person_a": who.a, "person_b": who.b}, copy=False)
    return Verified(metrics, table, scored.thin(curve))


def search(pooled: Pooled, galleries: Mapping[str, pd.DataFrame], asked: Asked, seed: int = 0) -> Searched:
    """1:N of each list (role, template) and the lists' mean: CMC, TPIR at FPIR, with intervals over people.

    With `asked.fars` also TAR at FAR of every probe with every entry.
    """
    answer, tables, found, crossed = {}, [], [], {}
    for name, rows in galleries.items():
        probes, entries = (rows[rows["role"].isin(roles)] for roles in (PROBES, ENROLLED))
        sought, enrolled = pooled.rows(probes["template"]), pooled.rows(entries["template"])
        sides = pooled.unit[sought], pooled.people[sought], pooled.unit[enrolled], pooled.people[enrolled]
        one = identify.search(*sides)
        answer[name] = identify.measured(one, asked.ranks, asked.fpirs, asked.open_rank)
        answer[name]["open_rank"] = asked.open_rank
        if asked.fars:
            answer[name]["tar_at_far"], crossed[name] = tar_at_far(*sides, asked, seed)
        tables.append(_probes(probes, one).assign(gallery=name))
        found.append((one, pooled.people[sought]))
    mean = identify.mean(list(answer.values()), asked.ranks, asked.fpirs)
    curve, draws = reported.searches(found, answer, mean, asked, seed)
    if len(galleries) == 1:  # of several there is no mean of TARs, whose draws would be told
        draws = pd.concat([draws, *crossed.values()], ignore_index=True)
    named = {name: _named(numbers) for name, numbers in answer.items()}
    metrics = {"galleries": named, "mean": _named(mean)}
    return Searched(metrics, pd.concat(tables, ignore_index=True), draws, curve)


def _probes(probes: pd.DataFrame, found: identify.Found) -> pd.DataFrame:
    return probes[["template", "role"]].assign(
        rank=found.rank, score=np.where(found.mated, found.mate, np.nan).astype(np.float32), other=found.other
    )


def _named(numbers: dict[str, Any]) -> dict[str, Any]:
    """The CMC, and the ends of its intervals, with keys that JSON has: rank_1."""
    ranked = [name for name in ("cmc", "cmc_low", "cmc_high") if name in numbers]
    return {**numbers, **{name: {f"rank_{k}": v for k, v in numbers[name].items()} for name in ranked}}


def tar_at_far(
    probes: Float[np.ndarray, "p d"],
    probe_people: npt.NDArray[Any],
    gallery: Float[np.ndarray, "g d"],
    gallery_people: npt.NDArray[Any],
    asked: Asked,
    seed: int = 0,
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """(TAR at each FAR of every probe with every gallery entry, with intervals; their draws).

    A block of scores at a time; people of the probes are drawn, the gallery stays.
    """
    people, _ = pd.factorize(np.concatenate([probe_people, gallery_people]))
    mine, theirs = people[: len(probes)], people[len(probes) :]
    roc, height = StreamingRoc(), max(1, BYTES // (4 * len(gallery)))
    everyone = reported.people_of([probe_people], asked.bootstrap, seed)
    kept = _kept(asked.fars, len(probes) * len(gallery)) if everyone else 0
    highest, genuine = HighestRows(kept) if kept else None, []
    others = np.zeros(len(probes), np.int64)  # entries of other people, of each probe
    for start in range(0, len(probes), height):
        part = slice(start, start + height)
        scores, same = probes[part] @ gallery.T, mine[part, None] == theirs
        roc.add(scores.ravel(), same.ravel())
        if highest is not None:
            row, column = np.nonzero(same)
            genuine.append((scores[row, column], row + start))
            others[part] = (~same).sum(1)
            highest.add(np.where(same, -np.inf, scores), start)
    rows, draws = [roc.tar_at_far(far) for far in asked.fars], reported.Draws(everyone)
    if highest is not None and everyone is not None:
        person, (scores, of) = everyone.number(probe_people), highest.found
        own, probe = (np.concatenate(each) for each in zip(*genuine, strict=True))
        count = np.bincount(person, others, len(everyone.names)).astype(np.int64)
        pairs = Probed(own, person[probe], scores, person[of], count, len(scores) == count.sum())
        reported.add_tars(rows, pairs, everyone, draws, " in the gallery")
    return rows, draws.table()


def _kept(fars: Sequence[float], impostors: int) -> int:
    """How many of the impostors' highest scores the draws of these FARs ask for."""
    return max((intervals.highest(far, impostors) for far in reach(fars, impostors)), default=0)


def among_distractors(
    pooled: Pooled,
    rows: pd.DataFrame,
    sizes: Sequence[int],
    ranks: Sequence[int],
    fars: Sequence[float],
    draws: int = 0,
    seed: int = 0,
) -> Searched:
    """MegaFace of one list (role, template): `distractors.megaface`, distractors in the list's order."""
    others = pooled.rows(rows["template"][rows["role"] == "distractor"])
    faces = rows["template"][rows["role"].isin(["gallery", "mated"])]
    place = pooled.rows(faces)
    kept = _kept(fars, len(place) * max(sizes)) if draws else 0
    found = distractors.megaface(
        pooled.unit[place], pooled.people[place], _blocks(pooled.unit, others), sizes, ranks, fars, kept
    )
    names = faces.to_numpy(object)
    table = pd.DataFrame({"template": names[found["probe"]], "mate": names[found["mate"]]})
    curve, sampled = reported.distractors(found, pooled.people[place], ranks, draws, seed)
    numbers = {key: found[key] for key in ("pairs", "probes")}
    metrics = {**numbers, "cmc": found["rows"], "tar_at_far": found["tar_at_far"]}
    return Searched(metrics, table.assign(score=found["score"], rank=found["rank"]), sampled, curve)


def _blocks(
    unit: Float[np.ndarray, "templates d"], rows: npt.NDArray[np.int64]
) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(rows), ROWS):
        yield unit[rows[start : start + ROWS]]
