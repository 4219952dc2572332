"""Landmark nets: normalised image to heatmaps of the 68 iBUG points. Here is what they share.

A net gives score maps (b, points, h, w), one tensor a stack, the last the best. A point's heatmap is
the softmax of its score map over the pixels, which training brings to a normalised Gaussian.
Pixels: x to the right, y down, the centre of the first pixel at 0; map pixel u of n lies at
(u + 0.5) size / n - 0.5 of the image.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

INNER = slice(17, 68)  # 51 points: all but the jaw line
MIRROR68 = (
    *range(16, -1, -1),  # jaw
    *range(26, 16, -1),  # brows
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # outer lips
    *(64, 63, 62, 61, 60, 67, 66, 65),  # inner lips
)
"""MIRROR68[i] is the point of the mirrored face that lies where point i's mirror image does."""


class LandmarkNet(nn.Module):
    """Image (b, 3, size, size) -> score maps, one tensor (b, points, h, w) a stack."""

    points: int
    sigma: float  # of the target's Gaussian, in pixels of the map

    def forward(self, image: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def loss(self, scores: list[Tensor], points: Tensor, size: int) -> Tensor:
        """What training minimises; `points` (b, points, 2) in pixels of the image."""
        raise NotImplementedError

    def decode(self, scores: Tensor, size: int) -> Tensor:
        """Points (b, points, 2), in pixels of the image, of one stack's score maps."""
        raise NotImplementedError


def mirror_points(points: Float[Tensor, "b 68 2"], size: int) -> Float[Tensor, "b 68 2"]:
    """The points of the mirrored image, in iBUG order again."""
    mirrored = points[:, list(MIRROR68)]
    return torch.stack([size - 1 - mirrored[..., 0], mirrored[..., 1]], -1)


def flip_average(net: LandmarkNet, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 68 y x"]:
    """Mean score maps of an image and of its mirror image, last stack: averaged, never summed."""
    mirrored = net(image.flip(-1))[-1].flip(-1)[:, list(MIRROR68)]
    return (net(image)[-1] + mirrored) / 2


def heatmaps(scores: Float[Tensor, "b p y x"], sigma: float) -> Float[Tensor, "b p y x"]:
    """Softmax over the pixels, times 2 pi sigma^2: a Gaussian of that sigma gets its peak at 1."""
    share = scores.float().flatten(2).softmax(-1).view(scores.shape)
    return share * (2.0 * math.pi * sigma**2)


def side_maps(net: LandmarkNet, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k h w"]:
    """Heatmaps of the 51 inner points of the last stack, resized to the image (FAN-Face's H2)."""
    maps = heatmaps(net(image)[-1][:, INNER], net.sigma)
    return F.interpolate(maps, size=image.shape[-2:], mode="bilinear", align_corners=False)
