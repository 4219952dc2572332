"""Random numbers that belong to one person or one photograph, drawn side by side.

Every row has a generator of its own, seeded by a hash of what the row is, so that a row's numbers do
not depend on which other rows are drawn with it. Numbers are drawn once into tables and handed out
column by column: the order of the calls is part of the world.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

COLUMNS = 128


class Draws:
    """`rows` generators and the columns drawn from each."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [np.random.Generator(np.random.PCG64(seed)) for seed in seeds]
        uniform = [g.random(COLUMNS, dtype=np.float32) for g in self.generators]
        normal = [g.standard_normal(COLUMNS, dtype=np.float32) for g in self.generators]
        self._uniform = torch.from_numpy(np.stack(uniform))
        self._normal = torch.from_numpy(np.stack(normal))
        self._used = {"uniform": 0, "normal": 0}

    def __len__(self) -> int:
        return len(self.generators)

    def _next(self, kind: str, count: int) -> Tensor:
        start = self._used[kind]
        if start + count > COLUMNS:
            raise IndexError(f"more than {COLUMNS} {kind} numbers a row asked for: raise COLUMNS")
        self._used[kind] = start + count
        return (self._uniform if kind == "uniform" else self._normal)[:, start : start + count]

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Float[Tensor, "rows"]:
        return self._next("uniform", 1)[:, 0] * (high - low) + low

    def uniforms(self, count: int) -> Float[Tensor, "rows count"]:
        return self._next("uniform", count)

    def normal(self) -> Float[Tensor, "rows"]:
        return self._next("normal", 1)[:, 0]

    def normals(self, count: int) -> Float[Tensor, "rows count"]:
        return self._next("normal", count)

    def chance(self, probability: float | Tensor) -> Float[Tensor, "rows"]:
        """1 with the given probability, else 0."""
        return (self.uniform() < probability).float()

    def choice(self, shares: Float[Tensor, "rows options"]) -> Int[Tensor, "rows"]:
        """An option's index, with probabilities proportional to the row's shares."""
        edges = (shares / shares.sum(1, keepdim=True)).cumsum(1)
        picked = (self.uniform()[:, None] >= edges).sum(1)
        return picked.clamp(max=shares.shape[1] - 1)
