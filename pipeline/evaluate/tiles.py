"""All pairs of a set of rows, a tile of the matrix product at a time: rows of one person stand together.

tile (r, c): <z_i, z_j> for i in r and j in c; on the diagonal half of a tile counts, each pair once
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, Int

BYTES = 64 * 2**20  # of scores of a tile


@dataclass(frozen=True)
class Tile:
    """Scores of some rows with some columns; `same` and `once` are None where all are impostors."""

    rows: slice
    columns: slice
    scores: npt.NDArray[np.float32]
    same: npt.NDArray[np.bool_] | None = None
    once: npt.NDArray[np.bool_] | None = None  # the half of a tile on the diagonal that counts


def tiles(unit: Float[np.ndarray, "n d"], code: Int[np.ndarray, " n"], size: int = BYTES) -> Iterator[Tile]:
    """All pairs of rows, whose people's numbers rise; tiles of at most `size` bytes (one score at least)."""
    side = max(1, int(np.sqrt(size / 4)))
    for top in range(0, len(unit), side):
        rows = slice(top, min(top + side, len(unit)))
        for left in range(top, len(unit), side):
            columns = slice(left, min(left + side, len(unit)))
            scores = unit[rows] @ unit[columns].T
            if code[rows][-1] < code[columns][0]:
                yield Tile(rows, columns, scores)
                continue
            same = code[rows][:, None] == code[columns][None]
            once = np.triu(np.ones(scores.shape, bool), 1) if top == left else np.ones(scores.shape, bool)
            yield Tile(rows, columns, scores, same, once)


def sorted_people(
    unit: Float[np.ndarray, "n d"], people: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], pd.Index]:
    """(rows, their people's numbers, names), one person's rows together: few tiles hold both kinds."""
    code, names = pd.factorize(np.asarray(people))
    if (code < 0).any():
        raise ValueError(f"row {int(np.argmax(code < 0))} has no identity: its pairs are of no kind")
    if (code[1:] < code[:-1]).any():
        order = np.argsort(code, kind="stable")
        unit, code = unit[order], code[order]
    return unit, code, pd.Index(names)
