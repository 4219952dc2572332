"""People: what stays the same from photograph to photograph.

Shapes: p people. Race codes are those of the annotations (0 Black, 1 East or Southeast Asian,
2 Indian, 3 Latino Hispanic, 4 Middle Eastern or White), gender 0 female, 1 male.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.synthetic.draws import Draws
from pipeline.synthetic.styles import STYLES
from pipeline.synthetic.world import World

IRISES = ((0.20, 0.12, 0.06), (0.32, 0.20, 0.10), (0.25, 0.38, 0.45), (0.28, 0.36, 0.22), (0.42, 0.46, 0.48))


@dataclass(frozen=True)
class Race:
    """What a group's people have in common on average; they differ far more among themselves."""

    name: str
    melanin: tuple[float, float]  # mean, standard deviation; 0 is the palest skin, 1 the darkest
    hair: float | None  # darkness of hair, None: anything
    irises: tuple[float, ...]  # shares of IRISES
    shape: Mapping[str, float]  # shifts of shape modes


RACES = (
    Race(
        "black",
        (0.85, 0.10),
        0.97,
        (0.95, 0.05, 0.0, 0.0, 0.0),
        dict(nose_width=1.6, nose_bridge=-0.8, nose_height=-0.5, upper_lip=1.2, lower_lip=1.2)
        | dict(lip_protrusion=1.3, nose_tip_width=1.0),
    ),
    Race(
        "east_asian",
        (0.28, 0.07),
        0.93,
        (0.9, 0.1, 0.0, 0.0, 0.0),
        dict(nose_bridge=-1.2, nose_height=-0.5, eye_depth=-1.0, cheekbone=0.9, head_width=0.6)
        | dict(eye_tilt=0.8, brow_ridge=-0.5),
    ),
    Race(
        "indian",
        (0.55, 0.10),
        0.92,
        (0.85, 0.12, 0.0, 0.03, 0.0),
        dict(nose_width=0.4, nose_hump=0.4, eye_size=0.4, nose_bridge=0.2),
    ),
    Race(
        "latino",
        (0.36, 0.09),
        0.88,
        (0.7, 0.2, 0.0, 0.1, 0.0),
        dict(nose_width=0.6, cheekbone=0.5, nose_bridge=-0.1, nose_height=0.1),
    ),
    Race(
        "white",
        (0.12, 0.05),
        None,
        (0.2, 0.2, 0.3, 0.15, 0.15),
        dict(nose_height=0.35, nose_bridge=0.5, nose_width=-0.5, lip_protrusion=-0.3),
    ),
)
BLACK, WHITE = 0, 4
MALE_SHAPE = (
    dict(brow_ridge=0.7, jaw_width=0.7, jaw_angle=0.6, chin_width=0.6, nose_height=0.35, nose_width=0.3)
    | dict(upper_lip=-0.35, lower_lip=-0.35, eye_size=-0.35, cheek_fat=-0.2, face_length=0.3)
    | dict(neck_width=0.8, head_width=0.3, chin_length=0.35, forehead_slope=0.5, brow_height=-0.35)
)


@dataclass(frozen=True)
class People:
    """One row a person."""

    race: Int[Tensor, "p"]
    male: Float[Tensor, "p"]
    shape: Float[Tensor, "p modes"]
    melanin: Float[Tensor, "p"]
    redness: Float[Tensor, "p"]
    hair_dark: Float[Tensor, "p"]
    hair_red: Float[Tensor, "p"]
    styles: Int[Tensor, "p 3"]  # of hair, see hair.STYLES: which one is worn differs from day to day
    hairline: Float[Tensor, "p 6"]
    curl: Float[Tensor, "p"]
    bald: Float[Tensor, "p"]
    brow: Float[Tensor, "p 5"]
    beard: Float[Tensor, "p"]
    beard_style: Int[Tensor, "p"]
    freckles: Float[Tensor, "p"]
    moles: Float[Tensor, "p 5 3"]  # x, y, radius in cm; radius 0: none
    iris: Float[Tensor, "p 3"]
    lid: Float[Tensor, "p"]  # height of the open eye
    fold: Float[Tensor, "p"]  # of the upper lid
    lip_red: Float[Tensor, "p"]
    ageing: Float[Tensor, "p 2"]  # how strongly childhood and age show
    own_age: Float[Tensor, "p"]  # where among the ages: a normal score (see sampler)
    wears_glasses: Float[Tensor, "p"]

    def __len__(self) -> int:
        return len(self.race)

    def take(self, rows: Tensor) -> People:
        return People(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def group(draws: Draws, world: World) -> tuple[Int[Tensor, "p"], Float[Tensor, "p"]]:
    """Race code and 1 for a man, of people of whom nothing has been drawn yet."""
    shares = torch.tensor([world.race[entry.name] for entry in RACES])
    return draws.choice(shares[None].expand(len(draws), -1)), draws.chance(world.male)


def draw(draws: Draws, modes: Sequence[str], world: World) -> People:
    """The people that `draws` stands for; `modes` names the columns of `shape`."""
    race, male = group(draws, world)
    shape = _shape(draws, modes, race, male, world.shape_spread)
    mean, spread = torch.tensor([entry.melanin for entry in RACES])[race].unbind(1)
    melanin = (mean + spread * draws.normal()).clamp(0.02, 1.1)
    irises = torch.tensor([entry.irises for entry in RACES])[race]
    return People(
        race=race,
        male=male,
        shape=shape,
        melanin=melanin,
        redness=draws.normal() * 0.35,
        iris=torch.tensor(IRISES)[draws.choice(irises)] + draws.normals(3) * 0.02,
        **_hair(draws, race, male),
        freckles=draws.chance(0.25) * draws.uniform(0.3, 1.0) * (1 - melanin),
        moles=_moles(draws),
        lid=draws.uniform(0.36, 0.54),
        fold=draws.uniform(),
        lip_red=draws.uniform(),
        ageing=draws.normals(2),
        wears_glasses=draws.chance(0.25),
        own_age=draws.normal(),
    )


def sex_shape(modes: Sequence[str]) -> Float[Tensor, "modes"]:
    """What men have more of, and women less, of every shape mode."""
    return torch.tensor([MALE_SHAPE.get(name, 0.0) for name in modes])


def _shape(draws: Draws, modes: Sequence[str], race: Tensor, male: Tensor, spread: float) -> Tensor:
    shifts = torch.zeros(len(RACES), len(modes))
    for code, entry in enumerate(RACES):
        for name, value in entry.shape.items():
            shifts[code, modes.index(name)] = value
    own = draws.normals(len(modes)) * (0.9 * spread)
    return own + shifts[race] + (2 * male - 1)[:, None] * sex_shape(modes)


def _hair(draws: Draws, race: Tensor, male: Tensor) -> dict[str, Tensor]:
    known = torch.tensor([-1.0 if entry.hair is None else entry.hair for entry in RACES])[race]
    curl = torch.where(race == BLACK, torch.tensor(0.9), draws.uniform(0, 0.5))
    return {
        "hair_dark": torch.where(known < 0, draws.uniform(), known),
        "hair_red": draws.chance(0.12) * (race == WHITE),
        "hairline": draws.normals(6),
        "curl": curl,
        "styles": torch.stack([_style(draws, male, curl) for _ in range(3)], 1),
        "bald": male * draws.chance(0.2),
        "brow": draws.normals(5),
        "beard": male * draws.chance(0.35) * draws.uniform(0.3, 1.0),
        "beard_style": (draws.uniform() * 4).long().clamp(max=3),
    }


def _style(draws: Draws, male: Tensor, curl: Tensor) -> Tensor:
    """One way of wearing the hair, as usual for the gender and for how curly it is."""
    usual = torch.tensor([[style.women, style.men] for style in STYLES])
    shares = torch.where(male[:, None] > 0, usual[:, 1], usual[:, 0])
    curly = torch.tensor([float(style.curly) for style in STYLES])
    fits = torch.where(curl[:, None] > 0.6, 0.2 + 0.8 * curly, 1.0 - 0.9 * curly)
    return draws.choice(shares * fits)


def _moles(draws: Draws) -> Tensor:
    count = (draws.uniform() * 6).long()
    spots = draws.uniforms(15).reshape(-1, 5, 3)
    there = (torch.arange(5)[None] < count[:, None]).float()
    radius = (spots[..., 2] * 0.14 + 0.10) * there
    return torch.stack([spots[..., 0] * 12 - 6, spots[..., 1] * 15.5 - 8, radius], 2)
