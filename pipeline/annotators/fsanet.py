"""FSA-Net's yaw, pitch and roll from pixels (Yang et al., CVPR 2019, https://github.com/shamangary/FSA-Net).

    angles     = mean of two nets, without (1x1) and with (var) attention by variance
    confidence = exp(-(d / spread)^2),   d = half of what the nets differ by, degrees, each angle its own

The ONNX files are those of omasaht/headpose-fsanet-pytorch (002549c): a chip of 64 pixels, BGR,
(v - 127.5) / 128, to (1, 3) yaw, pitch, roll in degrees, of which yaw has the other sign here. The chip is a
square around the box, `margin` of its longer side wider: of 0.15 to 0.9 this one erred least on drawn faces,
and differed least between a face and its mirror image on LFW-a (`benchmarks/angles.py`, docs/results.md).
Angles are those of the crop: yaw positive to image right, pitch up, roll clockwise.

Errors: `WeightsError` for files that are absent, damaged or another net's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipeline import geometry, weights
from pipeline.annotators import ANGLES, Photos, angle_bin, answer
from pipeline.strict import Strict
from pipeline.weights import Checksum, WeightsError

SIDE = 64  # pixels of a chip
SIGN = np.array([-1.0, 1.0, 1.0])  # of yaw, pitch, roll: the nets' against ours

Grid = npt.NDArray[np.float64]


class Params(Strict):
    """Both nets, the chip, and doubt."""

    weights: str = "data/models/none"  # fsanet-1x1-*.onnx
    weights_var: str = "data/models/none"  # fsanet-var-*.onnx
    sha256: Checksum = ""  # of the first
    sha256_var: Checksum = ""  # of the second
    margin: float = Field(0.5, ge=0, le=4)  # of the chip: share of the box's longer side
    spread: float = Field(20.0, gt=0, le=180)  # degrees that the nets may be apart from their mean: 1/e


class FSANet:
    """Both sessions."""

    def __init__(self, nets: list[Any], margin: float, spread: float) -> None:
        self.nets, self.margin, self.spread = nets, margin, spread

    def angles(self, chip: geometry.Image) -> Grid:
        """(2, 3) yaw, pitch, roll of a chip (64, 64, 3) by each net, in degrees and our signs."""
        fed = ((chip[:, :, ::-1].astype(np.float32) - 127.5) / 128).transpose(2, 0, 1)[None]
        fed = np.ascontiguousarray(fed)
        said = [net.run(None, {net.get_inputs()[0].name: fed})[0].reshape(3) for net in self.nets]
        return np.stack(said).astype(np.float64) * SIGN

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame:
        if photos is None:
            raise ValueError("fsanet looks at pixels: it needs the photos")
        said = np.full((len(frame), 2, 3), np.nan)
        for row in range(len(frame)):
            face = photos.face(row)
            chip, _ = geometry.unaligned(face.image, face.box, SIDE, self.margin)
            said[row] = self.angles(chip) + np.array([0, 0, face.turn])
        degrees, apart = said.mean(1), np.abs(said[:, 0] - said[:, 1]) / 2
        sure = dict(zip(ANGLES, np.exp(-((apart / self.spread) ** 2)).T, strict=True))
        named = dict(zip(ANGLES, degrees.T, strict=True))
        codes = {name: angle_bin(named[name]) for name in ("pitch", "yaw")}
        return answer(codes, sure, named, frame.index)


def opened(path: str, key: str, sha256: str) -> Any:
    """One net's session."""
    net = weights.session(weights.found(path, key, sha256), key)
    shapes = [value.shape for value in (*net.get_inputs(), *net.get_outputs())]
    if shapes != [[1, 3, SIDE, SIDE], [1, 3]]:
        raise WeightsError(f"{key}: {path} maps {shapes}, FSA-Net [1, 3, 64, 64] to [1, 3]")
    return net


def build(params: Params) -> FSANet:
    key = "annotators.fsanet.weights"
    nets = [
        opened(params.weights, key, params.sha256),
        opened(params.weights_var, f"{key}_var", params.sha256_var),
    ]
    return FSANet(nets, params.margin, params.spread)
