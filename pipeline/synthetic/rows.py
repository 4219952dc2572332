"""Tables with a row an image, read pixel by pixel.

Shapes: b images, f pixels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Int
from torch import Tensor


class Rows:
    """`rows.name` is the value of every pixel's image: (f), or (f, k) where the table has columns."""

    def __init__(self, tables: Mapping[str, Tensor], image: Int[Tensor, "f"]) -> None:
        self._tables, self._image, self._known = tables, image, dict[str, Tensor]()

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._known:
            table = self._tables[name]
            if table.dim() == 1:
                self._known[name] = table.index_select(0, self._image)
            else:  # column by column: picking rows of a few numbers is several times slower
                self._known[name] = (
                    table.flatten(1).t().index_select(1, self._image).t().unflatten(1, table.shape[1:])
                )
        return self._known[name]

    def any(self, name: str) -> bool:
        """Whether the value is above 0 in any image."""
        return bool((self._tables[name] > 0).any())

    def at(self, rows: Tensor) -> Rows:
        """The same of some pixels."""
        return Rows(self._tables, self._image.index_select(0, rows))

    def looked_up(self, name: str, column: Int[Tensor, "f"]) -> Tensor:
        """One column of a table (b, k) for every pixel."""
        table = self._tables[name]
        return table.reshape(-1).index_select(0, torch.add(column, self._image, alpha=table.shape[1]))
