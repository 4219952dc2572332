"""Yaw, pitch and roll by perspective-n-point from PFLD's 68 landmarks (https://arxiv.org/abs/1902.10859).

    landmarks = net(chip) side + corner,   chip = the square around the box, `margin` wider, 112 pixels

The angles and their confidence are `pose`'s, of the rigid ones of the landmarks. The ONNX file is the one of
cunjian/pytorch_face_landmark (6f34bf9): RGB / 255, any batch, to 68 times x, y in shares of the chip, in
iBUG's order; its demo takes the square 1.1 times as wide as the longer side of the box. How well landmarks
and angles agree with others' stands in docs/results.md.

Errors: `WeightsError` for a file that is absent, damaged or another net's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipeline import geometry, weights
from pipeline.annotators import ANGLES, Photos, angle_bin, answer
from pipeline.annotators.pose import MODEL68, estimate
from pipeline.annotators.pose import Params as Pose
from pipeline.weights import Checksum, WeightsError

KEY = "annotators.pfld.weights"
SIDE = 112  # pixels of a chip

Points = npt.NDArray[np.float64]


class Params(Pose):
    """The net, its chip, and what `pose` wants."""

    weights: str = "data/models/none"  # pfld.onnx
    sha256: Checksum = ""  # of that file
    margin: float = Field(0.1, ge=0, le=4)  # of the chip: share of the box's longer side


class Landmarker:
    """68 landmarks of the face in a box."""

    def __init__(self, net: Any, margin: float) -> None:
        self.net, self.margin = net, margin

    def points(self, image: geometry.Image, box: Points) -> Points:
        """(68, 2) in pixels of the image."""
        chip, matrix = geometry.unaligned(image, box, SIDE, self.margin)
        fed = np.ascontiguousarray(chip.astype(np.float32).transpose(2, 0, 1)[None] / 255)
        shares = self.net.run(None, {self.net.get_inputs()[0].name: fed})[0]
        # a share counts from the edge of the first pixel, whose centre is at 0
        return geometry.apply(geometry.inverse(matrix), shares.reshape(68, 2).astype(np.float64) * SIDE - 0.5)


class Pfld:
    """Angles of every face by landmarks found in its photo."""

    def __init__(self, landmarker: Landmarker, params: Pose) -> None:
        self.landmarker, self.params = landmarker, params

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame:
        if photos is None:
            raise ValueError("pfld looks at pixels: it needs the photos")
        if not len(frame):
            return answer({}, {}, {}, frame.index)
        faces, turns = [], np.zeros(len(frame))
        for row in range(len(frame)):
            face = photos.face(row)
            turns[row] = face.turn
            faces.append(self.landmarker.points(face.image, face.box)[list(MODEL68)])
        model, params = np.array(list(MODEL68.values()), np.float64), self.params
        degrees, residual = estimate(np.stack(faces), model, params.distance, params.noise, params.tilt)
        named = dict(zip(ANGLES, degrees.T, strict=True))
        named["roll"] = named["roll"] + turns
        codes = {name: angle_bin(named[name]) for name in ("pitch", "yaw")}
        sure = np.exp(-((residual / params.spread) ** 2))
        return answer(codes, dict.fromkeys(codes, sure), named, frame.index)


def landmarker(path: str, sha256: str = "", margin: float = 0.1) -> Landmarker:
    """The net in a file."""
    net = weights.session(weights.found(path, KEY, sha256), KEY)
    shapes = [value.shape[1:] for value in (*net.get_inputs(), *net.get_outputs())]
    if shapes != [[3, SIDE, SIDE], [136]]:
        raise WeightsError(f"{KEY}: {path} maps {shapes} an image, PFLD [3, 112, 112] to [136]")
    return Landmarker(net, margin)


def build(params: Params) -> Pfld:
    return Pfld(landmarker(params.weights, params.sha256, params.margin), params)
