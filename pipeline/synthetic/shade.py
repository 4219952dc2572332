"""Colours of the pixels of one picture: of each, its texel, the noise there, its material, the light.

Shapes: f visible pixels. Colours are RGB, 1 is white.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from pipeline.compiled import Array, compiled
from pipeline.synthetic import brows, cloth, eyes, mouth, scalp, skin
from pipeline.synthetic.light import HAIR_WRAP, SKIN_WRAP, lit
from pipeline.synthetic.paint import (
    Colour,
    Place,
    clipped,
    mixed,
    noise_at,
    noises,
    rgb,
    times,
)
from pipeline.synthetic.raster import Fragments
from pipeline.synthetic.rows import Row
from pipeline.synthetic.surfaces import (
    AZIMUTH,
    CUTS,
    EARS,
    FRAMES,
    HAIR,
    HAT,
    HEAD,
    LENSES,
    PEAK,
    SHELL_CUTS,
    Layout,
    Y,
)

Pixels = tuple[Array, Array, Array, Array]  # of `Fragments`: quad, s, t, normal
Shell = tuple[Array, int]  # texels, first quad
Texels = tuple[Array, Array, Shell, Shell]  # material of every quad, texels, and those of hair and hat
TEXEL, CHANNELS = 8, 4  # fields of a place: those of a texel, then the noise


def shade(
    image: Float[NDArray[np.float32], "s s 3"], seen: Fragments, table: Array, row: int, layout: Layout
) -> None:
    """Paints every visible pixel with the light that reaches the camera from it, in place.

    `row` is the photograph's in the table (see `look.Looks`).
    """
    hair, hat = ((layout.strands[name], layout.quads[name].start) for name in ("hair", "hat"))
    texels = layout.materials, layout.texels, hair, hat
    pixels = seen.quad, seen.s, seen.t, seen.normal
    _shade(image.reshape(-1, 3), seen.pixel, pixels, texels, table, row, noises())


@compiled
def _shade(
    image: Array, where: Array, pixels: Pixels, texels: Texels, table: Array, row: int, noises: Array
) -> None:
    of, noise = table[row], noises[0]
    quads, _, _, normal = pixels
    materials = texels[0]
    places = _places(pixels, texels, of, noise)
    for index, quad in enumerate(quads):
        material = materials[quad]
        place = Place(
            *(places[index, 0], places[index, 1], places[index, 2], places[index, 3]),
            *(places[index, 4], places[index, 5], places[index, 6], places[index, 7]),
            *(places[index, 8], places[index, 9], places[index, 10], places[index, 11]),
        )
        colour, gloss = _surface(material, place, of, noise)
        wrap = SKIN_WRAP if material in (HEAD, EARS) else HAIR_WRAP
        x, y, z = (np.float64(normal[0, index]), np.float64(normal[1, index]), np.float64(normal[2, index]))
        pixel = where[index]
        image[pixel, 0], image[pixel, 1], image[pixel, 2] = lit(colour, gloss, wrap, x, y, z, of)


@compiled
def _places(pixels: Pixels, texels: Texels, of: Row, noise: Row) -> Array:
    """The fields of `Place` (f, 12), all before the first is used: memory answers many at once."""
    quads, along, down, _ = pixels
    materials, fixed, hair, hat = texels
    found = np.zeros((len(quads), TEXEL + CHANNELS))
    for index, quad in enumerate(quads):
        material, s, t = materials[quad], along[index], down[index]
        if material == HAIR:
            cell = _cell(SHELL_CUTS, quad - hair[1], s, t)
            found[index, Y], found[index, AZIMUTH] = hair[0][cell, 0], hair[0][cell, 1]
        elif material == HAT:
            cell = _cell(SHELL_CUTS, quad - hat[1], s, t)
            found[index, Y], found[index, AZIMUTH] = hat[0][cell, 0], hat[0][cell, 1]
        else:
            cell = _cell(CUTS, quad, s, t)
            for column in range(TEXEL):
                found[index, column] = fixed[cell, column]
        row, column = noise_at(found[index, Y], found[index, AZIMUTH], of)
        for channel in range(CHANNELS):
            found[index, TEXEL + channel] = noise.grain[row, column, channel]
    return found


@compiled
def _cell(cuts: int, quad: int, along: int, down: int) -> int:
    """The index of the texel at a place (0..255) of a quad."""
    return (quad * cuts + ((down * cuts) >> 8)) * cuts + ((along * cuts) >> 8)


@compiled
def _surface(material: int, place: Place, of: Row, noise: Row) -> tuple[Colour, float]:
    """Colour and gloss."""
    if material == FRAMES:
        return cloth.frames(of)
    if material == LENSES:
        return cloth.lenses()
    if material == PEAK:
        return cloth.peak(of)
    if material == HAIR:
        return scalp.shell(place, of, noise)
    if material == HAT:
        return cloth.hat(place, of)
    if material == EARS:
        return skin.ears(place, of)
    return _head(place, of, noise)


@compiled
def _head(place: Place, of: Row, noise: Row) -> tuple[Colour, float]:
    """Clothes, face mask or skin with all that grows on it."""
    if place.y < cloth.HIGHEST:
        line = cloth.collar(place, of)
        if place.y < line:
            return cloth.clothes(place, of, line), 0.0
    if of.mask > 0 and cloth.masked(place.x, place.y, place.azimuth):
        return cloth.mask(place, of), 0.05
    return _skin(place, of, noise)


@compiled
def _skin(place: Place, of: Row, noise: Row) -> tuple[Colour, float]:
    colour, gloss = skin.bare(place, of), 0.45 + 0.25 * place.flush
    if mouth.near(place):
        colour, wet = mouth.paint(place, of, colour)
        gloss += 0.5 * wet
    colour = times(colour, clipped(place.shadow, 0.25, 1.0))
    if brows.near(place):
        colour = mixed(colour, rgb(of.brow_colour), brows.brow(place, of))
    if brows.bearded(place, of):
        grown = brows.beard(place, of)
        colour = mixed(colour, times(rgb(of.greyed), 0.8), grown)
        gloss *= 1 - 0.7 * grown
    if eyes.near(place):
        colour, ball = eyes.paint(place, of, colour)
        gloss += 0.7 * ball
    return scalp.grown(place, of, noise, colour, gloss)
