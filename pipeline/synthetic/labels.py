"""Exact labels of a photograph: box, landmarks and what of them is seen, in the coordinates of records.

Pixels have their centres at whole numbers, so half a pixel is taken from positions in the frame.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.synthetic import camera, raster

BEFORE = 0.55  # cm: what lies this much nearer than a landmark hides it
AROUND = 1  # pixels: at an edge a landmark is seen if a pixel beside it shows its depth


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


def visible(
    pixels: Float[Tensor, "2 k"], depth: Float[Tensor, "k"], seen: Int[Tensor, "size size"], face: slice
) -> Bool[Tensor, "k"]:
    """Which points (pixels of the frame, depth in cm) lie in the frame with nothing before them.

    `seen` are the frame's keys (see `raster`), `face` the quads of the face. A pixel beside the point may
    speak for it, because the point's own may show the near rim of an edge that the point lies on.
    """
    size = seen.shape[-1]
    inside = (pixels >= 0).all(0) & (pixels < size).all(0)
    column, row = pixels.floor().long().unbind(0)
    beside = torch.tensor([[0, 0, 0, 1, -1], [0, 1, -1, 0, 0]])[:, :, None] * AROUND
    keys = seen[(row + beside[0]).clamp(0, size - 1), (column + beside[1]).clamp(0, size - 1)]
    return inside & (raster.depths(keys, face).amin(0) <= depth + BEFORE)
