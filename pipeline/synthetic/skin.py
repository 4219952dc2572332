"""Colour of skin, pixel by pixel, and what shading reads of every person.

Everything is a formula of the place on the template and of the person, so that it is as sharp as the
picture. Shapes: b photographs, p people. Colours are RGB, 0..1.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.compiled import compiled
from pipeline.synthetic.identity import People
from pipeline.synthetic.paint import Colour, Place, bump, rgb, shaded, step, times, tinted
from pipeline.synthetic.rows import Row
from pipeline.synthetic.sampler import Photos

PALE, TAN, DARK = (0.94, 0.77, 0.68), (0.76, 0.55, 0.41), (0.36, 0.235, 0.17)
BLOND, BROWN, BLACK_HAIR = (0.72, 0.56, 0.34), (0.32, 0.20, 0.12), (0.075, 0.06, 0.055)
RED_HAIR = (0.50, 0.23, 0.10)
FRECKLED, MOLE = (0.25, 0.38, 0.42), (0.56, 0.68, 0.72)  # what they take of each channel
EAR = (0.86, 0.74, 0.72)


@compiled
def bare(place: Place, of: Row) -> Colour:
    """Skin: melanin, blood, blotches, freckles, moles, wrinkles and the spots of age."""
    red = (place.flush * of.blood + of.rough * (0.05 * place.coarse)) * of.pale
    tone = 1 + of.rough * (0.022 * place.coarse + 0.012 * place.medium + 0.012 * place.pores)
    tone *= max(1 - place.wrinkle * of.lined, 0.35)
    tone *= 1 - of.spotted * step(place.fine + 0.5 * place.medium, 1.7, 2.2)
    colour = times(tinted(rgb(of.skin), (1 - 0.03 * red, 1 - 0.26 * red, 1 - 0.24 * red)), tone)
    if of.freckles > 0:
        spots = step(place.fine, 1.0, 1.5)
        if spots > 0:
            colour = shaded(colour, FRECKLED, spots * bump(place.y - 0.2, 2.4) * place.front * of.freckles)
    if place.front > 0.05:
        colour = _moles(place, of, colour)
    return colour


@compiled
def _moles(place: Place, of: Row, colour: Colour) -> Colour:
    moles = of.moles
    for index in range(len(moles)):
        across, down, radius = place.x - moles[index, 0], place.y - moles[index, 1], moles[index, 2]
        distance = across * across + down * down
        if distance < 9 * radius * radius:
            spot = math.exp(-distance / (1.4 * radius * radius)) * place.front
            colour = shaded(colour, MOLE, spot)
    return colour


@compiled
def ears(place: Place, of: Row) -> tuple[Colour, float]:
    """Colour and gloss."""
    return times(tinted(rgb(of.skin), EAR), min(max(place.shadow, 0.3), 1.0)), 0.3


def ramp(value: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Colours (..., 3) along three stops at 0, 0.5 and 1."""
    first, middle, last = (torch.tensor(colour) for colour in colours)
    t = value[..., None]
    return torch.where(t < 0.5, first + (middle - first) * t * 2, middle + (last - middle) * (t - 0.5) * 2)


def hair_colour(people: People) -> Float[Tensor, "p 3"]:
    red = people.hair_red[:, None]
    return ramp(people.hair_dark, (BLOND, BROWN, BLACK_HAIR)) * (1 - red) + red * torch.tensor(RED_HAIR)


def skin_colour(people: People) -> Float[Tensor, "p 3"]:
    return ramp(people.melanin.clamp(0, 1), (PALE, TAN, DARK)) * people.tint


def tables(people: People, photos: Photos, child: Tensor, old: Tensor) -> dict[str, Tensor]:
    """What formulas of pixels read of every image beside the tables of people and photographs."""
    age = old.clamp(max=1.2)
    grown_up = ((photos.age - 15) / 6).clamp(0, 1) * people.male
    melanin = people.melanin.clamp(max=1)
    shift = (people.ageing.abs() * 4096).long()
    skin = skin_colour(people) * (1 - torch.tensor([0, 0.05, 0.05]) * people.redness[:, None])
    return {
        "skin": skin,
        "rough": 1 - 0.6 * child.clamp(max=1.2),
        "blood": (1.2 + 0.6 * people.redness) * (1 + 0.4 * child),
        "pale": 1 - 0.5 * people.melanin,
        "lined": 0.65 * age + 0.02,
        "spotted": 0.22 * (old - 0.5).clamp(min=0) * (1 - melanin),
        "lipstick": torch.tensor([0.66, 0.27, 0.30]) * (1 - 0.45 * melanin[:, None]),
        "made_up": (0.25 + 0.6 * people.lip_red) * (1 - people.male) * (1 - child).clamp(min=0),
        "full_lips": 0.9 - 0.25 * age,
        "grown_beard": people.beard * photos.beard * grown_up,
        "stubble": (0.10 + 0.14 * people.hair_dark) * grown_up,
        "shift_down": shift[:, 0],
        "shift_along": shift[:, 1],
        "child": child,
        "old": old,
    }
