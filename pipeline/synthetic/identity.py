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
from pipeline.synthetic.singly import product
from pipeline.synthetic.styles import STYLES
from pipeline.synthetic.world import World

IRISES = ((0.20, 0.12, 0.06), (0.32, 0.20, 0.10), (0.25, 0.38, 0.45), (0.28, 0.36, 0.22), (0.42, 0.46, 0.48))


@dataclass(frozen=True)
class Race:
    """What a group's people have in common on average, and what range they have it in."""

    name: str
    melanin: tuple[float, float]  # mean, standard deviation; 0 is the palest skin, 1 the darkest
    tint: tuple[float, float, float]  # factors of red, green, blue
    hair: float | None  # darkness of hair, None: anything
    curl: tuple[float, float]
    irises: tuple[float, ...]  # shares of IRISES
    lid: tuple[float, float]  # height of the open eye
    fold: tuple[float, float]  # of the upper lid
    brow: tuple[float, ...]  # shifts of length, height, arch, thickness, density
    shape: Mapping[str, float]  # shifts of shape modes


RACES = (
    Race(
        name="black",
        melanin=(0.90, 0.06),
        tint=(1.0, 0.99, 1.0),
        hair=0.97,
        curl=(0.9, 0.9),
        irises=(0.95, 0.05, 0.0, 0.0, 0.0),
        lid=(0.40, 0.52),
        fold=(0.3, 0.9),
        brow=(0.0, 0.0, 0.2, 0.0, 0.0),
        shape=dict(nose_width=2.2, nose_bridge=-1.2, nose_height=-0.8, upper_lip=1.8, lower_lip=1.8)
        | dict(lip_protrusion=1.8, nose_tip_width=1.5),
    ),
    Race(
        name="east_asian",
        melanin=(0.20, 0.05),
        tint=(0.98, 1.0, 0.86),
        hair=0.95,
        curl=(0.0, 0.1),
        irises=(0.9, 0.1, 0.0, 0.0, 0.0),
        lid=(0.32, 0.40),
        fold=(0.0, 0.15),
        brow=(-0.3, 0.3, -0.8, -0.6, -0.3),
        shape=dict(nose_bridge=-1.9, nose_height=-0.8, eye_depth=-1.6, cheekbone=1.4, head_width=1.0)
        | dict(eye_tilt=1.4, brow_ridge=-0.9),
    ),
    Race(
        name="indian",
        melanin=(0.62, 0.05),
        tint=(0.95, 0.98, 0.86),
        hair=0.95,
        curl=(0.1, 0.35),
        irises=(0.85, 0.12, 0.0, 0.03, 0.0),
        lid=(0.47, 0.57),
        fold=(0.6, 1.0),
        brow=(0.5, -0.4, 0.3, 1.1, 0.9),
        shape=dict(nose_width=0.3, nose_hump=2.0, eye_size=1.8, nose_bridge=0.7, nose_length=1.2)
        | dict(eye_depth=0.9, face_length=0.7, cheek_fat=-0.6),
    ),
    Race(
        name="latino",
        melanin=(0.36, 0.05),
        tint=(1.07, 0.96, 0.90),
        hair=0.88,
        curl=(0.25, 0.5),
        irises=(0.7, 0.2, 0.0, 0.1, 0.0),
        lid=(0.38, 0.50),
        fold=(0.2, 0.8),
        brow=(0.2, 0.0, -0.2, 0.5, 0.4),
        shape=dict(nose_width=1.5, cheekbone=1.2, jaw_width=0.9, cheek_fat=1.2, lower_lip=1.0)
        | dict(nose_tip_width=1.2, face_length=-1.0, forehead_height=-0.8),
    ),
    Race(
        name="white",
        melanin=(0.07, 0.04),
        tint=(1.0, 0.96, 0.98),
        hair=None,
        curl=(0.0, 0.5),
        irises=(0.2, 0.2, 0.3, 0.15, 0.15),
        lid=(0.38, 0.52),
        fold=(0.3, 1.0),
        brow=(0.0, 0.0, 0.0, -0.3, -0.2),
        shape=dict(nose_height=0.9, nose_bridge=1.1, nose_width=-1.0, lip_protrusion=-0.6)
        | dict(upper_lip=-0.6, face_length=0.5, brow_ridge=0.3),
    ),
)
WHITE = 4
MALE_SHAPE = (
    dict(brow_ridge=0.9, jaw_width=0.9, jaw_angle=0.8, chin_width=0.8, nose_height=0.4, nose_width=0.35)
    | dict(upper_lip=-0.5, lower_lip=-0.5, eye_size=-0.5, cheek_fat=-0.3, face_length=0.4)
    | dict(neck_width=1.1, head_width=0.3, chin_length=0.45, forehead_slope=0.7, brow_height=-0.5)
)
MALE_BROW = (0.2, -0.5, -1.0, 1.0, 0.8)  # as Race.brow; women have as much less
TYPICAL = 0.85  # how much less people differ along what tells groups apart than in all else


@dataclass(frozen=True)
class People:
    """One row a person."""

    race: Int[Tensor, "p"]
    male: Float[Tensor, "p"]
    shape: Float[Tensor, "p modes"]
    melanin: Float[Tensor, "p"]
    tint: Float[Tensor, "p 3"]
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
        tint=torch.tensor([entry.tint for entry in RACES])[race],
        redness=draws.normal() * 0.35,
        iris=torch.tensor(IRISES)[draws.choice(irises)] + draws.normals(3) * 0.02,
        **_hair(draws, race, male),
        freckles=draws.chance(0.25) * draws.uniform(0.3, 1.0) * (1 - melanin),
        moles=_moles(draws),
        lid=_within(draws, [entry.lid for entry in RACES], race),
        fold=_within(draws, [entry.fold for entry in RACES], race),
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
    between = torch.linalg.qr(torch.cat([shifts - shifts.mean(0), sex_shape(modes)[None]])[1:].T).Q
    own = own - TYPICAL * product(product(own, between), between.T.contiguous())
    return own + shifts[race] + (2 * male - 1)[:, None] * sex_shape(modes)


def _within(draws: Draws, ranges: Sequence[tuple[float, float]], race: Tensor) -> Float[Tensor, "p"]:
    """Uniform in the range of a person's group."""
    low, high = torch.tensor(ranges)[race].unbind(1)
    return low + (high - low) * draws.uniform()


def _hair(draws: Draws, race: Tensor, male: Tensor) -> dict[str, Tensor]:
    known = torch.tensor([-1.0 if entry.hair is None else entry.hair for entry in RACES])[race]
    curl = _within(draws, [entry.curl for entry in RACES], race)
    brow = torch.tensor([entry.brow for entry in RACES])[race] + (2 * male - 1)[:, None] * torch.tensor(
        MALE_BROW
    )
    return {
        "hair_dark": torch.where(known < 0, draws.uniform(), known),
        "hair_red": draws.chance(0.12) * (race == WHITE),
        "hairline": draws.normals(6),
        "curl": curl,
        "styles": torch.stack([_style(draws, male, curl) for _ in range(3)], 1),
        "bald": male * draws.chance(0.2),
        "brow": brow + 0.7 * draws.normals(5),
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
