"""Exact labels of a photograph: box, landmarks and what of them is seen, in the coordinates of records.

Pixels have their centres at whole numbers, so half a pixel is taken from positions in the frame.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic import camera, raster

BEFORE = np.float32(0.55)  # cm: what lies this much nearer than a landmark hides it
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
    low = everything.amin(1).clamp(-0.5, size - 0.5)
    high = everything.amax(1).clamp(-0.5, size - 0.5)
    return torch.cat([low, high - low], 1)


def visible(
    pixels: Float[np.ndarray, "2 k"],
    depth: Float[np.ndarray, " k"],
    seen: Int[np.ndarray, "size size"],
    face: slice,
) -> Bool[np.ndarray, " k"]:
    """Which points (pixels of the frame, depth in cm) lie in the frame with nothing before them.

    `seen` are the frame's keys (see `raster`), `face` the quads of the face. A pixel beside the point may
    speak for it, because the point's own may show the near rim of an edge that the point lies on.
    """
    return _visible(pixels, depth, seen, face.start, face.stop)


@compiled
def _visible(pixels: Array, depth: Array, seen: Array, first: int, stop: int) -> Array:
    found, last = np.zeros(len(depth), np.bool_), len(seen) - 1
    for index in range(len(depth)):
        x, y = pixels[0, index], pixels[1, index]
        if not (0 <= x < len(seen) and 0 <= y < len(seen)):
            continue
        column, row = int(np.floor(x)), int(np.floor(y))
        nearest = np.float32(np.inf)
        for away in (-AROUND, 0, AROUND):
            across = seen[row, min(max(column + away, 0), last)]
            along = seen[min(max(row + away, 0), last), column]
            nearest = min(nearest, raster.depth(across, first, stop), raster.depth(along, first, stop))
        found[index] = nearest <= depth[index] + BEFORE
    return found
