"""Brows and beards, pixel by pixel: how much of them there is (0..1). Template centimetres."""

from __future__ import annotations

from pipeline.compiled import compiled
from pipeline.synthetic.paint import Place, clipped, step
from pipeline.synthetic.rows import Row

INNER = 1.3  # x of a brow's inner end
FULL, AROUND_MOUTH, MOUSTACHE, CHIN = range(4)  # styles of beards


@compiled
def line(length: float, height: float, arch: float) -> tuple[float, float, float]:
    """Of a person's normal numbers: length, height of the inner end and of the arch above it."""
    return 3.15 + 0.25 * length, 4.20 + 0.18 * height, max(0.38 + 0.18 * arch, 0.05)


@compiled
def arched(height: float, arch: float, along: float) -> float:
    """Template height of a brow's middle, `along` from its inner end (0) to its outer one (1)."""
    return height + arch * (1 - ((along - 0.62) / 0.62) ** 2)


@compiled
def near(place: Place) -> bool:
    return 3.2 < place.y < 5.6 and place.front > 0.2


@compiled
def brow(place: Place, of: Row) -> float:
    """Hairs that lie outwards."""
    length, height, arch = line(of.brow[0], of.brow[1], of.brow[2])
    along = (abs(place.x) - INNER) / length
    there = step(along, -0.06, 0.06) * step(-along, -1.06, -0.9)
    if there == 0:
        return 0.0
    thick = clipped(0.30 + 0.07 * of.brow[3] + 0.09 * of.male, 0.14, 0.55) * (1 - 0.25 * of.child)
    thick *= (1 - 0.6 * clipped(along, 0.0, 1.0) ** 2) * (0.75 + 0.25 * step(along, -0.05, 0.2))
    off = (place.y - arched(height, arch, along)) / thick
    there *= step(-abs(off), -1.35, -0.55)
    hairs = 0.85 + 0.18 * clipped(place.pores, -1.5, 1.0)
    strong = (0.72 + 0.16 * clipped(of.brow[4], -2.0, 1.2)) * (1 - 0.25 * of.child) * (1 - 0.2 * of.old)
    return clipped(there * hairs * strong * place.front, 0.0, 0.97)


@compiled
def bearded(place: Place, of: Row) -> bool:
    return place.beard > 0.02 and of.stubble > 0


@compiled
def beard(place: Place, of: Row) -> float:
    """A beard of some style; every man has a shadow of one."""
    full = of.grown_beard * _styled(of.beard_style, abs(place.x), place.y)
    hairs = 1 + 0.22 * place.pores + 0.12 * place.fine
    return clipped(place.beard * max(full, of.stubble) * hairs, 0.0, 0.95)


@compiled
def _styled(style: int, across: float, y: float) -> float:
    """Where a beard of that style grows."""
    if style == AROUND_MOUTH:
        return step(-across, -2.9, -2.4)
    if style == MOUSTACHE:
        return step(y, -3.7, -3.3) if across < 2.5 else 0.0
    if style == CHIN:
        return step(-across, -1.9, -1.4) if y < -4.9 else 0.0
    return 1.0
