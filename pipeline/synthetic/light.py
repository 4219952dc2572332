"""Light of one pixel.

    colour * (ambient sky(n) + key wrap_c(n.l) + fill max(0, n.l2)) + gloss (n.h)^16

Light creeps around the edge of a shadow, red light furthest, as it does in skin: wrap_c differs by
channel. Directions are in camera coordinates. Shapes: b photographs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic.paint import Colour
from pipeline.synthetic.rows import Row
from pipeline.synthetic.sampler import Photos

SKIN_WRAP, HAIR_WRAP = (0.42, 0.30, 0.25), (0.30, 0.30, 0.30)


@compiled
def lit(colour: Colour, gloss: float, wrap: Colour, x: float, y: float, z: float, of: Row) -> Colour:
    """What the lights of a photograph make of a surface with the normal x, y, z."""
    key, second = _facing(of.to_key, x, y, z), max(0.85 * _facing(of.to_fill, x, y, z) + 0.15, 0.0)
    shine = max(_facing(of.to_half, x, y, z), 0.0) ** 8
    mirrored = shine * shine * (0.35 + 0.65 * shine) * gloss * of.gloss
    sky = 0.78 + 0.22 * y
    ambient, keys, fill = of.ambient, of.key_colour, of.fill_colour
    return (
        colour[0] * (sky * ambient[0] + _around(key, wrap[0]) * keys[0] + second * fill[0]) + mirrored,
        colour[1] * (sky * ambient[1] + _around(key, wrap[1]) * keys[1] + second * fill[1]) + mirrored,
        colour[2] * (sky * ambient[2] + _around(key, wrap[2]) * keys[2] + second * fill[2]) + mirrored,
    )


@compiled
def _facing(direction: Array, x: float, y: float, z: float) -> float:
    return x * direction[0] + y * direction[1] + z * direction[2]


@compiled
def _around(facing: float, wrap: float) -> float:
    """Light that creeps around the edge of its shadow."""
    return max((facing + wrap) / (1 + wrap), 0.0)


def tables(photos: Photos) -> dict[str, Tensor]:
    """Directions to the lights (b, 3), and halfway between the main light and the camera."""
    key = F.normalize(photos.key, dim=1)
    half = F.normalize(key + torch.tensor([0.0, 0.0, 1.0]), dim=1)
    return {"to_key": key, "to_fill": F.normalize(photos.fill, dim=1), "to_half": half}
