"""How blurred the faces of a dataset are: `pipeline.sharpness` of a sample that is the same every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline import records
from pipeline.report import images
from pipeline.sharpness import variance

SAMPLE = 2000  # faces that are decoded, spread evenly over the dataset
EDGES = tuple(base * 10**power for power in range(4) for base in (10, 16, 25, 40, 63))  # where bins begin
QUANTILES = (5, 25, 50, 75, 95)  # percent


@dataclass
class Sharpness:
    """What was measured: rows that could be decoded, and their values."""

    rows: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    unreadable: int = 0

    def told(self) -> dict[str, Any]:
        values = np.asarray(self.values)
        counts = np.bincount(np.digitize(values, EDGES), minlength=len(EDGES) + 1)
        quantiles = {str(q): round(float(np.percentile(values, q)), 2) for q in QUANTILES if len(values)}
        told = {"measured": len(values), "unreadable": self.unreadable, "quantiles": quantiles}
        return {**told, "edges": list(EDGES), "faces": counts.tolist()}


def sample(rows: int) -> list[int]:
    """The rows that are measured, of so many."""
    return images.spread(rows, SAMPLE)


def measure(dataset: records.Dataset, advance: Callable[[], None]) -> Sharpness:
    """v of the sample, one face in memory at a time. What is no image is counted (`as_is` crops may be)."""
    found = Sharpness()
    for row in sample(len(dataset)):
        try:
            found.values.append(variance(dataset.image(row)))
            found.rows.append(row)
        except records.BadImageError:
            found.unreadable += 1
        advance()
    return found
