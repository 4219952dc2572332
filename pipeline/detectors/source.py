"""The box and landmarks that came with the sample; five points of its 68 where it has only those."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.detectors import Detection
from pipeline.geometry import five_of_68
from pipeline.records import Image, Sample
from pipeline.strict import Strict


class Params(Strict):
    """Nothing to choose."""


class SourceDetector:
    """What the source knows."""

    absent = "the source gives neither box nor landmarks"
    shared = True

    def check(self, sample_ids: Sequence[str]) -> None:
        """Nothing to hold against a dataset as a whole."""

    def detect(self, sample: Sample, image: Image) -> list[Detection]:
        points = None
        if sample.points5 is not None:
            points = np.asarray(sample.points5, np.float64).reshape(5, 2)
        elif sample.points68 is not None:
            points = five_of_68(np.asarray(sample.points68, np.float64))
        box = None if sample.box is None else np.asarray(sample.box, np.float64)
        return [] if points is None and box is None else [Detection(box, points)]


def build(params: Params, raw: Path) -> SourceDetector:
    return SourceDetector()
