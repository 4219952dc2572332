"""Any ONNX detector that gives boxes, scores and five landmarks, by the layout of its outputs.

    scrfd    scores, boxes, landmarks, each of every stride (8, 16, 32 with two anchors a place: 9 outputs;
             8 to 128 with one: 15), a row an anchor: 1, 4, 10 numbers, distances in strides from the place
                 corner = place -+ stride distance,   point = place + stride distance
             (https://arxiv.org/abs/2105.04714, insightface's layout)
    decoded  three outputs, a row a face: boxes (4), scores (1), landmarks (10), in pixels of the input or,
             with `units: share`, in shares of it; doubles are suppressed here, too

The image keeps its shape: it is shrunk to fit the input, laid at its top left, the rest is black. A file with
a free input size gets one of `size` pixels a side. Values are (v - mean) / std, RGB unless `colour` says BGR.
Against insightface's SCRFD class (7fadd42) on a net of random weights in its layout the largest difference is
2.5e-5 pixels; its own weights were not at hand.

Errors: `WeightsError` for a file that is absent, damaged, no ONNX, or of other inputs or outputs: with their
shapes, and those that the layout needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline import weights
from pipeline.detectors import Detection, Points
from pipeline.detectors._boxes import suppressed
from pipeline.records import Image, Sample
from pipeline.strict import Strict
from pipeline.weights import Checksum, WeightsError

KEY = "detectors.onnx.weights"
STRIDES = {9: ((8, 16, 32), 2), 15: ((8, 16, 32, 64, 128), 1)}  # outputs: strides, anchors of a place
WIDTHS = (1, 4, 10)  # of scores, boxes, landmarks
Raw = list[Points]


class Params(Strict):
    """Weights, what the file wants and gives, and when to believe it."""

    weights: str = "data/models/none"  # an .onnx
    sha256: Checksum = ""  # of that file
    layout: Literal["scrfd", "decoded"] = "scrfd"  # of its outputs
    image_size: int = Field(640, ge=32, le=4096)  # pixels a side of the input, where the file leaves it open
    mean: float = 127.5  # of values 0..255
    std: float = Field(128.0, gt=0)
    colour: Literal["rgb", "bgr"] = "rgb"
    # decoded: names of boxes, scores, landmarks; without, the file's three outputs in this order
    outputs: list[str] = Field(default=[], max_length=3)
    corners: bool = True  # decoded: boxes are x1, y1, x2, y2; else x, y, width, height
    units: Literal["pixels", "share"] = "pixels"  # decoded: of the input's pixels, or of its sides
    score: float = 0.5  # faces below are not seen
    overlap: float = 0.4  # of two boxes that overlap more, the weaker one goes


def scrfd(raw: Raw, size: tuple[int, int]) -> tuple[Points, Points, Points]:
    """Corners (n, 4), scores (n), landmarks (n, 5, 2) of what an input of `size` (width, height) gives."""
    strides, anchors = STRIDES[len(raw)]
    levels = len(strides)
    corners, points = [], []
    for level, stride in enumerate(strides):
        y, x = np.mgrid[: size[1] // stride, : size[0] // stride] * float(stride)
        place = np.repeat(np.stack([x, y], -1).reshape(-1, 2), anchors, 0)
        away, marks = raw[levels + level] * stride, raw[2 * levels + level] * stride
        corners.append(np.concatenate([place - away[:, :2], place + away[:, 2:]], 1))
        points.append(place[:, None] + marks.reshape(-1, 5, 2))
    return np.concatenate(corners), np.concatenate(raw[:levels])[:, 0], np.concatenate(points)


class OnnxDetector:
    """A session and how to read what it gives. Several threads may share it."""

    absent = "the ONNX detector finds no face"
    shared = True

    def __init__(self, path: Path, params: Params) -> None:
        self.path, self.params = path, params
        self.session = weights.session(path, KEY)
        self.size = self._input()
        self.names = [output.name for output in self.session.get_outputs()]
        if params.layout == "scrfd" and len(self.names) not in STRIDES:
            hint = "those of 6 or 10 give no landmarks" if len(self.names) in (6, 10) else ""
            self._wrong(f"has {len(self.names)} outputs, layout scrfd has 9 or 15", hint)
        if params.layout == "decoded":
            self.names = self._three()

    def _wrong(self, what: str, hint: str = "") -> None:
        values = [*self.session.get_inputs(), *self.session.get_outputs()]
        told = ", ".join(f"{value.name} {value.shape}" for value in values)
        raise WeightsError(f"{KEY}: {self.path} {what}{f' ({hint})' if hint else ''}; it has {told}")

    def _input(self) -> tuple[int, int]:
        """(width, height) of its one input."""
        inputs = self.session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(shape) != 4 or shape[1] != 3:
            self._wrong("should have one input, float (1, 3, height, width)")
        if shape[0] not in (1, None) and not isinstance(shape[0], str):
            self._wrong(f"takes {shape[0]} images at a time, should take one")
        height, width = (side if isinstance(side, int) else self.params.image_size for side in shape[2:])
        return width, height

    def _three(self) -> list[str]:
        """Names of boxes, scores and landmarks."""
        if not self.params.outputs and len(self.names) != 3:
            self._wrong(f"has {len(self.names)} outputs, layout decoded has 3", "name them: `outputs`")
        wanted = self.params.outputs or self.names
        unknown = [name for name in wanted if name not in self.names]
        if unknown or len(wanted) != 3:
            self._wrong(f"has no outputs {', '.join(wanted)}", "name boxes, scores and landmarks")
        return wanted

    def check(self, sample_ids: Sequence[str]) -> None:
        """Nothing to hold against a dataset as a whole."""

    def detect(self, sample: Sample, image: Image) -> list[Detection]:
        fed, grow = self._fed(image)
        values = self.session.run(self.names, {self.session.get_inputs()[0].name: fed})
        corners, scores, points = self._read([np.asarray(value, np.float64) for value in values])
        sure = scores >= self.params.score
        corners, scores, points = corners[sure] * np.tile(grow, 2), scores[sure], points[sure] * grow
        boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        kept = suppressed(corners, scores, self.params.overlap)
        return [Detection(boxes[row], points[row], float(scores[row])) for row in kept]

    def _fed(self, image: Image) -> tuple[Any, Points]:
        """The input (1, 3, height, width), and how much wider and higher the image is."""
        height, width = image.shape[:2]
        share = min(self.size[0] / width, self.size[1] / height)
        small = min(self.size[0], max(1, int(width * share))), min(self.size[1], max(1, int(height * share)))
        laid = np.zeros((self.size[1], self.size[0], 3), np.uint8)
        laid[: small[1], : small[0]] = cv2.resize(image, small, interpolation=cv2.INTER_LINEAR)
        laid = laid if self.params.colour == "rgb" else laid[:, :, ::-1]
        values = (laid.astype(np.float32) - np.float32(self.params.mean)) / np.float32(self.params.std)
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None]), np.array([width, height]) / small

    def _read(self, raw: Raw) -> tuple[Points, Points, Points]:
        """Corners, scores and landmarks in pixels of the input."""
        if self.params.layout == "scrfd":
            strides, anchors = STRIDES[len(raw)]
            rows = [anchors * (self.size[1] // side) * (self.size[0] // side) for side in strides]
            shapes = [(count, width) for width in WIDTHS for count in rows]
            return scrfd(self._shaped(raw, shapes), self.size)
        count = raw[1].size
        boxes, scores, points = self._shaped(raw, [(count, width) for width in (4, 1, 10)])
        if self.params.units == "share":
            boxes, points = boxes * np.tile(self.size, 2), points * np.tile(self.size, 5)
        if not self.params.corners:
            boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        return boxes, scores[:, 0], points.reshape(-1, 5, 2)

    def _shaped(self, raw: Raw, shapes: Sequence[tuple[int, int]]) -> Raw:
        """Outputs as tables, with or without an axis of images."""
        for name, value, (rows, width) in zip(self.names, raw, shapes, strict=True):
            if value.size != rows * width or (width > 1 and value.shape[-1] != width):
                self._wrong(f"gives {name} of shape {value.shape}, expected ({rows}, {width})")
        return [value.reshape(rows, width) for value, (rows, width) in zip(raw, shapes, strict=True)]


def build(params: Params, raw: Path) -> OnnxDetector:
    return OnnxDetector(weights.found(params.weights, KEY, params.sha256), params)
