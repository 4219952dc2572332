"""Exact labels of a photograph: box, landmarks and attributes, in the coordinates of records.

Pixels have their centres at whole numbers, so half a pixel is taken from positions in the frame.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic import camera


def points68(pixels: Float[Tensor, "b 2 68"], supersampling: float) -> Float[Tensor, "b 68 2"]:
    """Landmarks in pixels of the stored image."""
    return pixels.transpose(1, 2) / supersampling - 0.5


def points5(points: Float[Tensor, "b 68 2"]) -> Float[Tensor, "b 5 2"]:
    """Eye centres, nose tip and mouth corners; those at image left of a frontal face come first."""
    return camera.five(points.transpose(1, 2)).transpose(1, 2)


def box(
    outline: Float[Tensor, "b 2 k"], points: Float[Tensor, "b 68 2"], supersampling: float, size: int
) -> Float[Tensor, "b 4"]:
    """x, y, width, height around the face from hairline to chin, cut to the frame of `size` pixels."""
    everything = torch.cat([outline.transpose(1, 2) / supersampling - 0.5, points], 1)
    low = everything.amin(1).clamp(0, size - 1)
    high = everything.amax(1).clamp(0, size - 1)
    return torch.cat([low, high - low], 1)
