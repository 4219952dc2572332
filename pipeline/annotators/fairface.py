"""FairFace's age, gender and race (https://arxiv.org/abs/1908.04913), from its own chip of the photo.

    p = softmax of each of the parts of the 18 logits: 7 races, 2 genders, 9 ages
    share of a group = sum of p over its classes;   code = the largest share, which is the confidence

    race    East Asian, Southeast Asian -> 1    White, Middle Eastern -> 4    Black -> 0    Indian -> 2
            Latino_Hispanic -> 3
    gender  Male -> 1    Female -> 0
    age     0-2, 3-9, 10-19 -> 0    20-29, 30-39, 40-49 -> 1    50-59, 60-69, 70+ -> 2

ResNet-34 with a layer of 18 (dchen236/FairFace, predict.py: order of classes; its file is
res34_fair_align_multi_7_20190809.pt), a chip of 224 pixels, ImageNet's mean and deviation. The chip is dlib's
with padding 0.25 (dlib, get_face_chip_details): the similarity onto (padding + m) / (1 + 2 padding),
m its mean face. dlib aligns four corners of eyes and the base of the nose; here the middles of these eyes,
the tip of the nose and the corners of the mouth of the same mean face stand for them. A face without
landmarks gets the square around its box, which is unlike what the net was trained on. The weights were not
at hand: nothing is known of how well this does on faces.

Errors: `WeightsError` for a file that is absent, damaged or another net's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float
from pydantic import Field

from pipeline import geometry, weights
from pipeline.annotators import Face, Photos, answer
from pipeline.strict import Strict
from pipeline.weights import Checksum

KEY = "annotators.fairface.weights"
SIDE, PADDING = 224, 0.25
WHAT = "ResNet-34 of FairFace (18 classes)"
# dlib's mean face: eyes (means of their outlines), tip of the nose, corners of the mouth
_X = (0.225492, 0.754761, 0.490127, 0.254149, 0.726104)
_Y = (0.215990, 0.215990, 0.515625, 0.780233, 0.780233)
MEAN_FACE = np.array([_X, _Y]).T
RACES = (
    ("White", 4), ("Black", 0), ("Latino_Hispanic", 3), ("East Asian", 1), ("Southeast Asian", 1),
    ("Indian", 2), ("Middle Eastern", 4),
)  # fmt: skip
GENDERS = (("Male", 1), ("Female", 0))
AGES = (
    ("0-2", 0), ("3-9", 0), ("10-19", 0), ("20-29", 1), ("30-39", 1), ("40-49", 1), ("50-59", 2),
    ("60-69", 2), ("70+", 2),
)  # fmt: skip
PARTS = {"race": RACES, "gender": GENDERS, "age_group": AGES}  # in the order of the logits
CLASSES = sum(len(part) for part in PARTS.values())
MEAN, STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class Params(Strict):
    """The net, and how many chips it sees at a time."""

    weights: str = "data/models/none"  # res34_fair_align_multi_7_20190809.pt
    sha256: Checksum = ""  # of that file
    batch: int = Field(32, ge=1)


def folded(logits: Float[np.ndarray, "n 18"]) -> dict[str, npt.NDArray[np.float64]]:
    """Attribute -> (n, codes) shares of the project's groups."""
    found, start = {}, 0
    for name, part in PARTS.items():
        own = logits[:, start : start + len(part)].astype(np.float64)
        start += len(part)
        shares = np.exp(own - own.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        found[name] = shares @ np.eye(max(code for _, code in part) + 1)[[code for _, code in part]]
    return found


def chip(face: Face) -> geometry.Image:
    """(224, 224, 3) as the net wants it."""
    if face.points5 is None:
        return geometry.unaligned(face.image, face.box, SIDE, 2 * PADDING)[0]
    wanted = (MEAN_FACE + PADDING) / (1 + 2 * PADDING) * SIDE
    return geometry.warp(face.image, geometry.similarity(face.points5, wanted), SIDE)


class FairFace:
    """Age, gender and race of every face."""

    def __init__(self, net: Any, batch: int) -> None:
        self.net, self.batch = net.eval(), batch

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame:
        if photos is None:
            raise ValueError("fairface looks at pixels: it needs the photos")
        parts = [np.zeros((0, CLASSES), np.float32)]
        for start in range(0, len(frame), self.batch):
            rows = range(start, min(start + self.batch, len(frame)))
            parts.append(self.logits(np.stack([chip(photos.face(row)) for row in rows])))
        shares = folded(np.concatenate(parts))
        codes = {name: value.argmax(1).astype(np.int8) for name, value in shares.items()}
        sure = {name: value.max(1) for name, value in shares.items()}
        return answer(codes, sure, {}, frame.index)

    def logits(self, chips: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(n, 18) of RGB chips (n, 224, 224, 3)."""
        import torch

        fed = ((chips.astype(np.float32) / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            return self.net(torch.from_numpy(np.ascontiguousarray(fed))).numpy()


def build(params: Params) -> FairFace:
    from pipeline.annotators._resnet34 import ResNet34

    net = ResNet34(CLASSES)
    weights.load(net, weights.found(params.weights, KEY, params.sha256), KEY, WHAT)
    return FairFace(net, params.batch)
