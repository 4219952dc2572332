"""Quads to pixels: every quad is cut as finely as it appears, the nearest sample of a pixel wins.

A sample's depth, its quad and its place in the quad share one integer, so that one scatter-max finds
what is seen, whatever the order and the number of threads. Samples are less than a pixel apart, so
a surface has no holes at any size; single pixels that a slanted quad missed are closed.
Shapes: n vertices, q quads, k samples, s x s pixels, f pixels that show something.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

FINE = 1.05  # samples a pixel along a quad's longer side
MOST = 96  # samples along a side
DEPTH_STEPS = 4096  # a centimetre
DEPTH_RANGE = 64.0  # centimetres before and behind the head's centre
DEPTH_SHIFT, QUAD_SHIFT, DOWN_SHIFT = 40, 16, 8
NEARER = int(0.7 * DEPTH_STEPS) << DEPTH_SHIFT  # a hole lies this much behind both its neighbours


@dataclass(frozen=True)
class Samples:
    """Points of quads: `s` along and `t` down the quad, 0..1."""

    quad: Int[Tensor, "k"]
    s: Float[Tensor, "k"]
    t: Float[Tensor, "k"]
    position: Float[Tensor, "3 k"]  # pixel x, pixel y, depth


def sample(
    screen: Float[Tensor, "3 n"],
    corners: Int[Tensor, "4 q"],
    hollow: Bool[Tensor, "q"],
    quads: Int[Tensor, "m"],
    size: int,
) -> Samples:
    """Samples of those `quads` that can be seen in a frame of `size` pixels."""
    picked = corners.index_select(1, quads)
    kept = _facing(screen[:2], picked, hollow.index_select(0, quads), size)
    around = screen.index_select(1, picked.index_select(1, kept).view(-1)).view(3, 4, -1)
    a, b, c, d = around.unbind(1)
    along, down, below, beside = b - a, c - a, d - c, d - b
    columns, lines = _cuts(along, below), _cuts(down, beside)
    count = (columns * lines).long()
    order = torch.repeat_interleave(torch.arange(len(kept), device=kept.device), count)
    start = (count.cumsum(0) - count).float()
    table = torch.cat([a, along, down, below - along, torch.stack([columns, lines, start])])
    rows = table.index_select(1, order)
    wide, high = rows[12], rows[13]
    place = torch.arange(len(order), device=kept.device) - rows[14]
    line = ((place + 0.5) / wide).floor_()  # whole numbers below 2^24: exact in float32
    s, t = (place - line * wide).add_(0.5).div_(wide), (line + 0.5).div_(high)
    position = (rows[9:12] * s).add_(rows[6:9]).mul_(t).add_(rows[3:6] * s).add_(rows[:3])
    return Samples(quads.index_select(0, kept).index_select(0, order), s, t, position)


def _facing(
    screen: Float[Tensor, "2 n"], corners: Int[Tensor, "4 m"], hollow: Bool[Tensor, "m"], size: int
) -> Int[Tensor, "kept"]:
    """Which quads lie in the frame and, if they are hollow, show their outside."""
    (ax, bx, cx, dx), (ay, by, cy, dy) = screen.index_select(1, corners.view(-1)).view(2, 4, -1)
    turned = (dx - ax) * (cy - by) - (dy - ay) * (cx - bx)
    left, right = torch.minimum(ax, dx), torch.maximum(ax, dx)
    top, bottom = torch.minimum(ay, by), torch.maximum(cy, dy)
    inside = (right > -2) & (left < size + 2) & (bottom > -2) & (top < size + 2)
    return (inside & ((turned > 0) | ~hollow)).nonzero()[:, 0]


def _cuts(one: Float[Tensor, "3 m"], other: Float[Tensor, "3 m"]) -> Float[Tensor, "m"]:
    """Into how many samples a side is cut: less than a pixel each."""
    longer = torch.maximum(one[:2].abs(), other[:2].abs())
    return torch.maximum(longer[0], longer[1]).mul_(FINE).ceil_().clamp_(1, MOST)


def visible(samples: Samples, size: int) -> Int[Tensor, "size size"]:
    """The key of the sample that each pixel shows, -1 for none. The pixel (0, 0) covers 0..1."""
    rim = size + 2  # what is outside the frame lands on a rim of one pixel
    x, y, depth = samples.position
    column = x.clamp(-1, size).add_(1).long()
    row = y.clamp(-1, size).add_(1).long()
    steps = ((depth + DEPTH_RANGE) * DEPTH_STEPS).clamp_(0, (1 << 20) - 1).long()
    key = (steps << DEPTH_SHIFT).add_(samples.quad << QUAD_SHIFT)
    key = key.add_((samples.t * 256).long() << DOWN_SHIFT).add_((samples.s * 256).long())
    seen = torch.full((rim * rim,), -1, dtype=torch.int64, device=x.device)
    seen.scatter_reduce_(0, row.mul_(rim).add_(column), key, "amax")
    return _close(seen.view(rim, rim)[1:-1, 1:-1].contiguous())


def _close(seen: Tensor) -> Tensor:
    """Fills pixels that are empty, or far behind, between two opposite neighbours."""
    padded = torch.nn.functional.pad(seen, (1, 1, 1, 1), value=-1)
    across = torch.minimum(padded[1:-1, :-2], padded[1:-1, 2:])
    down = torch.minimum(padded[:-2, 1:-1], padded[2:, 1:-1])
    best = torch.maximum(across, down)
    return torch.where((best > seen + NEARER) | ((seen < 0) & (best >= 0)), best, seen)


def depths(seen: Int[Tensor, "size size"], quads: slice) -> Float[Tensor, "size size"]:
    """Depth (cm, towards the camera) of the pixels that show one of `quads`, infinite where others are."""
    quad = quad_of(seen)
    there = (seen >= 0) & (quad >= quads.start) & (quad < quads.stop)
    return torch.where(there, (seen >> DEPTH_SHIFT).float() / DEPTH_STEPS - DEPTH_RANGE, torch.inf)


def quad_of(key: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
    return (key >> QUAD_SHIFT) & ((1 << (DEPTH_SHIFT - QUAD_SHIFT)) - 1)


@dataclass(frozen=True)
class Fragments:
    """The pixels that show something, one row each, in the order of pixels."""

    pixel: Int[Tensor, "f"]  # flat index into (s, s)
    quad: Int[Tensor, "f"]
    s: Int[Tensor, "f"]  # along the quad, 0..255
    t: Int[Tensor, "f"]  # down the quad
    normal: Float[Tensor, "3 f"]  # unit, in camera coordinates, towards the camera


def fragments(
    seen: Int[Tensor, "size size"],
    corners: Int[Tensor, "4 q"],
    normals: Float[Tensor, "3 n"],
) -> Fragments:
    """What the visible pixels are, with normals interpolated between the quad's corners."""
    flat = seen.view(-1)
    pixel = (flat >= 0).nonzero()[:, 0]
    key = flat.index_select(0, pixel)
    quad = quad_of(key)
    down, along = (key >> DOWN_SHIFT) & 255, key & 255
    t, s = (down.float() + 0.5).mul_(1 / 256), (along.float() + 0.5).mul_(1 / 256)
    a, b, c, d = normals.index_select(1, corners.index_select(1, quad).view(-1)).view(3, 4, -1).unbind(1)
    above, below = a + (b - a) * s, c + (d - c) * s
    normal = above + (below - above) * t
    x, y, z = normal
    length = torch.rsqrt(x * x + y * y + z * z + 1e-12)
    return Fragments(pixel, quad, along, down, normal * torch.where(z < 0, -length, length))


def together(pieces: list[Fragments]) -> Fragments:
    """The fragments of several pictures, one after the other."""
    names = ("pixel", "quad", "s", "t", "normal")
    return Fragments(*(torch.cat([getattr(piece, name) for piece in pieces], -1) for name in names))
