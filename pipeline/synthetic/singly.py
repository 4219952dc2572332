"""Functions of numbers, one number at a time: nothing may depend on which others stand beside it.

torch's powers, exponentials and matrix products work on several numbers at once and on those left over
singly, and the two round differently: so a row's last digit would depend on its place in the batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.compiled import Array, compiled


def singly(function: Callable[[float], float], values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """`function`, worked out in float64, of every number."""
    found = [function(value) for value in values.flatten().tolist()]
    return torch.tensor(found, dtype=values.dtype).view(values.shape)


def powers(values: Float[Tensor, "*any"], exponent: float) -> Float[Tensor, "*any"]:
    """`values`, none below 0, to a power."""
    return singly(lambda value: value**exponent, values)


def below(score: float) -> float:
    """The share of all normal numbers that are below `score`."""
    return 0.5 * math.erfc(-score / math.sqrt(2))


def product(rows: Float[Tensor, "p m"], matrix: Float[Tensor, "m n"]) -> Float[Tensor, "p n"]:
    """rows @ matrix, summed in the order of m for every row."""
    found = np.zeros((len(rows), matrix.shape[1]), np.float32)
    _product(rows.numpy(), matrix.numpy(), found)
    return torch.from_numpy(found)


@compiled
def _product(rows: Array, matrix: Array, found: Array) -> None:
    for row in range(len(rows)):
        for inner in range(len(matrix)):
            for column in range(matrix.shape[1]):
                found[row, column] += rows[row, inner] * matrix[inner, column]
