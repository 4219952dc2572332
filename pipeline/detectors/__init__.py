"""Boxes and landmarks of faces: a detector finds the one face of a sample that counts.

Every plugin has `build(params, raw) -> Detector`: `raw` is the dataset's place on disk, where a file of
detections may lie. Coordinates are pixels of the sample's image, the centre of the first pixel at 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.records import Image, Sample

Points = npt.NDArray[np.float64]


class DetectorError(ValueError):
    """A detector that can't work at all: its weights or its file are not what they should be."""


@dataclass(frozen=True)
class Detection:
    """A face: box (4) x, y, width, height; points5 (5, 2) eyes, nose, mouth corners; None where unknown."""

    box: Points | None
    points5: Points | None
    score: float = 1.0


class Detector(Protocol):
    """`detect` gives the face of a sample or None; `absent` is the reason to state for None."""

    absent: str
    shared: bool  # may serve several threads at once

    def check(self, sample_ids: Sequence[str]) -> None:
        """Raise for what is wrong with the dataset as a whole, before any face is looked for."""

    def detect(self, sample: Sample, image: Image) -> Detection | None: ...
