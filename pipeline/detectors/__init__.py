"""Boxes and landmarks of faces: a detector finds every face of an image, one rule says which count.

    prominent   the face with the largest  sqrt(width height) - distance of its centre from the image's
    largest     the face with the largest  width height
    central     the face whose centre is nearest to the image's
    all         every face, the largest first

in pixels; of equals the first one. A face without a box has the box around its landmarks. Every plugin has
`build(params, raw) -> Detector`: `raw` is the dataset's place on disk, where a file of detections may lie.
Coordinates are pixels of the sample's image, the centre of the first pixel at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from pipeline import plugin
from pipeline.records import Image, Sample

Points = npt.NDArray[np.float64]
Faces = Literal["prominent", "largest", "central", "all"]  # of several in an image: which count


class DetectorError(ValueError):
    """A detector that can't work at all: its weights or its file are not what they should be."""


@dataclass(frozen=True)
class Detection:
    """A face: box (4) x, y, width, height; points5 (5, 2) eyes, nose, mouth corners; None where unknown."""

    box: Points | None
    points5: Points | None
    score: float = 1.0


class Detector(Protocol):
    """`detect` gives every face of a sample's image; `absent` is the reason to state where there is none."""

    absent: str
    shared: bool  # may serve several threads at once

    def check(self, sample_ids: Sequence[str]) -> None:
        """Raise for what is wrong with the dataset as a whole, before any face is looked for."""

    def detect(self, sample: Sample, image: Image) -> list[Detection]: ...


def choose(faces: Sequence[Detection], rule: Faces, width: int, height: int) -> list[Detection]:
    """Of the faces of an image of `width` x `height` pixels those that count, by `rule`."""
    if len(faces) < 2:
        return list(faces)
    boxes = np.stack([_extent(face) for face in faces])
    real = np.flatnonzero(np.isfinite(boxes).all(1) & (boxes[:, 2:] >= 0).all(1))
    if len(real) < len(faces):  # a net may give boxes that are none
        return choose([faces[row] for row in real.tolist()] or faces[:1], rule, width, height)
    size = np.sqrt(np.prod(boxes[:, 2:], 1))
    away = np.hypot(*(boxes[:, :2] + boxes[:, 2:] / 2 - [(width - 1) / 2, (height - 1) / 2]).T)
    if rule == "all":
        return [faces[row] for row in np.argsort(-size, kind="stable")]
    weight = {"prominent": size - away, "largest": size, "central": -away}[rule]
    return [faces[int(np.argmax(weight))]]


def _extent(face: Detection) -> Points:
    """Its box, else the one around its landmarks; nothing known is a point at the first pixel."""
    if face.box is not None or face.points5 is None:
        return np.zeros(4) if face.box is None else face.box
    low, high = face.points5.min(0), face.points5.max(0)
    return np.concatenate([low, high - low])


def maker(name: str, options: Mapping[str, Any], raw: Path) -> Callable[[], Detector]:
    """What gives each thread its detector: always the same where that serves several."""
    module = plugin.load("detectors", name)
    params = module.Params(**options)
    first: Detector = module.build(params, raw)
    return lambda: first if first.shared else module.build(params, raw)
