"""What is told of searches beside their numbers: intervals over people, draws for paired tests, CMC curves.

A measure's name is the same here, in the report and in `compare`: "rank 1", "TPIR20 at FPIR 0.1", "rank 1
among 10,000 distractors", "TAR at FAR 0.01 in the gallery". A number that could not be told has neither
interval nor draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float

from pipeline.evaluate import identify, intervals, resampled
from pipeline.evaluate.resampled import Draws, People
from pipeline.protocols import Asked

CURVE = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50)  # ranks of a CMC as it is drawn
Curve = dict[str, list[float | None]]
Searched = Sequence[tuple[identify.Found, npt.NDArray[Any]]]  # what was found, and whose the probes are


def people_of(names: Sequence[npt.NDArray[Any]], draws: int, seed: int) -> People | None:
    return People.of(np.concatenate(list(names)), draws, seed) if draws else None


def open_set(rank: int) -> str:
    return "TPIR at FPIR" if rank == 1 else f"TPIR{rank} at FPIR"


def searches(
    found: Searched, each: Mapping[str, dict[str, Any]], mean: dict[str, Any], asked: Asked, seed: int
) -> tuple[Curve, pd.DataFrame]:
    """(CMC of the galleries' mean, its draws); adds intervals to the numbers of `each` gallery and `mean`."""
    at = [k for k in CURVE if k <= max(one.gallery for one, _ in found)]
    value = np.mean([list(identify.cmc(one, at).values()) for one, _ in found], 0)
    people = people_of([names for _, names in found], asked.bootstrap, seed)
    if people is None:
        return curve(at, value, None), Draws(None).table()
    sampled = [_sampled(one, people.number(names), asked, people, at) for one, names in found]
    for numbers, mine in zip(each.values(), sampled, strict=True):
        _add_ends(numbers, mine, asked)
    whole = {name: np.mean([one[name] for one in sampled], 0) for name in sampled[0]}
    _add_ends(mean, whole, asked)
    draws = Draws(people)
    for k, rank in enumerate(asked.ranks):
        draws.add(f"rank {rank}", mean["cmc"][rank], whole["cmc"][k])
    for k, tpir in enumerate(mean["tpir"]):
        supported = all(one["tpir"] and one["tpir"][k]["supported"] for one in each.values())
        measure = f"{open_set(asked.open_rank)} {tpir['fpir']:g}"
        draws.add(measure, tpir["tpir"], whole["tpir"][k], supported)
    return curve(at, value, whole["curve"]), draws.table()


def _sampled(
    found: identify.Found, person: npt.NDArray[np.int64], asked: Asked, people: People, at: Sequence[int]
) -> dict[str, npt.NDArray[np.float64]]:
    """Draws of one gallery's numbers."""
    answer = {
        "cmc": resampled.cmc(found.rank, person, asked.ranks, people),
        "curve": resampled.cmc(found.rank, person, at, people),
        "tpir": np.full((len(asked.fpirs), people.draws), np.nan),
    }
    if not found.mated.all():
        answer["tpir"] = resampled.tpir(found, person, asked.fpirs, asked.open_rank, people)
    return answer


def _add_ends(
    numbers: dict[str, Any], sampled: Mapping[str, Float[np.ndarray, "n draws"]], asked: Asked
) -> None:
    ends = resampled.ends(dict(zip(asked.ranks, sampled["cmc"], strict=True)))
    numbers |= {f"cmc_{side}": ends[side] for side in ("low", "high")}
    for tpir, draws in zip(numbers["tpir"], sampled["tpir"], strict=False):
        known = (
            resampled.ends({0: draws}) if tpir["tpir"] is not None else {"low": {0: None}, "high": {0: None}}
        )
        tpir |= {side: known[side][0] for side in ("low", "high")}


def curve(
    at: Sequence[int], value: Float[np.ndarray, " n"], sampled: Float[np.ndarray, "n draws"] | None
) -> Curve:
    """A mean line and the band around it."""
    ends: dict[str, dict[Any, float | None]] = {"low": {}, "high": {}}
    if sampled is not None:
        ends = resampled.ends(dict(enumerate(sampled)))
    band = {side: [ends[side].get(k) for k in range(len(at))] for side in ("low", "high")}
    return {"at": [float(k) for k in at], "share": np.asarray(value, float).tolist(), **band}


def distractors(
    found: dict[str, Any], people: npt.NDArray[Any], ranks: Sequence[int], draws: int, seed: int
) -> tuple[Curve, pd.DataFrame]:
    """(rank 1 over the number of distractors, draws); adds `rows`, a row a number of distractors, to `found`.

    A pair of faces weighs as much as their person; distractors are not drawn. With `impostors` in `found`
    TARs have intervals, too: of all probes, of which some may have no mate.
    """
    sizes = list(found["cmc"])
    rows = [{"distractors": n, **{f"rank_{k}": v for k, v in found["cmc"][n].items()}} for n in sizes]
    found["rows"] = rows
    first = np.asarray([found["cmc"][n][min(ranks)] for n in sizes])
    whose = people[found["probe"]]
    everyone = people_of([whose], draws, seed)
    if everyone is None:
        return curve(sizes, first, None), Draws(None).table()
    person, table, lowest = everyone.number(whose), Draws(everyone), []
    for n, row in zip(sizes, rows, strict=True):
        sampled = resampled.cmc(found["ranks"][n], person, ranks, everyone)
        ends = resampled.ends({f"rank_{k}": one for k, one in zip(ranks, sampled, strict=True)})
        row |= ends
        for k, one in zip(ranks, sampled, strict=True):
            table.add(f"rank {k} among {n:,} distractors", found["cmc"][n][k], one)
        lowest.append(sampled[list(ranks).index(min(ranks))])
    tables = [table.table()]
    if "impostors" in found:
        probes = people_of([people], draws, seed) or everyone
        tars = Draws(probes)
        where = f" among {sizes[-1]:,} distractors"
        add_tars(found["tar_at_far"], _probed(found, probes.number(people), sizes[-1]), probes, tars, where)
        tables.append(tars.table())
    return curve(sizes, first, np.stack(lowest)), pd.concat(tables, ignore_index=True)


def _probed(found: dict[str, Any], person: npt.NDArray[np.int64], distractors: int) -> resampled.Probed:
    """Pairs of two probes once each, and those of every probe with every distractor."""
    once = found["probe"] < found["mate"]
    scores, rows = found["impostors"]
    count = np.bincount(person) * distractors
    whole = len(scores) == len(person) * distractors
    own = person[found["probe"][once]]
    return resampled.Probed(found["score"][once], own, scores, person[rows], count, whole)


def add_tars(
    rows: Sequence[dict[str, Any]], pairs: resampled.Probed, people: People, draws: Draws, where: str
) -> None:
    """Adds intervals to TARs at FARs of probes, and their draws; `where` ends a measure's name.

    A FAR that no TAR could be told at, or for which too many impostors would be looked at, has none.
    """
    measurable = [row["far"] for row in rows if row["tar"] is not None]
    fars = resampled.reach(measurable, int(pairs.count.sum()))
    sampled = dict(zip(fars, resampled.tar(pairs, fars, people), strict=True))
    for row in rows:
        found = sampled.get(row["far"])
        low, high = (None if found is None else intervals.interval(found)) or (None, None)
        row |= {"low": low, "high": high}
        if found is not None:
            draws.add(f"TAR at FAR {row['far']:g}{where}", row["tar"], found, row["supported"])
