"""Training: batches that can be resumed, one loop, objectives, schedules and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.sizes import sized


def epochs_of(params: Mapping[str, Any], epochs: int | str, kind: str) -> int:
    """A number of epochs: `epochs` itself, or where it says `size`, what the chosen size gives to `kind`.

    `params` are a stage's declared params: their `sizes` hold the chosen size alone.
    """
    return int(sized(params, epochs, "epochs", kind))
