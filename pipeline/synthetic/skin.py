"""Colour of skin, lips, brows, scalp and beard, worked out for the pixels that show them.

Everything is a formula of the place on the template and of the person, so that it is as sharp as the
picture. Shapes: f visible pixels of one picture; a person and a photograph are tables of one row.
Colours are RGB, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.hair import Hair, step, strand
from pipeline.synthetic.identity import People
from pipeline.synthetic.sampler import Photos

PALE, TAN, DARK = (0.94, 0.77, 0.68), (0.76, 0.55, 0.41), (0.36, 0.235, 0.17)
BLOND, BROWN, BLACK_HAIR = (0.72, 0.56, 0.34), (0.32, 0.20, 0.12), (0.075, 0.06, 0.055)
RED_HAIR, GREY = (0.50, 0.23, 0.10), 0.70
NOISE, CELLS = 256, 12.0  # cells a side of the noise, and cells a centimetre
AROUND = 6.5  # centimetres a radian
COARSE, MEDIUM, FINE, PORES = range(4)


@dataclass(frozen=True)
class Look:
    """One person in one photograph."""

    people: People
    photos: Photos
    hair: Hair
    child: float  # 0 grown up, 1 small
    old: float  # 0 young, about 1 at seventy
    grey: float  # share of white hair
    hair_colour: Float[Tensor, "3"]
    opening: float  # of the mouth, cm


@dataclass(frozen=True)
class Place:
    """Where pixels lie on the template."""

    x: Float[Tensor, "f"]
    y: Float[Tensor, "f"]
    azimuth: Float[Tensor, "f"]
    front: Float[Tensor, "f"]
    beard: Float[Tensor, "f"]
    flush: Float[Tensor, "f"]
    wrinkle: Float[Tensor, "f"]
    noise: Float[Tensor, "f 4"]

    def at(self, rows: Tensor) -> Place:
        return Place(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


@lru_cache(maxsize=1)
def noises() -> Float[Tensor, "cells 4"]:
    """Periodic noise of unit variance, the same for everybody: patches, blotches, hairs, pores."""
    rng = np.random.Generator(np.random.PCG64(23))
    white = rng.standard_normal((4, NOISE, NOISE)).astype(np.float32)
    for channel, sigma in ((COARSE, 14.0), (MEDIUM, 4.0), (FINE, 0.7)):
        padded = np.pad(white[channel], 48, mode="wrap")
        soft = cv2.GaussianBlur(padded, (0, 0), sigma)[48:-48, 48:-48]
        white[channel] = soft / soft.std()
    return torch.from_numpy(np.ascontiguousarray(white.transpose(1, 2, 0))).view(-1, 4)


def noise_at(y: Tensor, azimuth: Tensor, shift: tuple[int, int]) -> Float[Tensor, "f 4"]:
    """The noise on a head, moved by the person's own `shift`."""
    row = (y * CELLS).long().add_(shift[0]).bitwise_and_(NOISE - 1)
    column = (azimuth * (AROUND * CELLS)).long().add_(shift[1]).bitwise_and_(NOISE - 1)
    return noises().index_select(0, row.mul_(NOISE).add_(column))


def shift_of(people: People) -> tuple[int, int]:
    down, along = (people.ageing[0].abs() * 4096).long().tolist()
    return int(down), int(along)


def ramp(value: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Colours (..., 3) along three stops at 0, 0.5 and 1."""
    first, middle, last = (torch.tensor(colour) for colour in colours)
    t = value[..., None]
    return torch.where(t < 0.5, first + (middle - first) * t * 2, middle + (last - middle) * (t - 0.5) * 2)


def hair_colour(people: People) -> Float[Tensor, "p 3"]:
    red = people.hair_red[:, None]
    return ramp(people.hair_dark, (BLOND, BROWN, BLACK_HAIR)) * (1 - red) + red * torch.tensor(RED_HAIR)


def skin_colour(people: People) -> Float[Tensor, "p 3"]:
    return ramp(people.melanin.clamp(0, 1), (PALE, TAN, DARK))


def bare(look: Look, place: Place) -> Float[Tensor, "f 3"]:
    """Skin: melanin, blood, blotches, freckles, moles, wrinkles and the spots of age."""
    people, noise = look.people, place.noise
    rough = 1 - 0.6 * look.child
    base = skin_colour(people)
    red = place.flush * (1.2 + 0.6 * people.redness) * (1 + 0.4 * look.child) + 0.05 * rough * noise[:, COARSE]
    red = red * (1 - 0.5 * people.melanin)
    tone = 1 + (0.022 * rough) * noise[:, COARSE] + (0.012 * rough) * noise[:, MEDIUM] + (0.012 * rough) * noise[:, PORES]
    tone = tone * (1 - place.wrinkle * (0.5 * min(look.old, 1.2) + 0.02)).clamp(min=0.35)
    if look.old > 0.5:
        spots = step(noise[:, FINE] + 0.5 * noise[:, MEDIUM], 1.7, 2.2) * (1 - people.melanin)
        tone = tone * (1 - 0.22 * (look.old - 0.5) * spots)
    flushed = torch.stack([1 - 0.03 * red, 1 - 0.26 * red, 1 - 0.24 * red], 1) * tone[:, None]
    colour = flushed * (base * (1 - torch.tensor([0, 0.05, 0.05]) * people.redness[:, None]))
    if people.freckles > 0:
        middle = torch.exp(-(((place.y - 0.2) / 2.4) ** 2)) * place.front
        spots = step(noise[:, FINE], 1.0, 1.5) * middle * people.freckles
        colour = colour * (1 - spots[:, None] * torch.tensor([0.25, 0.38, 0.42]))
    return _moles(people, place, colour)


def _moles(people: People, place: Place, colour: Tensor) -> Tensor:
    for x, y, radius in people.moles[0].tolist():
        if radius > 0:
            distance = (place.x - x) ** 2 + (place.y - y) ** 2
            rows = (distance < (3 * radius) ** 2).nonzero()[:, 0]
            spot = torch.exp(-distance[rows] / (1.4 * radius**2)) * place.front[rows]
            colour[rows] *= 1 - 0.8 * spot[:, None] * torch.tensor([0.7, 0.85, 0.9])
    return colour


def lips(look: Look, place: Place, skin: Tensor) -> tuple[Tensor, Tensor]:
    """Lips over skin, and how wet they are; the inside of the mouth and the teeth."""
    people, x, y = look.people, place.x, place.y
    across = x.abs()
    bow = 0.60 - 0.14 * torch.exp(-((x / 0.25) ** 2)) + 0.06 * torch.exp(-(((across - 0.55) / 0.35) ** 2))
    shape = (1 - (across / 2.5) ** 2).clamp(min=0)
    top, bottom = -3.98 + bow * shape**0.8, -4.42 - 0.80 * shape**0.75
    inside = step(top - y, -0.07, 0.08) * step(y - bottom, -0.1, 0.12) * (across < 2.5)
    made = people.lip_red * (1 - 0.75 * people.male) * (1 - look.child)
    red = torch.tensor([0.66, 0.27, 0.30]) * (1 - 0.45 * people.melanin.clamp(max=1))
    natural = skin * torch.tensor([0.90, 0.66, 0.66])
    upper = (0.9 - 0.06 * step(y, -4.3, -3.8))[:, None]
    colour = skin + ((natural + (red - natural) * (0.7 * made)) * upper - skin) * (inside * (0.9 - 0.25 * look.old))[:, None]
    slit = (-y - 3.98) / 0.44
    gap = (slit > -0.02) & (slit < 1.02) & (across < 2.4)
    line = torch.maximum(torch.exp(-(((y + 3.98) / 0.09) ** 2)), torch.exp(-(((y + 4.42) / 0.07) ** 2)))
    line = line * step(-across, -2.62, -2.3)
    colour = colour * (1 - 0.62 * line)[:, None]
    dark = torch.tensor([0.30, 0.10, 0.10]) * (0.85 - 0.5 * min(look.opening / 2.4, 1.0))
    teeth = step(-slit, -0.42, -0.34) * (0.95 if look.opening > 0.25 else 0.0) * step(-across, -2.2, -1.4)
    hollow = dark + (torch.tensor([0.86, 0.83, 0.77]) - dark) * teeth[:, None]
    return torch.where(gap[:, None], hollow, colour), inside * (1 - gap.float())


def brow_line(people: People) -> tuple[Tensor, Tensor, Tensor]:
    """Of the person's brows: length, height of the inner end and of the arch above it, cm."""
    length, height, arch, _, _ = people.brow.unbind(1)
    return 3.15 + 0.25 * length, 4.20 + 0.18 * height, (0.38 + 0.18 * arch).clamp(min=0.05)


def brow_middle(people: People, along: Tensor) -> Tensor:
    """Template height of the brow's middle, `along` from its inner end (0) to its outer one (1)."""
    _, height, arch = brow_line(people)
    return height + arch * (1 - ((along - 0.62) / 0.62) ** 2)


def brows(look: Look, place: Place) -> Float[Tensor, "f"]:
    """How much brow there is (0..1): hairs that lie outwards."""
    people = look.people
    _, _, _, width, dense = people.brow.unbind(1)
    along = (place.x.abs() - 1.3) / brow_line(people)[0]
    thick = (0.30 + 0.07 * width + 0.09 * people.male).clamp(0.14, 0.55) * (1 - 0.25 * look.child)
    thick = thick * (1 - 0.6 * along.clamp(0, 1) ** 1.5) * (0.75 + 0.25 * step(along, -0.05, 0.2))
    off = (place.y - brow_middle(people, along)) / thick
    there = step(-off.abs(), -1.35, -0.55) * step(along, -0.06, 0.06) * step(-along, -1.06, -0.9)
    hairs = 0.85 + 0.18 * place.noise[:, PORES].clamp(-1.5, 1)
    strong = (0.72 + 0.16 * dense.clamp(-2, 1.2)) * (1 - 0.25 * look.child) * (1 - 0.2 * look.old)
    return (there * hairs * strong * place.front).clamp(0, 0.97)


def scalp(look: Look, place: Place) -> Tensor:
    """Where hair grows on the head (0..1), thinly at its line."""
    line = look.hair.scalp[strand(place.azimuth)]
    ragged = 0.22 * place.noise[:, FINE] + 0.12 * place.noise[:, PORES]
    cover = step(place.y - line + ragged, -0.3, 0.45)
    return cover * step(look.hair.bald_above - place.y + 0.5 * ragged, -0.4, 0.6)


def beard(look: Look, place: Place) -> Tensor:
    """Full, around the mouth, moustache or chin beard; every man has a shadow of one (0..1)."""
    people, across, y = look.people, place.x.abs(), place.y
    grown_up = min(max((float(look.photos.age) - 15) / 6, 0), 1) * float(people.male)
    styles = (torch.ones_like(y), step(-across, -2.9, -2.4), step(y, -3.7, -3.3) * (across < 2.5), step(-across, -1.9, -1.4) * (y < -4.9))
    hairs = 1 + 0.22 * place.noise[:, PORES] + 0.12 * place.noise[:, FINE]
    full = styles[int(people.beard_style)] * float(people.beard * look.photos.beard)
    shadow = 0.17 * float(people.hair_dark)
    return (place.beard * (full.clamp(min=shadow) if shadow else full) * grown_up * hairs).clamp(0, 0.95)


def strands(place: Place, hair: Hair) -> Float[Tensor, "f"]:
    """Light and dark strands of hair, around 1."""
    wobble = hair.curl * (2.2 * torch.sin(place.y * 2.4 + place.azimuth * 3) + 1.2 * torch.sin(place.y * 5 + place.azimuth * 11))
    column = (place.azimuth * (AROUND * CELLS * 0.8) + wobble * 2).long().bitwise_and_(NOISE - 1)
    along = 0.10 + 0.5 * hair.curl
    row = (place.y * (CELLS * along)).long().bitwise_and_(NOISE - 1)
    grain = noises().index_select(0, row.mul_(NOISE).add_(column))  # long along the hair, fine across it
    return (1 + 0.11 * grain[:, FINE] + 0.05 * grain[:, PORES] + 0.13 * grain[:, MEDIUM]).clamp_(0.5, 1.6)
