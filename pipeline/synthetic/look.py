"""How people look in photographs: their age, their hair, and the tables that shading reads.

Shapes: b photographs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.compiled import Array
from pipeline.synthetic import hair, light, scalp, skin
from pipeline.synthetic.hair import Hair
from pipeline.synthetic.identity import People
from pipeline.synthetic.rows import Row, records
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.singly import powers

CHILD, GROWN, AGED = 20.0, 15.0, (42.0, 27.0)  # years
NOT_SHADED = ("race", "shape", "hairline", "styles", "expression")  # fields that no pixel reads


@dataclass(frozen=True)
class Look:
    """One person in one photograph."""

    people: Row
    photos: Row
    hair: Hair
    child: float  # 0 grown up, 1 small
    old: float  # 0 young, about 1 at seventy


@dataclass(frozen=True)
class Looks:
    """Photographs one by one, and what formulas of pixels read of them, a record each."""

    each: list[Look]
    table: Array  # (b)


def of(
    people: People, photos: Photos, colour: Float[Tensor, "b 3"], opening: Float[Tensor, "b"], styles: int
) -> Looks:
    """Of every photograph; `colour` is that of young hair, `opening` of the mouth is in cm."""
    child = powers(((CHILD - photos.age) / GROWN).clamp(0, 1.15), 0.6) * (1 + 0.1 * people.ageing[:, 0])
    old = ((photos.age - AGED[0]) / AGED[1]).clamp(0, 1.35) * (1 + 0.12 * people.ageing[:, 1])
    old = old.clamp(min=0)
    grey = ((old - 0.2) * 2.2).clamp(0, 0.95)
    rows = zip(records(vars(people)), records(vars(photos)), child.tolist(), old.tolist(), strict=True)
    each = [
        Look(person, photo, hair.worn(person, photo, styles), young, aged)
        for person, photo, young, aged in rows
    ]
    dark = colour * 0.62
    tables = {
        field.name: getattr(table, field.name)
        for table in (people, photos)
        for field in fields(table)
        if field.name not in NOT_SHADED
    }
    tables |= skin.tables(people, photos, child, old) | hair.tables([look.hair for look in each])
    tables |= light.tables(photos) | {
        "grey": grey,
        "hair_colour": colour,
        "greyed": colour + (torch.tensor(scalp.GREY) - colour) * grey[:, None],
        "brow_colour": dark + (0.5 - dark) * (0.6 * grey[:, None]),
        "opening": opening,
    }
    return Looks(each, records(tables))
