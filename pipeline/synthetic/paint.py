"""What the compiled formulas of one pixel share: its place, colours, noise and soft steps.

Arithmetic is float64: it is as fast here, pixel by pixel. Shapes: n cells a side of the noise.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.compiled import Array, compiled
from pipeline.synthetic.hair import STRANDS
from pipeline.synthetic.rows import Row

NOISE, CELLS = 256, 12.0  # cells a side of the noise, and cells a centimetre
AROUND = 6.5  # centimetres a radian
COARSE, MEDIUM, FINE, PORES = range(4)  # patches, blotches, hairs, pores

Colour = tuple[float, float, float]  # red, green, blue; 1 is white


class Place(NamedTuple):
    """Where a pixel lies on the template (columns of `surfaces.Layout.texels`), and the noise there."""

    x: float
    y: float
    azimuth: float
    front: float
    shadow: float
    beard: float
    flush: float
    wrinkle: float
    coarse: float
    medium: float
    fine: float
    pores: float


@lru_cache(maxsize=1)
def noises() -> Array:
    """Periodic noise of unit variance, the same for everybody: one record with the field `grain` (n, n, 4).

    Compiled functions hand a record on as it is; of an array they would count the holders, pixel by pixel.
    """
    rng = np.random.Generator(np.random.PCG64(23))
    white = rng.standard_normal((4, NOISE, NOISE)).astype(np.float32)
    for channel, sigma in ((COARSE, 14.0), (MEDIUM, 4.0), (FINE, 0.7)):
        padded = np.pad(white[channel], 48, mode="wrap")
        soft = cv2.GaussianBlur(padded, (0, 0), sigma)[48:-48, 48:-48]
        white[channel] = soft / soft.std()
    found = np.empty(1, [("grain", np.float32, (NOISE, NOISE, 4))])
    found["grain"] = white.transpose(1, 2, 0)
    return found


@compiled
def noise_at(y: float, azimuth: float, of: Row) -> tuple[int, int]:
    """The cell of the noise on a head, moved by the person's own shift."""
    row = int(y * CELLS) + of.shift_down
    column = int(azimuth * (AROUND * CELLS)) + of.shift_along
    return row & (NOISE - 1), column & (NOISE - 1)


@compiled
def step(value: float, start: float, end: float) -> float:
    """0 before `start`, 1 after `end`, a cubic between."""
    if value <= start:
        return 0.0
    if value >= end:
        return 1.0
    t = (value - start) * (1 / (end - start))
    return t * t * (3 - 2 * t)


@compiled
def clipped(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@compiled
def bump(value: float, width: float) -> float:
    """1 at 0, soft at both sides."""
    return math.exp(-((value / width) ** 2))


@compiled
def strand(azimuth: float) -> int:
    """The index of the strand of hair at `azimuth` (see `hair.strand`)."""
    return min(max(int((azimuth + math.pi) * (STRANDS / (2 * math.pi))), 0), STRANDS - 1)


@compiled
def rgb(values: Array) -> Colour:
    """A record's colour."""
    return values[0], values[1], values[2]


@compiled
def times(colour: Colour, factor: float) -> Colour:
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


@compiled
def tinted(colour: Colour, tint: Colour) -> Colour:
    return colour[0] * tint[0], colour[1] * tint[1], colour[2] * tint[2]


@compiled
def shaded(colour: Colour, tint: Colour, strength: float) -> Colour:
    """`colour` with a share of each channel taken away."""
    return (
        colour[0] * (1 - strength * tint[0]),
        colour[1] * (1 - strength * tint[1]),
        colour[2] * (1 - strength * tint[2]),
    )


@compiled
def mixed(under: Colour, over: Colour, share: float) -> Colour:
    """`share` (0..1) of the colour that lies above."""
    return (
        under[0] + (over[0] - under[0]) * share,
        under[1] + (over[1] - under[1]) * share,
        under[2] + (over[2] - under[2]) * share,
    )
