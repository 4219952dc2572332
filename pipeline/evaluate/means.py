"""Two models by their mean accuracy over the lists of a benchmark.

    d = mean over lists l of accuracy_l(second) - accuracy_l(first)

Lists of one benchmark share people, often faces. One draw of people weighs the pairs of all its lists, so
that the interval of d knows of it; intervals of single lists can't be put together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipeline.evaluate import intervals


def compare(
    first: pd.DataFrame, second: pd.DataFrame, draws: int = 1000, seed: int = 0
) -> list[dict[str, Any]]:
    """A row a benchmark with two lists or more, from two evaluations' score tables as `intervals.compare`.

    The protocol is named "mean of N lists", every list counts the same; difference, low, high, p, pairs,
    people as in `intervals.paired`.
    """
    table = intervals.both(first, second)
    grouped = table.groupby("benchmark", sort=True)
    return [
        {"benchmark": benchmark, **_mean(part, draws, seed)}
        for benchmark, part in grouped
        if part["protocol"].nunique() > 1
    ]


def _mean(table: pd.DataFrame, draws: int, seed: int) -> dict[str, Any]:
    codes, people = pd.factorize(pd.concat([table["person_a"], table["person_b"]], ignore_index=True))
    table = table.assign(a=codes[: len(table)], b=codes[len(table) :])
    found, sampled = [], []
    for _, part in table.groupby("protocol", sort=True):
        pairs = intervals.Pairs(
            part["a"].to_numpy(), part["b"].to_numpy(), part["same"].to_numpy(bool), len(people)
        )
        correct = part[["correct", "correct_second"]].to_numpy(bool).T
        found.append(correct[1].mean() - correct[0].mean())
        sampled.append(np.subtract(*intervals.accuracy_draws(correct, pairs, draws, seed)[::-1]))
    tested = intervals.tested(float(np.mean(found)), np.mean(sampled, 0))
    return {
        "protocol": f"mean of {len(found)} lists",
        **tested,
        "pairs": len(table),
        "people": len(people),
        "left_out": 0,
    }
