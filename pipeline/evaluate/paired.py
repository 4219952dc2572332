"""Two models on the same pairs: list by list, and by their mean over the lists of a benchmark.

    d_l = accuracy_l(second) - accuracy_l(first)        d = mean of d_l over the lists l of a benchmark

Lists of one benchmark share people, often faces. One draw of people weighs the pairs of all its lists, so
that the interval of d knows of it; intervals of single lists can't be put together.
Tables are those of evaluations: KEYS, same, correct, score, person_a and person_b.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluate import intervals

KEYS = ["benchmark", "protocol", "fold", "a", "b"]


class DrawsError(ValueError):
    """Draws that can't be put together."""


def compare(
    first: pd.DataFrame, second: pd.DataFrame, draws: int = 1000, seed: int = 0, fars: Sequence[float] = ()
) -> list[dict[str, Any]]:
    """Second model against first, a row a benchmark and protocol: `intervals.paired`.

    Pairs that only one scored are left out and counted, whichever it was. `tars` are the paired differences
    of TAR at each of `fars`.
    """
    rows = []
    for (benchmark, protocol), part in both(first, second).groupby(["benchmark", "protocol"], sort=True):
        pairs = _pairs(part)
        right, right_second = (part[name].to_numpy(bool) for name in ("correct", "correct_second"))
        result = intervals.paired(right, right_second, pairs, draws, seed)
        if fars:
            ours, theirs = (part[name].to_numpy(np.float64) for name in ("score", "score_second"))
            result["tars"] = intervals.paired_tar(ours, theirs, pairs, fars, draws, seed)
        left_out = sum(
            int(((table["benchmark"] == benchmark) & (table["protocol"] == protocol)).sum()) - len(part)
            for table in (first, second)
        )
        rows.append({"benchmark": benchmark, "protocol": protocol, **result, "left_out": left_out})
    return rows


def means(
    first: pd.DataFrame, second: pd.DataFrame, draws: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """The same of the mean accuracy, a row a benchmark with two lists or more; every list counts the same."""
    rows = []
    for benchmark, part in both(first, second).groupby("benchmark", sort=True):
        if part["protocol"].nunique() > 1:
            counts = (int((table["benchmark"] == benchmark).sum()) for table in (first, second))
            left_out = sum(counts) - 2 * len(part)
            rows.append({"benchmark": benchmark, **_mean(part, draws, seed), "left_out": left_out})
    return rows


DRAWN, MATCHED = ["benchmark", "protocol", "measure"], ["key", "people"]


def read_draws(folder: Path) -> pd.DataFrame:
    """The draws of all that an evaluation has searched and split; empty where that is nothing."""
    paths = [folder / f"{name}_draws.parquet" for name in ("template", "search", "split")]
    tables = [pd.read_parquet(path) for path in paths if path.exists()]
    tables = [table for table in tables if len(table)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*DRAWN, *MATCHED])


def drawn(tables: Sequence[tuple[pd.DataFrame, pd.DataFrame]], seed: int = 0) -> list[dict[str, Any]]:
    """Second model against first in searches and splits, from tables of draws (`evaluate.resampled`).

    Each of `tables` is of people of its own (a world, a row of an experiment); a number is told where all of
    them have it, as the mean over them. Draws of other people can't be paired: such a number is left out.
    """
    parts, rng = [], np.random.default_rng(seed)
    for first, second in tables:
        both = first.merge(second, on=[*DRAWN, *MATCHED], suffixes=("", "_second"))
        sizes = dict.fromkeys(map(len, both["draws"] if len(both) else ()))
        orders = {size: rng.permutation(size) for size in sizes}  # protocols may draw more or less often
        for row in both.to_dict("records"):
            sampled = np.subtract(row["draws_second"], row["draws"])
            if len(tables) > 1:  # worlds of as many people have the same weights else
                sampled = sampled[orders[len(sampled)]]
            told = {name: row[name] for name in [*DRAWN, "people"]}
            told |= {"supported": row["supported"] and row["supported_second"], "sampled": sampled}
            parts.append({**told, "difference": row["value_second"] - row["value"]})
    answer = []
    for _, group in pd.DataFrame(parts).groupby(DRAWN, sort=False) if parts else ():
        if len(group) == len(tables):
            told = {name: group[name].iloc[0] for name in DRAWN}
            if len(sizes := dict.fromkeys(map(len, group["sampled"]))) > 1:
                raise DrawsError(
                    f"{' '.join(map(str, told.values()))}: {' and '.join(map(str, sizes))} draws: "
                    "a mean over rows needs as many in each; evaluate them with the same `bootstrap`"
                )
            mean = intervals.tested(float(group["difference"].mean()), np.mean(list(group["sampled"]), 0))
            counts = {"people": int(group["people"].sum()), "supported": bool(group["supported"].all())}
            answer.append({**told, **mean, **counts})
    return answer


def _mean(table: pd.DataFrame, draws: int, seed: int) -> dict[str, Any]:
    every = _pairs(table)
    table = table.assign(a=every.a, b=every.b)
    found, sampled = [], []
    for _, part in table.groupby("protocol", sort=True):
        same = part["same"].to_numpy(bool)
        pairs = intervals.Pairs(part["a"].to_numpy(), part["b"].to_numpy(), same, every.people)
        correct = part[["correct", "correct_second"]].to_numpy(bool).T
        found.append(correct[1].mean() - correct[0].mean())
        sampled.append(np.subtract(*intervals.accuracy_draws(correct, pairs, draws, seed)[::-1]))
    tested = intervals.tested(float(np.mean(found)), np.mean(sampled, 0))
    counts = {"pairs": len(table), "people": every.people}
    return {"protocol": f"mean of {len(found)} lists", **tested, **counts}


def _pairs(table: pd.DataFrame) -> intervals.Pairs:
    codes, _ = pd.factorize(pd.concat([table["person_a"], table["person_b"]], ignore_index=True))
    return intervals.Pairs(codes[: len(table)], codes[len(table) :], table["same"].to_numpy(bool))


def both(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The pairs that both tables have: the first one's rows, with `correct_second` and `score_second`."""
    keys = [*KEYS, "again"]  # a list may hold a pair twice
    first, second = (table.assign(again=table.groupby(KEYS).cumcount()) for table in (first, second))
    columns = [*keys, "correct", *(["score"] if "score" in second else [])]
    return first.merge(second[columns], on=keys, suffixes=("", "_second"), validate="one_to_one")
