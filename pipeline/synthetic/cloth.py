"""Clothes, face masks, hats and glasses, pixel by pixel: their colour and gloss.

Template centimetres; colours are RGB, 0..1.
"""

from __future__ import annotations

import math

from pipeline.compiled import compiled
from pipeline.synthetic.paint import Colour, Place, bump, rgb, step, times
from pipeline.synthetic.rows import Row

BEHIND_MASK = -9.6  # a face mask ends under the chin
MASK_SIDE, EAR = 1.2, 1.55  # azimuth where its cloth ends, and where the loops around the ears do
LOOPS = (-0.9, -5.6)  # their heights
HIGHEST = -10.5  # clothes reach no higher
METAL, PANE = (1.0, 0.85, 0.7), (0.045, 0.05, 0.06)


@compiled
def collar(place: Place, of: Row) -> float:
    """The height where clothes begin."""
    line = -13.9 + 1.1 * (1 - math.cos(place.azimuth)) + 0.5 * of.cut[1]
    if of.cut[0] < 0.35:  # a V
        line -= 3.2 * max(1 - abs(place.azimuth) / 0.75, 0.0)
    return line


@compiled
def clothes(place: Place, of: Row, line: float) -> Colour:
    """Cloth under the collar's `line`."""
    colour, hemmed = rgb(of.clothes), of.cut[1]
    if of.cut[2] > 0.75:
        striped = math.sin(place.y * (2 + 4 * of.cut[3])) > 0
        colour = times(colour, 1.1 if striped else 0.4)
    if line - place.y < 0.9 and hemmed > 0.5:
        dark = 0.6 if hemmed > 0.8 else 0.0
        colour = 0.92 - dark * colour[0], 0.92 - dark * colour[1], 0.92 - dark * colour[2]
    return times(colour, 0.95 + 0.05 * place.fine)


@compiled
def masked(x: float, y: float, azimuth: float) -> bool:
    """Where a face mask lies on the template: its cloth, and a loop to the ear above and below."""
    around = abs(azimuth)
    if around < MASK_SIDE:
        return BEHIND_MASK < y < -0.2 - 0.03 * x**2 + 0.6 * bump(x, 1.2)
    return around < EAR and (abs(y - LOOPS[0]) < 0.2 or abs(y - LOOPS[1]) < 0.2)


@compiled
def mask(place: Place, of: Row) -> Colour:
    folds = 1 - 0.1 * bump(place.y + 3.6, 0.12) - 0.1 * bump(place.y + 5.0, 0.12)
    return times(rgb(of.mask_colour), folds)


@compiled
def hat(place: Place, of: Row) -> tuple[Colour, float]:
    knitted = 1.0
    if of.brim == 0:
        knitted = 0.88 + 0.12 * math.sin(place.azimuth * 60) * (1 - step(place.y, 10.0, 12.5))
    return times(rgb(of.hat_colour), knitted), 0.05


@compiled
def peak(of: Row) -> tuple[Colour, float]:
    return times(rgb(of.hat_colour), 0.9), 0.05


@compiled
def frames(of: Row) -> tuple[Colour, float]:
    return times(METAL, 0.35 * of.frame[0] ** 2 + 0.03), 1.0


@compiled
def lenses() -> tuple[Colour, float]:
    return PANE, 1.6
