"""Lips, the slit between them, and the teeth behind it. Template centimetres; colours are RGB, 0..1."""

from __future__ import annotations

import math

from pipeline.compiled import compiled
from pipeline.synthetic.paint import Colour, Place, bump, mixed, rgb, step, times, tinted
from pipeline.synthetic.rows import Row

UPPER_EDGE, LOWER_EDGE, SLIT = -3.98, -4.42, 0.44  # heights of the slit's edges, and between them
NATURAL = (0.90, 0.66, 0.66)  # lips of their skin
DEEP, TEETH = (0.30, 0.10, 0.10), (0.86, 0.83, 0.77)


@compiled
def near(place: Place) -> bool:
    """Whether a pixel may show some of the mouth."""
    return abs(place.x) < 2.7 and -5.5 < place.y < -3.1 and place.front > 0.4


@compiled
def paint(place: Place, of: Row, skin: Colour) -> tuple[Colour, float]:
    """The mouth over skin, and how wet it is (0..1)."""
    across, slit = abs(place.x), (UPPER_EDGE - place.y) / SLIT
    if -0.02 < slit < 1.02 and across < 2.4:
        return _inside(across, slit, of.opening), 0.0
    colour, lips = _lips(place, of, skin)
    line = max(bump(place.y - UPPER_EDGE, 0.09), bump(place.y - LOWER_EDGE, 0.07))
    return times(colour, 1 - 0.62 * line * step(-across, -2.62, -2.3)), lips


@compiled
def _lips(place: Place, of: Row, skin: Colour) -> tuple[Colour, float]:
    """Lips over skin, and where they are."""
    x, y, across = place.x, place.y, abs(place.x)
    if across >= 2.5:
        return skin, 0.0
    bow = 0.60 - 0.14 * bump(x, 0.25) + 0.06 * bump(across - 0.55, 0.35)
    shape = math.sqrt(1 - (across / 2.5) ** 2)
    soft = shape * math.sqrt(shape)
    top, bottom = UPPER_EDGE + bow * soft, LOWER_EDGE - 0.80 * soft
    lips = step(top - y, -0.07, 0.08) * step(y - bottom, -0.1, 0.12)
    painted = mixed(tinted(skin, NATURAL), rgb(of.lipstick), of.made_up)
    return mixed(skin, times(painted, 0.9 - 0.06 * step(y, -4.3, -3.8)), lips * of.full_lips), lips


@compiled
def _inside(across: float, slit: float, opening: float) -> Colour:
    """`slit` is 0 at its upper edge and 1 at its lower one; `opening` is in cm."""
    dark = times(DEEP, 0.85 - 0.5 * min(opening / 2.4, 1.0))
    if opening <= 0.25:
        return dark
    return mixed(dark, TEETH, 0.95 * step(-slit, -0.42, -0.34) * step(-across, -2.2, -1.4))
