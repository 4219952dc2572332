"""Skin, lips, brows, hair and beards of people, painted once on the texels of their heads.

Shapes: p people, n texels of the head, points = n and every other surface. Colours are linear RGB, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.draws import Draws
from pipeline.synthetic.features import Features
from pipeline.synthetic.identity import People
from pipeline.synthetic.template import Template, bell

PALE, TAN, DARK = (0.93, 0.76, 0.67), (0.74, 0.53, 0.38), (0.33, 0.21, 0.15)
BLOND, BROWN, BLACK_HAIR, RED_HAIR = (
    (0.80, 0.63, 0.38),
    (0.36, 0.22, 0.12),
    (0.07, 0.055, 0.05),
    (0.55, 0.24, 0.10),
)


@dataclass(frozen=True)
class Canvas:
    """The template's texels as flat tensors (n)."""

    shape: tuple[int, int]
    x: Tensor
    y: Tensor
    azimuth: Tensor
    front: Tensor
    lip: Tensor
    shadow: Tensor
    beard: Tensor
    flush: Tensor  # cheeks and nose, where blood shows
    under_eye: Tensor
    freckled: Tensor

    @classmethod
    def of(cls, head: Template, features: Features) -> Canvas:
        flush = 0.25 * head.bumps(4.2, -0.3, 1.5, 1.4) + 0.25 * head.bump(0, -1, 1, 1)
        under_eye = head.bumps(3.0, 1.4, 1.1, 0.5)
        freckled = bell(head.y, 0.2, 2.0) * head.front
        grids = (head.x, head.y, head.azimuth, head.front, features.lip, features.shadow, features.beard)
        return cls(head.shape, *(flat(grid) for grid in (*grids, flush, under_eye, freckled)))


def flat(grid: np.ndarray) -> Float[Tensor, "n"]:
    return torch.from_numpy(np.ascontiguousarray(grid, np.float32)).reshape(-1)


@dataclass(frozen=True)
class Grain:
    """Noise on a person's head (p, channels, n): patches, strands, pores."""

    coarse: Tensor
    medium: Tensor
    fine: Tensor

    @classmethod
    def draw(cls, draws: Draws, shape: tuple[int, int]) -> Grain:
        large = _stretched(draws.noise(2, 8, 10), shape) + 0.7 * _stretched(draws.noise(2, 20, 26), shape)
        return cls(
            large.flatten(2),
            0.6 * _stretched(draws.noise(2, 56, 72), shape).flatten(2),
            draws.noise(3, *shape).flatten(2),
        )


def _stretched(noise: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(noise, size=shape, mode="bilinear", align_corners=False)


def ramp(value: Tensor, colours: tuple[tuple[float, float, float], ...]) -> Tensor:
    """Colours (..., 3) along three stops at 0, 0.5 and 1."""
    first, middle, last = (torch.tensor(colour) for colour in colours)
    t = value[..., None]
    low = first + (middle - first) * t * 2
    return torch.where(t < 0.5, low, middle + (last - middle) * (t - 0.5) * 2)


def skin_colour(people: People) -> Float[Tensor, "p 3"]:
    return ramp(people.melanin.clamp(0, 1), (PALE, TAN, DARK))


def hair_colour(people: People) -> Float[Tensor, "p 3"]:
    red = people.hair_red[:, None]
    return ramp(people.hair_dark, (BLOND, BROWN, BLACK_HAIR)) * (1 - red) + red * torch.tensor(RED_HAIR)


@dataclass(frozen=True)
class Painted:
    """What a person's head looks like before light falls on it."""

    colour: Float[Tensor, "p n 3"]
    hair: Float[Tensor, "p n"]  # where hair covers the skin
    beard: Float[Tensor, "p n"]
    gloss: Float[Tensor, "p n"]
    thickness: Float[Tensor, "p n"]  # of the hair, cm


def paint(canvas: Canvas, people: People, grain: Grain) -> Painted:
    colour = _lips(canvas, people, _skin(canvas, people, grain))
    colour = colour * canvas.shadow[None, :, None].clamp(0.25, 1)
    brow = _brows(canvas, people, grain)
    hair = hair_colour(people)[:, None]
    colour = colour + (hair * 0.75 - colour) * brow[..., None]
    cover, line = _hair(canvas, people, grain)
    strand = 1 + 0.22 * grain.medium[:, 1] * (1 + 0.5 * people.curl[:, None]) + 0.16 * grain.fine[:, 2]
    colour = colour + (hair * strand[..., None].clamp(0.4, 1.8) - colour) * cover[..., None]
    return Painted(
        colour=colour,
        hair=cover,
        beard=_beard(canvas, people, grain),
        gloss=(1 - cover) * (0.5 + 0.5 * canvas.lip) + cover * 0.35,
        thickness=_thickness(canvas, people, grain, cover, line),
    )


def _skin(canvas: Canvas, people: People, grain: Grain) -> Tensor:
    melanin, redness = people.melanin[:, None], people.redness[:, None]
    level = melanin.clamp(0, 1) + 0.02 * grain.coarse[:, 0] + 0.010 * grain.medium[:, 0]
    skin = ramp(level.clamp(0, 1), (PALE, TAN, DARK))
    red = canvas.flush * (1 + 0.5 * redness) + 0.03 * grain.coarse[:, 1]
    red = red * (1 - 0.5 * melanin)
    dark = (1 - 0.3 * canvas.under_eye * people.lid[:, None]) * (1 + 0.02 * grain.fine[:, 0])
    pale = torch.stack([1 - 0.02 * red, (1 - 0.22 * red), (1 - 0.20 * red)], -1)
    flush = 1 - torch.tensor([0, 0.05, 0.05]) * redness[..., None]
    spots = (grain.fine[:, 1] > 1.6) * canvas.freckled
    freckles = (spots * people.freckles[:, None])[..., None] * torch.tensor([0.25, 0.38, 0.42])
    skin = skin * pale * flush * dark[..., None] * (1 - freckles)
    return _moles(canvas, people, skin)


def _moles(canvas: Canvas, people: People, skin: Tensor) -> Tensor:
    for person, moles in enumerate(people.moles.tolist()):
        for x, y, radius in moles:
            if radius > 0:
                distance = (canvas.x - x) ** 2 + (canvas.y - y) ** 2
                near = (distance < (4 * radius) ** 2).nonzero()[:, 0]
                spot = torch.exp(-distance[near] / (2 * radius**2)) * canvas.front[near]
                skin[person, near] *= 1 - 0.75 * spot[:, None] * torch.tensor([0.7, 0.85, 0.9])
    return skin


def _lips(canvas: Canvas, people: People, skin: Tensor) -> Tensor:
    red = people.lip_red[:, None, None]
    paint = torch.tensor([0.62, 0.25, 0.27]) * (1 - 0.5 * people.melanin[:, None, None].clamp(max=1))
    lips = skin * torch.tensor([0.92, 0.62, 0.62]) * (1 - red) + red * paint
    return skin + (lips - skin) * (canvas.lip[None, :, None] * 0.85)


def _fade(distance: Tensor) -> Tensor:
    """exp(-distance / 2), without the tiny numbers that slow everything down."""
    return torch.exp(-0.5 * distance.clamp(max=60))


def _brows(canvas: Canvas, people: People, grain: Grain) -> Tensor:
    length, height, arch, width, dense = people.brow[:, None].unbind(2)
    along = (canvas.x.abs() - 1.3) / (3.3 + 0.25 * length)
    middle = 4.20 + 0.18 * height + (0.35 + 0.18 * arch) * (1 - ((along - 0.6) / 0.6) ** 2)
    thick = (0.30 + 0.08 * width + 0.08 * people.male[:, None]).clamp(0.12, 0.6)
    thick = thick * (1 - 0.55 * along.clamp(0, 1))
    brow = _fade(((canvas.y - middle) / thick) ** 4) * ((along > -0.02) & (along < 1.02))
    gaps = 1 - 0.25 * (grain.fine[:, 2] > 0.6)
    return (brow * canvas.front * (0.75 + 0.2 * dense.clamp(-2, 1)) * gaps).clamp(0, 1)


def _hair(canvas: Canvas, people: People, grain: Grain) -> tuple[Tensor, Tensor]:
    """Where there is hair (0..1), and the height (cm) of the hairline there."""
    y, turn = canvas.y, canvas.azimuth.abs()
    base, waves, skew, temple, fringe, burns = people.hairline[:, None].unbind(2)
    male = people.male[:, None]
    line = 8.2 + 0.55 * base + 0.35 * waves * torch.cos(turn * 3)
    line = line + 0.25 * skew * torch.sin(canvas.azimuth * 2)
    line = (
        line - 3.9 * torch.sigmoid((turn - 1.05 - 0.08 * temple) * 9) - 6.0 * torch.sigmoid((turn - 1.85) * 8)
    )
    line = line + 0.12 * grain.fine[:, 0] + 0.1 * grain.medium[:, 0]
    line = line - (fringe > 0.9) * (1 - male * 0.6) * 2.8 * torch.exp(-((turn / 0.95) ** 6))
    cover = torch.sigmoid((y - line) * 4) * (1 - people.bald[:, None] * torch.sigmoid((y - 6.0) * 2))
    sideburns = _fade(((turn - 1.36) / 0.13) ** 4) * torch.sigmoid((4 - y) * 3)
    sideburns = sideburns * torch.sigmoid((y + 0.4 + 0.9 * burns) * 4) * male
    soft = 0.65 * (1 + 0.2 * grain.medium[:, 1]).clamp(0.5, 1.2)
    return torch.maximum(cover, sideburns * soft), line


def _thickness(canvas: Canvas, people: People, grain: Grain, cover: Tensor, line: Tensor) -> Tensor:
    y, patches = canvas.y, grain.medium[:, 0]
    volume, curl = people.hair_volume[:, None], people.curl[:, None]
    full = 0.35 + 0.9 * volume * (0.4 + 0.6 * torch.sigmoid(y - 5)) + curl * 0.5 * (1 + 0.3 * patches)
    return cover * full * (1 + 0.08 * patches) * torch.sigmoid((y - line) * 1.3)


def _beard(canvas: Canvas, people: People, grain: Grain) -> Tensor:
    """Full, around the mouth, moustache or chin beard; every man has a shadow of one."""
    across, y = canvas.x.abs(), canvas.y
    styles = [torch.ones_like(y), across < 2.6, (across < 2.4) & (y > -3.5), (across < 1.6) & (y < -5)]
    style = torch.stack([mask.float() for mask in styles])[people.beard_style]
    grown = canvas.beard * style * people.beard[:, None]
    shadow = canvas.beard * (people.male * 0.22 * people.hair_dark)[:, None]
    return torch.maximum(grown, shadow) * (1 - 0.35 * (grain.fine[:, 0] > 0.3))
