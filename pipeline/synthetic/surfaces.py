"""Everything beside the head: ears, long hair, a hat's brim, glasses. Grids of points like the head's.

What an image does not show is shrunk to one point inside the head, so that every image has the same
points. Shapes: b images, (b, 3, points) positions in centimetres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.synthetic.identity import People
from pipeline.synthetic.sampler import Photos

INSIDE = -3.6  # z of the point inside the head where hidden things go
EAR = (34, 26)
CURTAIN = (64, 132)
BRIM = (26, 90)
RING, BRIDGE, TEMPLE, STRANDS = 72, 24, 64, (-1, 0, 1)
FRAMES = (1, len(STRANDS) * (2 * RING + BRIDGE + 2 * TEMPLE))
LENS = (2 * 14, 64)


@dataclass(frozen=True)
class Layout:
    """Where each surface's points lie in the list of all points, and each point's neighbours."""

    spans: dict[str, slice]
    neighbours: Int[Tensor, "points 4"]  # above, below, left, right

    @property
    def points(self) -> int:
        return len(self.neighbours)


def layout(head: tuple[int, int]) -> Layout:
    """The head first, then the rest in the order of `draw`."""
    shapes = {"head": head, "left_ear": EAR, "right_ear": EAR, "curtain": CURTAIN}
    shapes |= {"brim": BRIM, "frames": FRAMES, "lenses": LENS}
    spans, neighbours, start = {}, [], 0
    for name, (rows, columns) in shapes.items():
        grid = torch.arange(start, start + rows * columns).view(rows, columns)
        neighbours.append(_neighbours(grid, closed=name == "head"))
        spans[name] = slice(start, start + rows * columns)
        start += rows * columns
    return Layout(spans, torch.cat(neighbours).contiguous())


def _neighbours(grid: Tensor, closed: bool) -> Tensor:
    rows, columns = torch.arange(grid.shape[0]), torch.arange(grid.shape[1])
    above, below = grid[(rows - 1).clamp(min=0)], grid[(rows + 1).clamp(max=len(rows) - 1)]
    if closed:
        left, right = grid[:, (columns - 1) % len(columns)], grid[:, (columns + 1) % len(columns)]
    else:
        left, right = grid[:, (columns - 1).clamp(min=0)], grid[:, (columns + 1).clamp(max=len(columns) - 1)]
    return torch.stack([above.reshape(-1), below.reshape(-1), left.reshape(-1), right.reshape(-1)], 1)


def ear_shadow() -> Float[Tensor, "points"]:
    """Light lost in the ear's hollow, as a factor."""
    up = torch.linspace(-1, 1, EAR[0])[:, None]
    out = torch.linspace(0, 1, EAR[1])[None]
    return (1 - 0.55 * torch.exp(-(((out - 0.5) / 0.2) ** 2)) * torch.exp(-((up / 0.6) ** 2))).reshape(-1)


def _ear() -> Tensor:
    """(3, points) of an ear at the origin, pointing to +x."""
    up = torch.linspace(-1, 1, EAR[0])[:, None]
    out = torch.linspace(0, 1, EAR[1])[None]
    width = (1 - up**2 * 0.98).clamp(min=0).sqrt() * (1.0 - 0.22 * up)
    hollow = 0.5 * torch.exp(-(((out - 0.45) / 0.2) ** 2)) * torch.exp(-((up / 0.55) ** 2))
    x = 0.25 + 0.9 * out + 0.35 * torch.exp(-(((out - 0.85) / 0.12) ** 2)) - hollow
    z = -out * 1.9 * width * (1 - 0.15 * up)
    return torch.stack([part.expand(EAR) for part in (x, up * 2.9, z)]).reshape(3, -1)


@dataclass(frozen=True)
class Anchors:
    """Where accessories sit on the heads of the images."""

    width: Float[Tensor, "b"]  # of the skull, 1 on average
    bridge: Float[Tensor, "b"]  # z of the nose's bridge
    eye_x: Float[Tensor, "b"]
    eye_y: Float[Tensor, "b"]


def draw(people: People, photos: Photos, anchors: Anchors, old: Float[Tensor, "b"]) -> list[Tensor]:
    """Every surface but the head, in the layout's order; `people` has a row an image."""
    return [
        *_ears(people, anchors, old),
        _curtain(people, anchors),
        _brim(photos),
        *_glasses(people, photos, anchors),
    ]


def _hide(points: Tensor, shown: Tensor) -> Tensor:
    inside = torch.tensor([0.0, 0.0, INSIDE])[None, :, None]
    return torch.where(shown[:, None, None] > 0, points, inside)


def _ears(people: People, anchors: Anchors, old: Tensor) -> list[Tensor]:
    ear = _ear()[None]
    size = (1 + 0.10 * people.shape[:, -1] + 0.06 * old)[:, None]
    sticking_out = (1 + 0.3 * people.shape[:, -2])[:, None]
    x = 7.0 * anchors.width[:, None] + ear[:, 0] * sticking_out
    y = ear[:, 1] * size + 0.4
    z = -3.3 + ear[:, 2] * size + 0.12 * ear[:, 1] + 0 * x
    return [torch.stack([side * x, y, z], 1) for side in (-1, 1)]


def _curtain(people: People, anchors: Anchors) -> Tensor:
    """Long hair behind the face, from the temples around the back."""
    down = torch.linspace(0, 1, CURTAIN[0])[:, None]
    around = torch.linspace(-1, 1, CURTAIN[1])[None]
    column = (slice(None), None, None)
    length = (people.hair_length - 0.15).clamp(min=0)[column]
    volume, wave = people.hair_volume[column], people.shape[:, 0][column]
    opening = (1.25 + 0.18 * people.hairline[:, 3]).clamp(0.9, 1.7)[column]
    azimuth = math.pi + around * (math.pi - opening)
    radius = 1 + 0.05 * volume + 0.10 * volume * torch.sin(down * 2.5) + 0.04 * torch.sin(down * 7 + wave * 3)
    flare = 1 + 0.12 * down * torch.sin(4.0 * down + 1)
    x = torch.sin(azimuth) * (7.75 * anchors.width[column]) * radius * flare
    back = azimuth.cos() < 0
    z = INSIDE + azimuth.cos() * 8.2 * radius * (1 - 0.18 * down * back)
    y = 6.5 - down * (8 + 14 * length) + 0 * x
    points = torch.stack([x, y, z], 1).reshape(len(people), 3, -1)
    return _hide(points, people.hair_length > 0.15)


def _brim(photos: Photos) -> Tensor:
    out = torch.linspace(0, 1, BRIM[0])[:, None]
    turn = torch.linspace(-1.2, 1.2, BRIM[1])[None]
    x = torch.sin(turn) * (7.6 + 2.2 * out)
    z = -3.2 + turn.cos() * (8.9 + 6.0 * out * turn.cos().clamp(min=0))
    y = (7.4 - 1.2 * out).expand(BRIM)
    points = torch.stack([x, y, z]).reshape(1, 3, -1).expand(len(photos), -1, -1)
    return _hide(points, photos.hat)


def _glasses(people: People, photos: Photos, anchors: Anchors) -> list[Tensor]:
    """Frames (rings, bridge and temples, three strands thick) and, on sunglasses, lenses."""
    width = (2.1 + 0.35 * people.glasses[:, 3])[:, None]
    height = (1.35 + 0.6 * people.glasses[:, 4])[:, None]
    square = 0.55 + 0.45 * people.glasses[:, 3:4]
    eye_x, eye_y = anchors.eye_x[:, None] * 1.02, anchors.eye_y[:, None] - 0.3
    depth = anchors.bridge[:, None] + 0.15
    angle = torch.linspace(0, 2 * math.pi, RING + 1)[None, :-1]
    cosine, sine = angle.cos(), angle.sin()
    ring_x = cosine.sign() * cosine.abs() ** square
    ring_y = sine.sign() * sine.abs() ** square
    along = torch.linspace(-1, 1, BRIDGE)[None]
    back = torch.linspace(0, 1, TEMPLE)[None]
    rings, bridges, temples = [], [], []
    for strand in STRANDS:
        thick = 0.07 * strand
        x, y = eye_x + (width + thick) * ring_x, eye_y + (height + thick) * ring_y
        rings += [torch.stack([side * x, y, _curved(x, depth)], 1) for side in (-1, 1)]
        arch = eye_y + 0.45 + thick + 0.25 * (1 - along**2)
        bridges.append(torch.stack([along * (eye_x - width + 0.1), arch, depth + 0.15 * (1 - along**2)], 1))
        hinge = eye_x + width
        x = hinge + (7.75 * anchors.width[:, None] - hinge) * back.clamp(0, 0.3) / 0.3
        z = _curved(hinge, depth) * (1 - back) + INSIDE * back
        temples += [torch.stack([side * x, eye_y + 0.5 + thick + 0 * x, z], 1) for side in (-1, 1)]
    frames = _hide(torch.cat([*rings, *bridges, *temples], 2), photos.glasses)
    return [frames, _hide(_lenses(eye_x, eye_y, width, height, square, depth), photos.sunglasses)]


def _curved(x: Tensor, depth: Tensor) -> Tensor:
    """Depth of a frame that bends around the face."""
    return depth - 0.035 * (x.abs() - 1.5).clamp(min=0) ** 2


def _lenses(
    eye_x: Tensor, eye_y: Tensor, width: Tensor, height: Tensor, square: Tensor, depth: Tensor
) -> Tensor:
    radius = torch.linspace(0.02, 1, LENS[0] // 2)[:, None]
    angle = torch.linspace(0, 2 * math.pi, LENS[1])[None]
    cosine, sine = angle.cos(), angle.sin()
    power = square[:, None]
    across = (radius * (cosine.sign() * cosine.abs() ** power)).flatten(1)
    up = (radius * (sine.sign() * sine.abs() ** power)).flatten(1)
    x, y = eye_x + width * across, eye_y + height * up
    return torch.cat([torch.stack([side * x, y, _curved(x, depth)], 1) for side in (-1, 1)], 2)
