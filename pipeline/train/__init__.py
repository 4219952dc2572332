"""Training: batches that can be resumed, one loop, objectives, schedules and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def epochs_of(params: Mapping[str, Any], epochs: int | str, kind: str) -> int:
    """A number of epochs: `epochs` itself, or where it says `size`, what the chosen size gives to `kind`.

    `params` are a stage's declared params: their `sizes` hold the chosen size alone.
    """
    if epochs != "size":
        return int(epochs)
    sizes = params["sizes"]
    if len(sizes) != 1:
        raise ValueError(f"sizes: {', '.join(sizes)} are declared; a stage must see the chosen one alone")
    (name, size), *_ = sizes.items()
    if kind not in size["epochs"]:
        raise ValueError(f"sizes.{name}.epochs has no {kind!r}; it has {', '.join(size['epochs'])}")
    return int(size["epochs"][kind])
