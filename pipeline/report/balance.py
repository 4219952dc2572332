"""How evenly the faces of a dataset are spread over the five attributes and their cohorts.

    evenness   J = H / ln k,   H = - sum_i p_i ln p_i   over k groups

p_i is the share of group i among the faces whose group is known: J is 1 if all are equal, 0 if one has all
(Pielou, The measurement of diversity, https://doi.org/10.1016/0022-5193(66)90013-0). Everything is told by
one table of counts, so that the annotations are read once, a batch of rows at a time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline import annotators, files
from pipeline.report import datasets

SHAPE = tuple(size + 1 for size in annotators.SIZES.values())  # with `unknown` as 0 of every attribute
ROWS = 2**16  # annotations in memory at a time
EDGES = (1, 10, 100, 1000, 10_000, 100_000)  # where bins of the faces of a cohort begin
MOST = 5  # cohorts that are named
GROUPED = ("race", "gender", "age_group")  # of the table of groups: its rows, and its columns

Counts = npt.NDArray[np.int64]  # of SHAPE


def counts_of(path: Path) -> Counts:
    """Faces by the codes of all five attributes."""
    import pyarrow.parquet as pq

    found = np.zeros(int(np.prod(SHAPE)), np.int64)
    for batch in pq.ParquetFile(path).iter_batches(ROWS, columns=list(annotators.ATTRIBUTES)):
        codes = tuple(batch[name].to_numpy().astype(np.int64) + 1 for name in annotators.ATTRIBUTES)
        found += np.bincount(np.ravel_multi_index(codes, SHAPE), minlength=len(found))
    return found.reshape(SHAPE)


def evenness(counts: npt.NDArray[np.int64]) -> float | None:
    """J of the counts of groups; None where nobody is counted."""
    total = counts.sum()
    if not total:
        return None
    shares = counts[counts > 0] / total
    # adding 0 makes of the -0.0 of a single group a plain one
    return round(float(-(shares * np.log(shares)).sum() / np.log(counts.size)), 4) + 0.0


def attributes(counts: Counts) -> dict[str, dict[str, Any]]:
    """Attribute -> faces by name of its code, and their evenness, of each of which anything is known."""
    found = {}
    for axis, name in enumerate(annotators.ATTRIBUTES):
        others = tuple(other for other in range(len(SHAPE)) if other != axis)
        known = counts.sum(others)
        if known[1:].any():
            by_code = {code - 1: int(count) for code, count in enumerate(known)}
            bars = datasets.named(by_code, datasets.ATTRIBUTES[name])
            found[datasets.TITLES[name]] = {"faces": bars, "evenness": evenness(known[1:])}
    return found


def cohorts(counts: Counts) -> dict[str, Any]:
    """How many of all cohorts occur, how even they are, and how many have how many faces."""
    known = counts[(slice(1, None),) * len(SHAPE)]
    sizes = known.ravel()
    found: dict[str, Any] = {"of": annotators.COHORTS, "seen": int((sizes > 0).sum())}
    found |= {"faces": int(sizes.sum()), "unknown": int(counts.sum() - sizes.sum())}
    found |= {"evenness": evenness(sizes), "edges": list(EDGES)}
    found["cohorts"] = np.bincount(np.digitize(sizes, EDGES), minlength=len(EDGES) + 1).tolist()
    if sizes.any():
        codes = np.unravel_index(int(sizes.argmax()), known.shape)
        of_code = zip(annotators.ATTRIBUTES, codes, strict=True)
        named = {datasets.TITLES[name]: datasets.ATTRIBUTES[name][int(code)] for name, code in of_code}
        found["largest"] = {"faces": int(sizes.max()), **named}
        order = np.argsort(-sizes, kind="stable")[:MOST].tolist()
        found["most"] = [[cohort_name(number), int(sizes[number])] for number in order if sizes[number]]
    return found


def cohort_name(number: int) -> str:
    """ "20-49 years, male, Indian, pitch within 30°, yaw above 30°" of a cohort's number."""
    codes = annotators.codes_of(number)
    words = {name: datasets.ATTRIBUTES[name][code] for name, code in codes.items()}
    return ", ".join(f"{name} {word}" if name in ("pitch", "yaw") else word for name, word in words.items())


def agreement(path: Path) -> list[dict[str, Any]]:
    """Each two annotators and attribute of which both know faces: how often they say the same, and what else.

    Rows of the table are what the first says, columns what the second does, in the order of their names.
    Nothing without the file.
    """
    found = []
    for pair, attributes_ in (files.read_json(path) if path.exists() else {}).items():
        first, second = pair.split(", ")
        for name, told in attributes_.items():
            names = datasets.ATTRIBUTES[name]
            table = np.array(told["confusion"])[np.ix_(list(names), list(names))]
            found.append(
                {
                    "first": first,
                    "second": second,
                    "attribute": datasets.TITLES[name],
                    "names": list(names.values()),
                    "table": table.tolist(),
                    **{key: told.get(key) for key in ("faces", "equal", "kappa", "degrees")},
                }
            )
    return found


def groups(counts: Counts) -> dict[str, Any] | None:
    """Faces by race, and by gender and age in it, of those of whom all three are known; None without any."""
    axes = [annotators.ATTRIBUTES.index(name) for name in GROUPED]
    rest = tuple(axis for axis in range(len(SHAPE)) if axis not in axes)
    kept = sorted(axes)
    table = counts.sum(rest).transpose([kept.index(axis) for axis in axes])[1:, 1:, 1:]
    if not table.any():
        return None
    races, genders, ages = (datasets.ATTRIBUTES[name] for name in GROUPED)
    columns = [f"{gender}, {age}" for gender in genders.values() for age in ages.values()]
    rows = {
        race: [int(table[code, gender, age]) for gender in genders for age in ages]
        for code, race in races.items()
    }
    return {"columns": columns, "rows": rows, "evenness": evenness(table)}
