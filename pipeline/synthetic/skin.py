"""Colour of skin, lips, brows, scalp and beard, worked out for the pixels that show them.

Everything is a formula of the place on the template and of the person, so that it is as sharp as the
picture. Shapes: f visible pixels of some pictures.
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

from pipeline.synthetic.hair import step, strand
from pipeline.synthetic.identity import People
from pipeline.synthetic.rows import Rows
from pipeline.synthetic.sampler import Photos

PALE, TAN, DARK = (0.94, 0.77, 0.68), (0.76, 0.55, 0.41), (0.36, 0.235, 0.17)
BLOND, BROWN, BLACK_HAIR = (0.72, 0.56, 0.34), (0.32, 0.20, 0.12), (0.075, 0.06, 0.055)
RED_HAIR, GREY = (0.50, 0.23, 0.10), 0.70
NOISE, CELLS = 256, 12.0  # cells a side of the noise, and cells a centimetre
AROUND = 6.5  # centimetres a radian
COARSE, MEDIUM, FINE, PORES = range(4)


@dataclass(frozen=True)
class Place:
    """Where pixels lie on the template, and whose they are (see `renderer` for the tables' names)."""

    of: Rows
    x: Float[Tensor, "f"]
    y: Float[Tensor, "f"]
    azimuth: Float[Tensor, "f"]
    front: Float[Tensor, "f"]
    beard: Float[Tensor, "f"]
    flush: Float[Tensor, "f"]
    wrinkle: Float[Tensor, "f"]
    noise: Float[Tensor, "4 f"]

    def at(self, rows: Tensor) -> Place:
        names = ("x", "y", "azimuth", "front", "beard", "flush", "wrinkle", "noise")
        return Place(self.of.at(rows), *(getattr(self, name).index_select(-1, rows) for name in names))


@lru_cache(maxsize=1)
def noises() -> Float[Tensor, "4 cells"]:
    """Periodic noise of unit variance, the same for everybody: patches, blotches, hairs, pores."""
    rng = np.random.Generator(np.random.PCG64(23))
    white = rng.standard_normal((4, NOISE, NOISE)).astype(np.float32)
    for channel, sigma in ((COARSE, 14.0), (MEDIUM, 4.0), (FINE, 0.7)):
        padded = np.pad(white[channel], 48, mode="wrap")
        soft = cv2.GaussianBlur(padded, (0, 0), sigma)[48:-48, 48:-48]
        white[channel] = soft / soft.std()
    return torch.from_numpy(white).view(4, -1)


def noise_at(y: Tensor, azimuth: Tensor, of: Rows) -> Float[Tensor, "4 f"]:
    """The noise on a head, moved by the person's own shift."""
    row = (y * CELLS).long().add_(of.shift_down).bitwise_and_(NOISE - 1)
    column = (azimuth * (AROUND * CELLS)).long().add_(of.shift_along).bitwise_and_(NOISE - 1)
    return noises().index_select(1, row.mul_(NOISE).add_(column))


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


def bare(place: Place) -> Float[Tensor, "f 3"]:
    """Skin: melanin, blood, blotches, freckles, moles, wrinkles and the spots of age."""
    of, (coarse, medium, fine, pores) = place.of, place.noise
    rough = of.rough
    red = place.flush * of.blood + rough * (0.05 * coarse)
    red = red * of.pale
    tone = rough * (0.022 * coarse + 0.012 * medium + 0.012 * pores) + 1
    tone = tone * (1 - place.wrinkle * of.lined).clamp_(min=0.35)
    spots = step(fine + 0.5 * medium, 1.7, 2.2)
    tone = tone * (1 - spots * of.spotted)
    tints = torch.stack([tone * (1 - 0.03 * red), tone * (1 - 0.26 * red), tone * (1 - 0.24 * red)], 1)
    colour = tints * of.skin
    rows = (of.freckles > 0).nonzero()[:, 0]
    if len(rows):
        middle = torch.exp(-(((place.y[rows] - 0.2) / 2.4) ** 2)) * place.front[rows]
        spots = step(fine[rows], 1.0, 1.5) * middle * of.freckles[rows]
        colour[rows] *= 1 - spots[:, None] * torch.tensor([0.25, 0.38, 0.42])
    return _moles(place, colour)


def _moles(place: Place, colour: Tensor) -> Tensor:
    rows = (place.front > 0.05).nonzero()[:, 0]
    moles, x, y = place.of.at(rows).moles, place.x[rows], place.y[rows]
    for index in range(moles.shape[1]):
        centre_x, centre_y, radius = moles[:, index].unbind(1)
        across, down = x - centre_x, y - centre_y
        distance = across * across + down * down
        near = (distance < 9 * radius * radius).nonzero()[:, 0]
        spot = torch.exp(-distance[near] / (1.4 * radius[near] ** 2)) * place.front[rows[near]]
        colour[rows[near]] *= 1 - 0.8 * spot[:, None] * torch.tensor([0.7, 0.85, 0.9])
    return colour


def lips(place: Place, skin: Tensor) -> tuple[Tensor, Tensor]:
    """Lips over skin, and how wet they are; the inside of the mouth and the teeth."""
    of, x, y = place.of, place.x, place.y
    across = x.abs()
    bow = 0.60 - 0.14 * torch.exp(-((x / 0.25) ** 2)) + 0.06 * torch.exp(-(((across - 0.55) / 0.35) ** 2))
    shape = torch.sqrt((1 - (across / 2.5) ** 2).clamp(min=0))
    soft = shape * torch.sqrt(shape)
    top, bottom = -3.98 + bow * soft, -4.42 - 0.80 * soft
    inside = step(top - y, -0.07, 0.08) * step(y - bottom, -0.1, 0.12) * (across < 2.5)
    upper = (0.9 - 0.06 * step(y, -4.3, -3.8))[:, None]
    natural = skin * torch.tensor([0.90, 0.66, 0.66])
    painted = (natural + (of.lipstick - natural) * of.made_up[:, None]) * upper
    colour = skin + (painted - skin) * (inside * of.full_lips)[:, None]
    slit = (-y - 3.98) / 0.44
    gap = (slit > -0.02) & (slit < 1.02) & (across < 2.4)
    line = torch.maximum(torch.exp(-(((y + 3.98) / 0.09) ** 2)), torch.exp(-(((y + 4.42) / 0.07) ** 2)))
    line = line * step(-across, -2.62, -2.3)
    colour = colour * (1 - 0.62 * line)[:, None]
    rows = gap.nonzero()[:, 0]
    opening = of.opening[rows]
    dark = torch.tensor([0.30, 0.10, 0.10]) * (0.85 - 0.5 * (opening / 2.4).clamp(max=1))[:, None]
    teeth = step(-slit[rows], -0.42, -0.34) * (0.95 * (opening > 0.25)) * step(-across[rows], -2.2, -1.4)
    colour[rows] = dark + (torch.tensor([0.86, 0.83, 0.77]) - dark) * teeth[:, None]
    return colour, inside * ~gap


def brow_line(brow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of brows (k, 5): length, height of the inner end and of the arch above it, cm."""
    length, height, arch, _, _ = brow.unbind(1)
    return 3.15 + 0.25 * length, 4.20 + 0.18 * height, (0.38 + 0.18 * arch).clamp(min=0.05)


def arched(height: Tensor, arch: Tensor, along: Tensor) -> Tensor:
    """Template height of a brow's middle, `along` from its inner end (0) to its outer one (1)."""
    return height + arch * (1 - ((along - 0.62) / 0.62) ** 2)


def brows(place: Place) -> Float[Tensor, "f"]:
    """How much brow there is (0..1): hairs that lie outwards."""
    of = place.of
    _, _, _, width, dense = of.brow.unbind(1)
    length, height, arch = brow_line(of.brow)
    along = (place.x.abs() - 1.3) / length
    thick = (0.30 + 0.07 * width + 0.09 * of.male).clamp(0.14, 0.55) * (1 - 0.25 * of.child)
    thick = thick * (1 - 0.6 * along.clamp(0, 1) ** 2) * (0.75 + 0.25 * step(along, -0.05, 0.2))
    off = (place.y - arched(height, arch, along)) / thick
    there = step(-off.abs(), -1.35, -0.55) * step(along, -0.06, 0.06) * step(-along, -1.06, -0.9)
    hairs = 0.85 + 0.18 * place.noise[PORES].clamp(-1.5, 1)
    strong = (0.72 + 0.16 * dense.clamp(-2, 1.2)) * (1 - 0.25 * of.child) * (1 - 0.2 * of.old)
    return (there * hairs * strong * place.front).clamp(0, 0.97)


def scalp(place: Place) -> Tensor:
    """Where hair grows on the head (0..1), thinly at its line."""
    line = place.of.looked_up("scalp", strand(place.azimuth))
    ragged = 0.22 * place.noise[FINE] + 0.12 * place.noise[PORES]
    cover = step(place.y - line + ragged, -0.3, 0.45)
    return cover * step(place.of.bald_above - place.y + 0.5 * ragged, -0.4, 0.6)


def beard(place: Place) -> Tensor:
    """Full, around the mouth, moustache or chin beard; every man has a shadow of one (0..1)."""
    of, across, y = place.of, place.x.abs(), place.y
    around = step(-across, -2.9, -2.4)
    moustache = step(y, -3.7, -3.3) * (across < 2.5)
    chin = step(-across, -1.9, -1.4) * (y < -4.9)
    styles = torch.stack([torch.ones_like(y), around, moustache, chin], 1)
    full = styles.gather(1, of.beard_style[:, None])[:, 0] * of.grown_beard
    hairs = 1 + 0.22 * place.noise[PORES] + 0.12 * place.noise[FINE]
    return (place.beard * torch.maximum(full, of.stubble) * hairs).clamp(0, 0.95)


def strands(place: Place) -> Float[Tensor, "f"]:
    """Light and dark strands of hair, around 1."""
    curl = place.of.curl
    wobble = curl * (4.4 * torch.sin(place.y * 2.4 + place.azimuth * 3))
    column = (place.azimuth * (AROUND * CELLS * 0.8) + wobble).long().bitwise_and_(NOISE - 1)
    row = (place.y * (CELLS * (0.10 + 0.5 * curl))).long().bitwise_and_(NOISE - 1)
    grain = noises().index_select(1, row.mul_(NOISE).add_(column))  # long along the hair, fine across it
    return (1 + 0.11 * grain[FINE] + 0.05 * grain[PORES] + 0.13 * grain[MEDIUM]).clamp_(0.5, 1.6)


def tables(people: People, photos: Photos, child: Tensor, old: Tensor) -> dict[str, Tensor]:
    """What the formulas above read of every image beside the tables of people and photographs."""
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
        "lined": 0.5 * age + 0.02,
        "spotted": 0.22 * (old - 0.5).clamp(min=0) * (1 - melanin),
        "lipstick": torch.tensor([0.66, 0.27, 0.30]) * (1 - 0.45 * melanin[:, None]),
        "made_up": 0.7 * people.lip_red * (1 - 0.75 * people.male) * (1 - child).clamp(min=0),
        "full_lips": 0.9 - 0.25 * age,
        "grown_beard": people.beard * photos.beard * grown_up,
        "stubble": 0.17 * people.hair_dark * grown_up,
        "shift_down": shift[:, 0],
        "shift_along": shift[:, 1],
        "child": child,
        "old": old,
    }
