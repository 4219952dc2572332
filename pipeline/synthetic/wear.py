"""Things worn: hats, glasses and sunglasses, as grids of vertices on one head (see `surfaces`).

Shapes: n vertices of one surface, (3, n) positions in centimetres of the head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.compiled import Array
from pipeline.synthetic.hair import Shell, step
from pipeline.synthetic.rows import Row
from pipeline.synthetic.surfaces import BRIDGE, BRIM, LENS, RING, TEMPLE
from pipeline.synthetic.template import AXIS

CAP_EDGE, KNITTED_EDGE = 6.9, 6.2  # template height of a hat's edge, cm
BACK_LOWER = 2.2  # a hat reaches this much further down at the back


@dataclass(frozen=True)
class Anchors:
    """Where things sit on one head, cm: half its width at the ears, the bridge's depth, an eye."""

    width: float
    bridge: float
    eye_x: float
    eye_y: float
    brow_z: float  # depth of the forehead under a brim
    brow_y: float


def hat_edge(azimuth: Tensor, brim: bool) -> Tensor:
    """The template height where a hat ends."""
    return (CAP_EDGE if brim else KNITTED_EDGE) - BACK_LOWER * step(azimuth.abs(), 0.6, 2.2)


def hat(shell: Shell, head: Float[np.ndarray, "3 n"], photos: Row) -> Float[np.ndarray, "3 h"]:
    """The crown of a hat around a shaped head."""
    high = step(shell.y, 5.5, 11.0)
    thick = 0.75 + (0.35 if photos["brim"] > 0 else 0.6) * high
    roll = 0.0 if photos["brim"] > 0 else 0.35
    edge = hat_edge(shell.azimuth, bool(photos["brim"] > 0))
    thick = thick + roll * (1 - step(shell.y - edge, 1.2, 1.6))
    return head[:, shell.base] + shell.outwards * thick.numpy()


def brim(anchors: Anchors) -> Float[np.ndarray, "3 n"]:
    """The peak of a cap."""
    out = torch.linspace(0, 1, BRIM[0])[:, None]
    turn = torch.linspace(-1.15, 1.15, BRIM[1])[None]
    x = torch.sin(turn) * (anchors.width * 1.02 + 0.8 * out)
    depth = anchors.brow_z + 0.6 - AXIS
    z = AXIS + turn.cos() * (depth + 5.2 * out * (turn.cos().clamp(min=0)) ** 0.7)
    y = anchors.brow_y + 0.5 * turn.cos() - 1.3 * out + 0.9 * out * (1 - turn.cos())
    return _grid(*(part.expand(BRIM) for part in (x, y, z)))


@dataclass(frozen=True)
class Frame:
    """Sizes of one pair of glasses, cm."""

    width: float
    height: float
    square: float
    thick: float

    @classmethod
    def of(cls, photos: Row) -> Frame:
        wide, high, shape = photos["frame"][2:].tolist()
        return cls(2.2 + 0.35 * wide, 1.45 + 0.6 * high, 0.5 + 0.5 * shape, 0.07 + 0.13 * abs(wide - high))


def glasses(frame: Frame, anchors: Anchors) -> dict[str, Array]:
    """Rings, bridge and temples by surface name."""
    angle = torch.linspace(0, 2 * math.pi, RING[1])[None]
    strands = torch.linspace(-1, 1, 3)[:, None] * frame.thick
    centre_x, centre_y = max(anchors.eye_x, frame.width + 0.55), anchors.eye_y - 0.25
    cosine, sine = _round(angle.cos(), frame.square), _round(angle.sin(), frame.square)
    x = centre_x + (frame.width + strands) * cosine
    y = centre_y + (frame.height + strands) * sine
    found = {}
    along = torch.linspace(-1, 1, BRIDGE[1])[None]
    gap = centre_x - frame.width + 0.1
    depth = anchors.bridge + 0.25
    arch = centre_y + 0.45 + strands * 1.3 + 0.3 * (1 - along**2)
    found["bridge"] = _grid(along * gap + 0 * arch, arch, depth + 0.2 * (1 - along**2) + 0 * arch)
    back = torch.linspace(0, 1, TEMPLE[1])[None]
    hinge = centre_x + frame.width
    aside = hinge + (anchors.width + 0.35 - hinge) * (back / 0.35).clamp(max=1)
    level = centre_y + 0.5 + strands * 1.2 + 0 * back
    hinge_z = float(_curved(torch.tensor(hinge), anchors.bridge))
    away = hinge_z + (AXIS - 0.4 - hinge_z) * back + 0 * level
    for side, name in ((-1.0, "left"), (1.0, "right")):
        found[f"{name}_ring"] = _grid(side * x, y, _curved(x, anchors.bridge))
        found[f"{name}_temple"] = _grid(side * aside + 0 * level, level, away)
    return found


def lenses(frame: Frame, anchors: Anchors) -> dict[str, Array]:
    """The glasses' panes, drawn where they are dark."""
    radius = torch.linspace(0.0, 1, LENS[0])[:, None]
    angle = torch.linspace(0, 2 * math.pi, LENS[1])[None]
    centre_x, centre_y = max(anchors.eye_x, frame.width + 0.55), anchors.eye_y - 0.25
    x = centre_x + frame.width * radius * _round(angle.cos(), frame.square)
    y = centre_y + frame.height * radius * _round(angle.sin(), frame.square)
    z = _curved(x, anchors.bridge) + 0.12 * (1 - radius**2)
    return {f"{name}_lens": _grid(side * x, y, z) for side, name in ((-1.0, "left"), (1.0, "right"))}


def _round(value: Tensor, square: float) -> Tensor:
    return value.sign() * value.abs() ** square


def _grid(x: Tensor, y: Tensor, z: Tensor) -> Array:
    return np.stack([part.reshape(-1).numpy() for part in (x, y, z)])


def _curved(x: Tensor, bridge: float) -> Tensor:
    """Depth of a frame that bends around the face."""
    return bridge + 0.25 - 0.045 * (x.abs() - 1.2).clamp(min=0) ** 2
