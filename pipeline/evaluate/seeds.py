"""Runs that differ by their seed alone, as one: mean and spread (standard deviation of a sample) over them.

A key is a seed if it is `seed` or ends in `_seed`, wherever it stands; a dotted key by its last part. One of
them, `world_seed`, makes other people and photographs: a spread over worlds holds that of the test, too.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

WORLD = "world_seed"


def without_seeds(value: Any) -> Any:
    """A tree of params, or of changes to them, less its seeds."""
    if isinstance(value, Mapping):
        return {key: without_seeds(inner) for key, inner in value.items() if not is_seed(str(key))}
    return [without_seeds(inner) for inner in value] if isinstance(value, list) else value


def is_seed(key: str) -> bool:
    last = key.rpartition(".")[2]
    return last == "seed" or last.endswith("_seed")


def same_but_seeds(*parts: Any) -> str:
    """Equal for what differs by seeds alone."""
    return json.dumps([without_seeds(part) for part in parts], sort_keys=True, default=str)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Mean, standard deviation of a sample and count of two numbers or more."""
    if len(values) < 2:
        raise ValueError(f"{len(values)} value: a spread needs two or more")
    return {"mean": statistics.fmean(values), "std": statistics.stdev(values), "runs": len(values)}


def aggregate(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One row of several runs: what is equal in all stays, floats become `spread`, the rest is left out.

    A number that some runs lack, or have as None, is the spread of those that have it, and says of how many.
    """
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows]
        numbers = [value for value in values if isinstance(value, float)]
        if numbers and all(value is None or isinstance(value, float) for value in values):
            if len(numbers) > 1:
                found[key] = spread(numbers)
        elif all(key in row and value == values[0] for row, value in zip(rows, values, strict=True)):
            found[key] = values[0]
    return found
