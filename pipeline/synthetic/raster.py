"""Quads to pixels: every quad is cut as finely as it appears, the nearest sample of a pixel wins.

A sample's depth, its quad and its place in the quad share one integer, the key: the largest key of a pixel
is what is seen, whatever the order of the quads. Samples are less than a pixel apart, so a surface has
no holes at any size; single pixels that a slanted quad missed are closed.
Shapes: n vertices, q quads, m drawn quads, u texels, a strands, s x s pixels, f pixels that show something.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.compiled import Array, compiled

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

Point = tuple[np.float32, np.float32, np.float32]  # pixel x, pixel y, depth
Trimmed = tuple[Array, Array, Array, np.float32, int, int]  # the fields of `Trim`


@dataclass(frozen=True)
class Trim:
    """What of a surface is not there: below `tips`, strand by strand, and above `top` (template heights, cm).

    Texel i of the surface, `cuts` x `cuts` a quad from the quad `first` on, lies at `y[i]` on `strand[i]`.
    """

    y: Float[np.ndarray, " u"]
    strand: Int[np.ndarray, " u"]
    tips: Float[np.ndarray, " a"]
    top: float
    first: int
    cuts: int


_NONE = np.zeros(0, np.float32)
WHOLE = Trim(_NONE, np.zeros(0, np.int32), _NONE, 0.0, 0, 0)


def empty(size: int) -> Int[np.ndarray, "s s"]:
    """The keys of a frame of `size` pixels that shows nothing: -1. The pixel (0, 0) covers 0..1."""
    return np.full((size, size), -1, np.int64)


def draw(
    seen: Int[np.ndarray, "s s"],
    screen: Float[np.ndarray, "3 n"],
    corners: Int[np.ndarray, "4 q"],
    hollow: Bool[np.ndarray, " q"],
    quads: Int[np.ndarray, " m"],
    trim: Trim = WHOLE,
) -> None:
    """Draws `quads` over what is `seen`, in place; `screen` is pixel x, y and depth (cm) of vertices."""
    where = (trim.y, trim.strand, trim.tips, np.float32(trim.top), trim.first, trim.cuts)
    _draw(seen, screen, corners, hollow, quads, where)


@compiled
def _draw(seen: Array, screen: Array, corners: Array, hollow: Array, quads: Array, trim: Trimmed) -> None:
    for quad in quads:
        a, b = _point(screen, corners[0, quad]), _point(screen, corners[1, quad])
        c, d = _point(screen, corners[2, quad]), _point(screen, corners[3, quad])
        if _beyond(a, b, c, d, seen.shape) or (hollow[quad] and _inside_out(a, b, c, d)):
            continue
        _fill(seen, (a, b, c, d), quad, trim)


@compiled
def _fill(seen: Array, quad: tuple[Point, Point, Point, Point], number: int, trim: Trimmed) -> None:
    """Shows a quad's samples where nothing is nearer. No call in here takes an array: it would be counted."""
    (a, b, c, d), (y, strand, tips, top, first, cuts) = quad, trim
    columns, lines = _cuts(a, b, c, d), _cuts(a, c, b, d)
    for line in range(lines):
        t = (np.float32(line) + HALF) / np.float32(lines)
        left, right, down = _between(a, c, t), _between(b, d, t), np.int64(t * ALONG)
        for step in range(columns):
            s = (np.float32(step) + HALF) / np.float32(columns)
            at, along = _between(left, right, s), np.int64(s * ALONG)
            row, column = int(np.floor(at[1])), int(np.floor(at[0]))
            if row < 0 or column < 0 or row >= seen.shape[0] or column >= seen.shape[1]:
                continue
            steps = np.int64(min(max((at[2] + RANGE) * STEPS, np.float32(0)), FARTHEST))
            key = (steps << DEPTH_SHIFT) | (number << QUAD_SHIFT) | (down << DOWN_SHIFT) | along
            if key <= seen[row, column]:
                continue
            if cuts:
                cell = ((down * cuts) >> 8) * cuts + ((along * cuts) >> 8)
                texel = (number - first) * (cuts * cuts) + cell
                if y[texel] < tips[strand[texel]] or y[texel] > top:
                    continue
            seen[row, column] = key


@compiled
def _point(screen: Array, vertex: int) -> Point:
    return screen[0, vertex], screen[1, vertex], screen[2, vertex]


@compiled
def _between(one: Point, other: Point, share: np.float32) -> Point:
    return (
        one[0] + (other[0] - one[0]) * share,
        one[1] + (other[1] - one[1]) * share,
        one[2] + (other[2] - one[2]) * share,
    )


@compiled
def _beyond(a: Point, b: Point, c: Point, d: Point, frame: tuple[int, ...]) -> bool:
    """Whether a quad lies wholly outside the frame."""
    right, bottom = max(a[0], b[0], c[0], d[0]), max(a[1], b[1], c[1], d[1])
    left, top = min(a[0], b[0], c[0], d[0]), min(a[1], b[1], c[1], d[1])
    return bool(right < 0 or bottom < 0 or left >= frame[1] or top >= frame[0])


@compiled
def _inside_out(a: Point, b: Point, c: Point, d: Point) -> bool:
    return bool((d[0] - a[0]) * (c[1] - b[1]) - (d[1] - a[1]) * (c[0] - b[0]) <= 0)


@compiled
def _cuts(a: Point, b: Point, c: Point, d: Point) -> int:
    """Into how many samples the sides from a to b and from c to d are cut: less than a pixel each."""
    one, other = max(abs(b[0] - a[0]), abs(b[1] - a[1])), max(abs(d[0] - c[0]), abs(d[1] - c[1]))
    return int(min(max(np.ceil(max(one, other) * FINE), ONE), MOST))


@compiled
def closed(seen: Array) -> Array:
    """The keys `seen` (s, s), pixels filled that are empty, or far behind, between opposite neighbours."""
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


@compiled
def depth(key: int, first: int, stop: int) -> np.float32:
    """Depth (cm, towards the camera) of a key that shows one of some quads, infinite of others."""
    quad = quad_of(key)
    if key < 0 or quad < first or quad >= stop:
        return np.float32(np.inf)
    return np.float32(key >> DEPTH_SHIFT) / STEPS - RANGE


@compiled
def quad_of(key: int) -> int:
    return (key >> QUAD_SHIFT) & QUADS


@dataclass(frozen=True)
class Fragments:
    """The pixels that show something, one row each, in the order of pixels."""

    pixel: Int[np.ndarray, " f"]  # flat index into (s, s)
    quad: Int[np.ndarray, " f"]
    s: Int[np.ndarray, " f"]  # along the quad, 0..255
    t: Int[np.ndarray, " f"]  # down the quad
    normal: Float[np.ndarray, "3 f"]  # unit, in camera coordinates, towards the camera


def fragments(
    seen: Int[np.ndarray, "s s"], corners: Int[np.ndarray, "4 q"], normals: Float[np.ndarray, "3 n"]
) -> Fragments:
    """What the visible pixels are, with normals interpolated between the quad's corners."""
    flat = seen.reshape(-1)
    pixel = np.flatnonzero(flat >= 0)
    (quad, along, down), normal = _fragments(flat, pixel, corners, normals)
    return Fragments(pixel, quad, along, down, normal)


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
