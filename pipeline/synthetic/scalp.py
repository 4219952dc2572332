"""Hair as it looks, pixel by pixel: painted on the scalp, and the shell of longer hair.

Template centimetres; colours are RGB, 0..1. `noise` is the record of `paint.noises`.
"""

from __future__ import annotations

import math

from pipeline.compiled import compiled
from pipeline.synthetic.paint import (
    AROUND,
    CELLS,
    FINE,
    MEDIUM,
    NOISE,
    PORES,
    Colour,
    Place,
    clipped,
    mixed,
    rgb,
    step,
    strand,
    times,
)
from pipeline.synthetic.rows import Row

GREY = (0.70, 0.70, 0.70)


@compiled
def strands(place: Place, of: Row, noise: Row) -> float:
    """Light and dark strands of hair, around 1: noise that is long along the hair and fine across it."""
    wobble = of.worn_curl * (4.4 * math.sin(place.y * 2.4 + place.azimuth * 3))
    column = int(place.azimuth * (AROUND * CELLS * 0.8) + wobble) & (NOISE - 1)
    row = int(place.y * (CELLS * (0.10 + 0.5 * of.worn_curl))) & (NOISE - 1)
    grain = noise.grain[row, column]
    return clipped(1 + 0.11 * grain[FINE] + 0.05 * grain[PORES] + 0.13 * grain[MEDIUM], 0.5, 1.6)


@compiled
def grown(place: Place, of: Row, noise: Row, colour: Colour, gloss: float) -> tuple[Colour, float]:
    """Skin under scalp hair, and under the shade that hair throws below its edge."""
    along = strand(place.azimuth)
    below = of.edge[along] - place.y
    if -0.4 < below < 1.1 and of.shell > 0:
        colour = times(colour, 1 - 0.32 * step(-below, -1.1, 0.1))
    if below < 1.5 and place.y > -9:
        cover = _cover(place, of.scalp[along], of.bald_above) * (0.72 + 0.18 * of.shell)
        if cover > 0:
            colour = mixed(colour, times(rgb(of.greyed), strands(place, of, noise)), cover)
            gloss *= 1 - 0.7 * cover
    return colour, gloss


@compiled
def _cover(place: Place, line: float, bald_above: float) -> float:
    """Where hair grows on the head (0..1), thinly at its line."""
    ragged = 0.22 * place.fine + 0.12 * place.pores
    cover = step(place.y - line + ragged, -0.3, 0.45)
    return cover * step(bald_above - place.y + 0.5 * ragged, -0.4, 0.6)


@compiled
def shell(place: Place, of: Row, noise: Row) -> tuple[Colour, float]:
    """Colour and gloss of hair that stands off the head."""
    light = strands(place, of, noise)
    white = clipped(of.grey * (0.75 + 0.5 * (light - 0.8)), 0.0, 1.0)
    above = place.y - of.edge[strand(place.azimuth)]
    deep = 0.72 + 0.28 * step(above, -0.5, 2.5)
    colour = times(mixed(rgb(of.hair_colour), GREY, white), light * deep)
    return colour, 0.55 * light * (1 - 0.6 * of.worn_curl)
