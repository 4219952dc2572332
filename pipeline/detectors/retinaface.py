"""RetinaFace on MobileNet x0.25 (https://arxiv.org/abs/1905.00641): a box, five landmarks and a score a face.

    box     centre = prior centre + 0.1 offset prior side,   side = prior side exp(0.2 offset)
    point   = prior centre + 0.1 offset prior side
    score   softmax of (nothing, face)

The net is the one of biubug6/Pytorch_Retinaface (b984b4b), with its names of parameters, so that its
mobilenet0.25_Final.pth loads as it is (a prefix `module.` is dropped). Input: BGR less (104, 117, 123), any
size. The same authors' Face-Detector-1MB-with-landmark (2b07565) has the same net and names, but ReLU for
leaky ReLU and other priors: nothing in a file tells the two apart, and the wrong `release` sees faces where
none are (on LFW-a landmarks were off by 75 pixels). Sides of priors every 8, 16, 32 pixels:

    retinaface    16, 32    64, 128    256, 512        slope 0.1
    face_1mb      10, 20    32, 64     128, 256        slope 0

Beside the released code of each on 12 LFW-a images, with one file of weights, the raw outputs are equal; the
largest difference of a box or landmark after suppression is 3.1e-5 pixels.

Errors: `WeightsError` for weights that are absent, damaged or another net's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline import weights
from pipeline.detectors import Detection, Points
from pipeline.detectors._boxes import detection, shrunk, suppressed
from pipeline.records import Image, Sample
from pipeline.strict import Strict
from pipeline.weights import Checksum

MEAN = (104.0, 117.0, 123.0)  # of BGR
VARIANCE = (0.1, 0.2)
Release = Literal["retinaface", "face_1mb"]
PRIORS: Mapping[Release, Mapping[int, tuple[int, int]]] = {  # stride: sides, pixels
    "retinaface": {8: (16, 32), 16: (64, 128), 32: (256, 512)},
    "face_1mb": {8: (10, 20), 16: (32, 64), 32: (128, 256)},
}
SLOPE: Mapping[Release, float] = {"retinaface": 0.1, "face_1mb": 0.0}  # of the leaky ReLUs


class Params(Strict):
    """Weights and when to believe them."""

    weights: str = "data/models/none"  # mobilenet0.25_Final.pth, or another state dict of this net
    release: Release = "retinaface"  # whose weights: Pytorch_Retinaface or Face-Detector-1MB-with-landmark
    sha256: Checksum = ""  # of that file
    score: float = 0.6  # faces below are not seen
    overlap: float = 0.4  # of two boxes that overlap more, the weaker one goes
    longest: int = 640  # pixels of the longer side above which a smaller copy is searched


def priors(height: int, width: int, release: Release) -> Points:
    """(n, 3) centre x, y and side of every prior of an image, in pixels."""
    found = []
    for stride, sides in PRIORS[release].items():
        rows, columns = -(-height // stride), -(-width // stride)
        y, x, side = np.meshgrid(np.arange(rows), np.arange(columns), np.array(sides), indexing="ij")
        found.append(np.stack([(x + 0.5) * stride, (y + 0.5) * stride, side], -1).reshape(-1, 3))
    return np.concatenate(found).astype(np.float64)


def decode(boxes: Points, points: Points, anchors: Points) -> tuple[Points, Points]:
    """(n, 4) corners x1, y1, x2, y2 and (n, 5, 2) landmarks of raw (n, 4), (n, 10) at priors (n, 3)."""
    centre, side = anchors[:, :2], anchors[:, 2:]
    middle = centre + VARIANCE[0] * side * boxes[:, :2]
    half = side * np.exp(VARIANCE[1] * boxes[:, 2:]) / 2
    marks = centre[:, None] + VARIANCE[0] * side[:, None] * points.reshape(-1, 5, 2)
    return np.concatenate([middle - half, middle + half], 1), marks


class RetinaFace:
    """The net and its threshold. torch computes: several threads may share it."""

    absent = "RetinaFace finds no face"
    shared = True

    def __init__(self, net: Any, release: Release, score: float, overlap: float, longest: int) -> None:
        self.net, self.release = net.eval(), release
        self.score, self.overlap, self.longest = score, overlap, longest

    def check(self, sample_ids: Sequence[str]) -> None:
        """Nothing to hold against a dataset as a whole."""

    def detect(self, sample: Sample, image: Image) -> list[Detection]:
        import torch

        seen, grow = shrunk(image, self.longest)
        fed = seen[:, :, ::-1].astype(np.float32) - np.array(MEAN, np.float32)
        with torch.inference_mode():
            raw = self.net(torch.from_numpy(np.ascontiguousarray(fed.transpose(2, 0, 1)))[None])
        boxes, scores, points = (value[0].double().numpy() for value in raw)
        sure = scores[:, 1] > self.score
        corners, marks = decode(
            boxes[sure], points[sure], priors(seen.shape[0], seen.shape[1], self.release)[sure]
        )
        kept = suppressed(corners, scores[sure, 1], self.overlap)
        sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
        return [detection(sides[row], marks[row], scores[sure, 1][row], grow) for row in kept]


def build(params: Params, raw: Path) -> RetinaFace:
    from pipeline.detectors import _retinaface

    net, key = _retinaface.Net(SLOPE[params.release]), "detectors.retinaface.weights"
    path = weights.found(params.weights, key, params.sha256)
    weights.load(net, path, key, "RetinaFace on MobileNet x0.25")
    return RetinaFace(net, params.release, params.score, params.overlap, params.longest)
