"""One part of a world, photograph by photograph, a few people in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from pipeline import records
from pipeline.records import Sample
from pipeline.synthetic import protocols, sampler, staging
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.names import name_of
from pipeline.synthetic.renderer import Cast, Shot, renderer
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.world import (
    RACES,
    Part,
    Sizes,
    World,
    identity_id,
    person_key,
    person_seed,
    photo_seed,
)

PEOPLE, PHOTOGRAPHS = 4, 10  # at a time; they change memory and speed, never an image


@dataclass(frozen=True)
class Order:
    """One photograph to take."""

    row: int  # of the cast
    index: int  # of the identity
    image: str


@dataclass(frozen=True)
class Studio:
    """Takes the photographs of one part. `test_world` is where planted people come from."""

    world_seed: int
    part: Part
    world: World
    test_world: World
    sizes: Sizes
    people: int = PEOPLE
    photographs: int = PHOTOGRAPHS

    def samples(self) -> Iterator[Sample]:
        """Every sample of the part, person by person."""
        for indices in self._groups():
            cast = self._cast(indices)
            orders = [
                Order(row, index, image) for row, index in enumerate(indices) for image in self._images()
            ]
            for start in range(0, len(orders), self.photographs):
                yield from self._shoot(cast, orders[start : start + self.photographs])

    def _images(self) -> list[str]:
        count = self.sizes.of(self.part).images
        if self.part == "test":
            return protocols.image_names(count)
        return [f"{number:03d}" for number in range(count)]

    def _planted(self, index: int) -> bool:
        return person_key(self.sizes, self.part, index)[0] != self.part

    def _groups(self) -> Iterator[list[int]]:
        """Identities that are drawn together: planted ones never with others, who differ in distribution."""
        group: list[int] = []
        for index in range(self.sizes.of(self.part).identities):
            if group and (len(group) == self.people or self._planted(group[0]) != self._planted(index)):
                yield group
                group = []
            group.append(index)
        yield group

    def _cast(self, indices: list[int]) -> Cast:
        home = self.test_world if self._planted(indices[0]) else self.world
        seeds = [person_seed(self.world_seed, self.sizes, self.part, index) for index in indices]
        return renderer(self.world.size).cast(Draws(seeds), [home.race[name] for name in RACES])

    def _shoot(self, cast: Cast, orders: list[Order]) -> Iterator[Sample]:
        draw = renderer(self.world.size)
        who = torch.tensor([order.row for order in orders])
        seeds = [photo_seed(self.world_seed, self.part, order.index, order.image) for order in orders]
        draws = Draws(seeds)
        photos = sampler.draw(draws, self.world, draw.expression_names, cast.people.wears_glasses[who])
        if self.part == "test":
            kinds = [protocols.KINDS[order.image.rsplit("_", 1)[0]] for order in orders]
            photos = staging.staged(photos, kinds, draws)
        shots = draw.photograph(cast, who, photos, draws, self.world.hair_styles)
        for row, (order, shot) in enumerate(zip(orders, shots, strict=True)):
            yield self._sample(cast, order, shot, photos, row)

    def _sample(self, cast: Cast, order: Order, shot: Shot, photos: Photos, row: int) -> Sample:
        identity = identity_id(self.part, order.index)
        known = self.part != "unlabelled"
        return Sample(
            sample_id=f"{identity}/{order.image}",
            image=records.encode(shot.image, self.world.quality),
            identity=identity if known else None,
            name=name_of(self.world_seed, self.part, order.index) if known else None,
            box=shot.box,
            points5=shot.points5,
            points68=shot.points68,
            visible68=shot.visible68,
            age=round(float(photos.age[row]), 2),
            gender=int(cast.people.male[order.row]),
            race=int(cast.people.race[order.row]),
            yaw=round(float(photos.yaw[row]), 3),
            pitch=round(float(photos.pitch[row]), 3),
            roll=round(float(photos.roll[row]), 3),
        )
