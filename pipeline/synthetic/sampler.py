"""Photographs: what differs from image to image of one person.

Shapes: b photographs. Degrees: yaw positive to image right, pitch up, roll clockwise in the image.
Lengths of blur are pixels of a 112 px face crop; positions of the occluder are shares of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.draws import Draws
from pipeline.synthetic.singly import below, powers, singly
from pipeline.synthetic.world import World

MIMIC = dict(
    smile=(0.45, 1.1), pucker=(0.12, 0.9), brow_up=(0.2, 0.8), frown=(0.2, 0.8), sad=(0.12, 0.9)
) | dict(puff=(0.1, 0.8), sneer=(0.12, 0.8))  # probability, largest weight
AGES = {"young": (2.0, 20.0), "adult": (20.0, 50.0), "old": (50.0, 85.0)}


@dataclass(frozen=True)
class Photos:
    """One row a photograph. Switches (glasses, hat ...) are 0 or 1."""

    yaw: Float[Tensor, "b"]
    pitch: Float[Tensor, "b"]
    roll: Float[Tensor, "b"]
    age: Float[Tensor, "b"]
    expression: Float[Tensor, "b modes"]
    eye_open: Float[Tensor, "b"]
    gaze: Float[Tensor, "b 2"]
    key: Float[Tensor, "b 3"]  # direction to the main light
    key_colour: Float[Tensor, "b 3"]
    gloss: Float[Tensor, "b"]
    fill: Float[Tensor, "b 3"]
    fill_colour: Float[Tensor, "b 3"]
    ambient: Float[Tensor, "b 3"]
    style: Float[Tensor, "b"]  # which of the person's hair styles, 0..1
    hair: Float[Tensor, "b 6"]  # normal: length, volume, parting, mess and two phases of this day
    glasses: Float[Tensor, "b"]
    frame: Float[Tensor, "b 5"]  # of the glasses: colour, width and height, 0..1
    sunglasses: Float[Tensor, "b"]
    hat: Float[Tensor, "b"]
    brim: Float[Tensor, "b"]  # 1: the hat is a cap, 0: it is knitted
    hat_colour: Float[Tensor, "b 3"]
    mask: Float[Tensor, "b"]
    mask_colour: Float[Tensor, "b 3"]
    clothes: Float[Tensor, "b 3"]
    cut: Float[Tensor, "b 4"]  # of the clothes, 0..1: neckline, collar, stripes, their width
    beard: Float[Tensor, "b"]
    occluder: Float[Tensor, "b"]
    occluder_place: Float[Tensor, "b 4"]  # centre x, y, half width, half height
    occluder_colour: Float[Tensor, "b 3"]
    occluder_kind: Float[Tensor, "b"]  # below 0.4 a hand, else a thing
    exposure: Float[Tensor, "b"]
    saturation: Float[Tensor, "b"]
    gamma: Float[Tensor, "b"]
    balance: Float[Tensor, "b 3"]
    blur: Float[Tensor, "b"]
    resolution: Float[Tensor, "b"]  # share of the pixels a side that the camera had
    noise: Float[Tensor, "b"]
    shift: Float[Tensor, "b 2"]
    zoom: Float[Tensor, "b"]

    def __len__(self) -> int:
        return len(self.yaw)


def draw(
    draws: Draws,
    world: World,
    modes: Sequence[str],
    wears_glasses: Float[Tensor, "b"],
    own_age: Float[Tensor, "b"],
) -> Photos:
    """The photographs that `draws` stands for; `modes` names the columns of `expression`."""
    yaw, pitch, roll = _pose(draws, world)
    blurred, coarse = draws.chance(world.blur), draws.chance(world.low_resolution)
    grey = draws.chance(world.grey)
    return Photos(
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        age=_age(draws, world, own_age),
        expression=_expression(draws, modes),
        eye_open=torch.where(draws.chance(0.06) > 0, 0.0, draws.uniform(0.7, 1.12)),
        gaze=(draws.normals(2) * torch.tensor([0.12, 0.06])).clamp(-0.3, 0.3),
        **_light(draws),
        **_things(draws, world, wears_glasses),
        style=draws.uniform(),
        hair=draws.normals(6),
        beard=draws.uniform(0.3, 1.0),
        exposure=singly(math.exp, draws.normal() * 0.18) * world.light,
        saturation=draws.uniform(0.6, 1.25) * (1 - grey),
        gamma=singly(math.exp, draws.normal() * 0.15),
        balance=1 + 0.04 * draws.normals(3),
        blur=(blurred * draws.uniform(0.5, 2.2)).clamp(min=world.blur_floor),
        resolution=torch.where(coarse > 0, draws.uniform(0.25, 0.7), 1.0),
        noise=draws.uniform() ** 2 * 0.05 * world.noise,
        shift=draws.normals(2) * 0.015,
        zoom=1 + 0.035 * draws.normal(),
    )


def _pose(draws: Draws, world: World) -> tuple[Tensor, Tensor, Tensor]:
    turned = draws.chance(world.profiles) > 0
    yaw = torch.where(turned, draws.uniform(-90, 90), draws.normal() * world.yaw_spread).clamp(-90, 90)
    nodding = draws.chance(world.nods) > 0
    pitch = torch.where(nodding, draws.uniform(-50, 50), draws.normal() * world.pitch_spread).clamp(-50, 50)
    return yaw, pitch, (draws.normal() * world.roll_spread).clamp(-30, 30)


def _age(draws: Draws, world: World, own_age: Tensor) -> Tensor:
    """Years. With e = age_spread, Phi(sqrt(1 - e) own + sqrt(e) normal) is uniform whatever e is.

    It is the rank of the photograph among all ages, so that the shares of the groups are kept.
    """
    spread = world.age_spread
    rank = singly(below, (1 - spread) ** 0.5 * own_age + spread**0.5 * draws.normal())
    shares = torch.tensor([world.age[name] for name in AGES])
    above = shares.cumsum(0)
    group = (rank[:, None] >= above[:-1]).sum(1)
    low, high = torch.tensor(list(AGES.values()))[group].unbind(1)
    within = (rank - (above - shares)[group]) / shares[group].clamp(min=1e-6)
    return low + within.clamp(0, 1) * (high - low)


def _expression(draws: Draws, modes: Sequence[str]) -> Tensor:
    weights = torch.zeros(len(draws), len(modes))
    weights[:, modes.index("open")] = draws.chance(0.35) * powers(draws.uniform(), 1.5) * 2.4
    weights[:, modes.index("close")] = 1.0
    for name, (probability, most) in MIMIC.items():
        weights[:, modes.index(name)] = draws.chance(probability) * draws.uniform(0, most)
    weights[:, modes.index("jaw_side")] = draws.normal() * 0.2
    return weights


def _light(draws: Draws) -> dict[str, Tensor]:
    strength = draws.uniform(0.35, 0.8)
    second = draws.chance(0.5) * draws.uniform(0, 0.45)
    key = torch.stack([draws.normal() * 0.7, draws.normal() * 0.45 + 0.4, draws.uniform(0.45, 1.1)], 1)
    fill = torch.stack([draws.normal(), draws.normal() * 0.3, draws.uniform(-0.8, 0.6)], 1)
    return {
        "key": key,
        "key_colour": strength[:, None] * (1 + 0.05 * draws.normals(3)),
        "gloss": 0.2 * strength,
        "fill": fill,
        "fill_colour": second[:, None] * (1 + 0.12 * draws.normals(3)),
        "ambient": draws.uniform(0.34, 0.68)[:, None] * (1 + 0.035 * draws.normals(3)),
    }


def _things(draws: Draws, world: World, wears_glasses: Tensor) -> dict[str, Tensor]:
    glasses = draws.chance(0.08 + 0.42 * wears_glasses)
    centre, extent = draws.uniforms(2), draws.uniforms(2) * 0.18 + 0.12
    return {
        "glasses": glasses,
        "sunglasses": glasses * draws.chance(0.2),
        "frame": draws.uniforms(5),
        "hat": draws.chance(world.hats),
        "brim": draws.chance(0.6),
        "hat_colour": _muted(draws) * 0.9,
        "mask": draws.chance(world.masks),
        "mask_colour": draws.uniforms(3) * 0.5 + 0.4,
        "clothes": _muted(draws) * 0.85,
        "cut": draws.uniforms(4),
        "occluder": draws.chance(world.occlusion),
        "occluder_place": torch.cat([centre * 0.7 + 0.15, extent * 0.7], 1),
        "occluder_colour": _muted(draws),
        "occluder_kind": draws.uniform(),
    }


def _muted(draws: Draws) -> Float[Tensor, "b 3"]:
    """Colours of cloth and paper: most are dull, a few are loud."""
    loud = draws.uniform()[:, None] ** 2
    return (draws.uniform(0.08, 0.9)[:, None] * (1 - loud) + loud * draws.uniforms(3)).clamp(0.04, 0.96)


def clear(photos: Photos) -> Photos:
    """The same photographs without hat, mask, occluder and blur. Glasses, dark ones too, are kept on."""
    zero = torch.zeros(len(photos))
    return replace(
        photos,
        **dict.fromkeys(("hat", "mask", "occluder", "blur"), zero),
        resolution=zero + 1,
        noise=photos.noise * 0.3,
    )
