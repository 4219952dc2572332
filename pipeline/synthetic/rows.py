"""Tables with a row an image, as one array of records: `found[row].name` in compiled loops.

Shapes: b images.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from torch import Tensor

from pipeline.compiled import Array

Row = Any  # one record; mypy knows no fields


def records(tables: Mapping[str, Tensor]) -> Array:
    """The record of every image (b), with the tables' names; numbers are float64 or int64."""
    values = {
        name: table.numpy().astype(np.float64 if table.is_floating_point() else np.int64)
        for name, table in tables.items()
    }
    fields = tuple((name, value.dtype.str, value.shape[1:]) for name, value in values.items())
    found = np.empty(len(next(iter(values.values()))), _kind(fields))
    for name, value in values.items():
        found[name] = value
    return found


@lru_cache(maxsize=8)
def _kind(fields: tuple[tuple[str, str, tuple[int, ...]], ...]) -> np.dtype:
    """Always the same object: compiled loops know it by what it is."""
    return np.dtype(list(fields), align=True)
