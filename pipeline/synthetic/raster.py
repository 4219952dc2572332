"""Quads to pixels: every quad is cut as finely as it appears, the nearest sample of a pixel wins.

A sample's depth, its quad and its place in the quad share one integer, the key: the largest key of a pixel
is what is seen, whatever the order of the quads. Samples are less than a pixel apart, so a surface has
no holes at any size; single pixels that a slanted quad missed are closed.
Shapes: n vertices, q quads, m drawn quads, u texels, a strands, s x s pixels, f pixels that show something.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.synthetic.compiled import Array, compiled

FINE = np.float32(1.05)  # samples a pixel along a quad's longer side
MOST = np.float32(96)  # samples along a side
DEPTH_STEPS = 4096  # a centimetre
DEPTH_RANGE = 64.0  # centimetres before and behind the head's centre
DEPTH_SHIFT, QUAD_SHIFT, DOWN_SHIFT = 40, 16, 8
QUADS = (1 << (DEPTH_SHIFT - QUAD_SHIFT)) - 1  # the bits of a quad
NEARER = int(0.7 * DEPTH_STEPS) << DEPTH_SHIFT  # a hole lies this much behind both its neighbours
FARTHEST = np.float32((1 << 20) - 1)  # steps
HALF, ONE, ALONG = np.float32(0.5), np.float32(1), np.float32(256)
STEPS, RANGE = np.float32(DEPTH_STEPS), np.float32(DEPTH_RANGE)


@dataclass(frozen=True)
class Trim:
    """What of a surface is not there: below `tips`, strand by strand, and above `top` (template heights, cm).

    Texel i of the surface, `cuts` x `cuts` a quad from the quad `first` on, lies at `y[i]` on `strand[i]`.
    """

    y: Float[Tensor, "u"]
    strand: Int[Tensor, "u"]
    tips: Float[Tensor, "a"]
    top: float
    first: int
    cuts: int


WHOLE = Trim(torch.zeros(0), torch.zeros(0, dtype=torch.int32), torch.zeros(0), 0.0, 0, 0)


def empty(size: int) -> Int[Tensor, "s s"]:
    """The keys of a frame of `size` pixels that shows nothing: -1. The pixel (0, 0) covers 0..1."""
    return torch.full((size, size), -1, dtype=torch.int64)


def draw(
    seen: Int[Tensor, "s s"],
    screen: Float[Tensor, "3 n"],
    corners: Int[Tensor, "4 q"],
    hollow: Bool[Tensor, "q"],
    quads: Int[Tensor, "m"],
    trim: Trim = WHOLE,
) -> None:
    """Draws `quads` over what is `seen`, in place; `screen` is pixel x, y and depth (cm) of vertices."""
    where = trim.y.numpy(), trim.strand.numpy(), trim.tips.numpy(), np.float32(trim.top)
    surface = screen.numpy(), corners.numpy(), hollow.numpy(), quads.numpy()
    _draw(seen.numpy(), *surface, *where, trim.first, trim.cuts)


@compiled
def _draw(
    seen: Array,
    screen: Array,
    corners: Array,
    hollow: Array,
    quads: Array,
    y: Array,
    strand: Array,
    tips: Array,
    top: np.float32,
    first: int,
    cuts: int,
) -> None:
    for quad in quads:
        a, b, c, d = corners[0, quad], corners[1, quad], corners[2, quad], corners[3, quad]
        ax, bx, cx, dx = screen[0, a], screen[0, b], screen[0, c], screen[0, d]
        ay, by, cy, dy = screen[1, a], screen[1, b], screen[1, c], screen[1, d]
        beyond = max(ax, bx, cx, dx) < 0 or max(ay, by, cy, dy) < 0
        beyond |= min(ax, bx, cx, dx) >= seen.shape[1] or min(ay, by, cy, dy) >= seen.shape[0]
        inside_out = (dx - ax) * (cy - by) - (dy - ay) * (cx - bx) <= 0
        if beyond or (hollow[quad] and inside_out):
            continue
        az, bz, cz, dz = screen[2, a], screen[2, b], screen[2, c], screen[2, d]
        columns = _cuts(bx - ax, by - ay, dx - cx, dy - cy)
        lines = _cuts(cx - ax, cy - ay, dx - bx, dy - by)
        for line in range(lines):
            t = (np.float32(line) + HALF) / np.float32(lines)
            left_x, left_y, left_z = ax + (cx - ax) * t, ay + (cy - ay) * t, az + (cz - az) * t
            wide_x = bx + (dx - bx) * t - left_x
            wide_y = by + (dy - by) * t - left_y
            wide_z = bz + (dz - bz) * t - left_z
            for column in range(columns):
                s = (np.float32(column) + HALF) / np.float32(columns)
                px, py = int(np.floor(left_x + wide_x * s)), int(np.floor(left_y + wide_y * s))
                if px < 0 or py < 0 or px >= seen.shape[1] or py >= seen.shape[0]:
                    continue
                steps = np.int64(min(max((left_z + wide_z * s + RANGE) * STEPS, np.float32(0)), FARTHEST))
                along, down = np.int64(s * ALONG), np.int64(t * ALONG)
                key = (steps << DEPTH_SHIFT) | (quad << QUAD_SHIFT) | (down << DOWN_SHIFT) | along
                if key <= seen[py, px]:
                    continue
                if cuts:
                    cell = ((down * cuts) >> 8) * cuts + ((along * cuts) >> 8)
                    texel = (quad - first) * (cuts * cuts) + cell
                    if y[texel] < tips[strand[texel]] or y[texel] > top:
                        continue
                seen[py, px] = key


@compiled
def _cuts(one_x: np.float32, one_y: np.float32, other_x: np.float32, other_y: np.float32) -> int:
    """Into how many samples a side is cut: less than a pixel each."""
    longer = max(max(abs(one_x), abs(one_y)), max(abs(other_x), abs(other_y)))
    return int(min(max(np.ceil(longer * FINE), ONE), MOST))


def closed(seen: Int[Tensor, "s s"]) -> Int[Tensor, "s s"]:
    """`seen` with pixels filled that are empty, or far behind, between two opposite neighbours."""
    return torch.from_numpy(_closed(seen.numpy()))


@compiled
def _closed(seen: Array) -> Array:
    found = seen.copy()
    height, width = seen.shape
    for row in range(height):
        for column in range(width):
            best = np.int64(-1)
            if 0 < column < width - 1:
                best = min(seen[row, column - 1], seen[row, column + 1])
            if 0 < row < height - 1:
                best = max(best, min(seen[row - 1, column], seen[row + 1, column]))
            here = seen[row, column]
            if best > here + NEARER or (here < 0 and best >= 0):
                found[row, column] = best
    return found


def depths(keys: Int[Tensor, "*any"], quads: slice) -> Float[Tensor, "*any"]:
    """Depth (cm, towards the camera) of keys that show one of `quads`, infinite of others."""
    quad = quad_of(keys)
    there = (keys >= 0) & (quad >= quads.start) & (quad < quads.stop)
    return torch.where(there, (keys >> DEPTH_SHIFT).float() / DEPTH_STEPS - DEPTH_RANGE, torch.inf)


def quad_of(key: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
    return (key >> QUAD_SHIFT) & QUADS


@dataclass(frozen=True)
class Fragments:
    """The pixels that show something, one row each, in the order of pixels."""

    pixel: Int[Tensor, "f"]  # flat index into (s, s)
    quad: Int[Tensor, "f"]
    s: Int[Tensor, "f"]  # along the quad, 0..255
    t: Int[Tensor, "f"]  # down the quad
    normal: Float[Tensor, "3 f"]  # unit, in camera coordinates, towards the camera


def fragments(
    seen: Int[Tensor, "s s"], corners: Int[Tensor, "4 q"], normals: Float[Tensor, "3 n"]
) -> Fragments:
    """What the visible pixels are, with normals interpolated between the quad's corners."""
    flat = seen.view(-1).numpy()
    pixel = torch.from_numpy(np.flatnonzero(flat >= 0))
    place, normal = _fragments(flat, pixel.numpy(), corners.numpy(), normals.numpy())
    quad, along, down = torch.from_numpy(place)
    return Fragments(pixel, quad, along, down, torch.from_numpy(normal))


@compiled
def _fragments(seen: Array, pixels: Array, corners: Array, normals: Array) -> tuple[Array, Array]:
    place = np.empty((3, len(pixels)), np.int64)
    found = np.empty((3, len(pixels)), np.float32)
    for index, pixel in enumerate(pixels):
        key = seen[pixel]
        quad = (key >> QUAD_SHIFT) & QUADS
        along, down = key & 255, (key >> DOWN_SHIFT) & 255
        place[0, index], place[1, index], place[2, index] = quad, along, down
        s, t = (np.float32(along) + HALF) / ALONG, (np.float32(down) + HALF) / ALONG
        total = np.float32(1e-12)
        for axis in range(3):
            above = normals[axis, corners[0, quad]]
            above += (normals[axis, corners[1, quad]] - above) * s
            below = normals[axis, corners[2, quad]]
            below += (normals[axis, corners[3, quad]] - below) * s
            value = above + (below - above) * t
            found[axis, index] = value
            total += value * value
        length = ONE / np.sqrt(total)
        if found[2, index] < 0:
            length = -length
        for axis in range(3):
            found[axis, index] *= length
    return place, found
