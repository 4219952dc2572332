"""Training: batches that can be resumed, one loop, objectives, schedules and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.sizes import sized


def epochs_of(params: Mapping[str, Any], epochs: int | str, kind: str) -> int:
    """A number of epochs: `epochs` itself, or where it says `size`, what the chosen size gives to `kind`.

    `params` are a stage's declared params: their `sizes` hold the chosen size alone.
    """
    return int(sized(params, epochs, "epochs", kind))


def outcome(curves: Sequence[Mapping[str, float]]) -> str:
    """The last epoch in one line: "8 epochs, loss 7.02, validation/auc 0.848"."""
    last = {name: value for name, value in curves[-1].items() if name not in ("epoch", "rate")}
    return ", ".join([f"{len(curves)} epochs", *(f"{name} {value:.4g}" for name, value in last.items())])
