"""One part of a world, photograph by photograph, a few people in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch

from pipeline import records
from pipeline.records import Sample
from pipeline.synthetic import sampler, staging
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.kinds import KINDS, PROTOCOLS, Photograph
from pipeline.synthetic.names import name_of
from pipeline.synthetic.people import BenchmarkPeople
from pipeline.synthetic.renderer import Cast, Shot, renderer
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.world import Part, Sizes, World, identity_id, person_key, person_seed, photo_seed

PEOPLE, PHOTOGRAPHS = 4, 20  # at a time; they change memory and speed, never an image


@dataclass(frozen=True)
class Order:
    """One photograph to take."""

    row: int  # of the cast
    index: int  # of the identity
    photograph: Photograph


@dataclass(frozen=True)
class Studio:
    """Takes the photographs of one part. `test_world` is where planted people come from."""

    world_seed: int
    part: Part
    world: World
    test_world: World
    sizes: Sizes
    protocols: frozenset[str] = field(default=frozenset(PROTOCOLS))  # of the test part
    people: int = PEOPLE
    photographs: int = PHOTOGRAPHS

    def samples(self, identities: range | None = None) -> Iterator[Sample]:
        """Every sample of the part, or of some identities, person by person."""
        every = range(self.sizes.of(self.part).identities)
        for indices in self._groups(every if identities is None else identities):
            cast = self._cast(indices)
            orders = [
                Order(row, index, photograph)
                for row, index in enumerate(indices)
                for photograph in self._photographs(index)
            ]
            for start in range(0, len(orders), self.photographs):
                yield from self._shoot(cast, orders[start : start + self.photographs])

    @cached_property
    def _test(self) -> BenchmarkPeople:
        return BenchmarkPeople(self.world_seed, self.world, self.sizes, self.protocols)

    def _photographs(self, index: int) -> tuple[Photograph, ...]:
        if self.part == "test":
            return self._test.photographs(index)
        names = [f"{number:03d}" for number in range(self.sizes.of(self.part).images)]
        return tuple(Photograph(name, "wild", name) for name in names)

    def _planted(self, index: int) -> bool:
        return person_key(self.sizes, self.part, index)[0] != self.part

    def _groups(self, identities: range) -> Iterator[list[int]]:
        """Identities that are drawn together: planted ones never with others, who differ in distribution."""
        group: list[int] = []
        for index in identities:
            if group and (len(group) == self.people or self._planted(group[0]) != self._planted(index)):
                yield group
                group = []
            group.append(index)
        if group:
            yield group

    def _cast(self, indices: list[int]) -> Cast:
        home = self.test_world if self._planted(indices[0]) else self.world
        seeds = [person_seed(self.world_seed, self.sizes, self.part, index) for index in indices]
        return renderer(self.world.image_size).cast(Draws(seeds), home)

    def _draws(self, orders: list[Order], *, frames: bool = False) -> Draws:
        """Of each photograph's medium, or of the photograph itself where that is a frame of a video."""
        return Draws(
            [
                photo_seed(self.world_seed, self.part, order.index, taken.name if frames else taken.medium)
                for order in orders
                for taken in [order.photograph]
            ]
        )

    def _photos(self, cast: Cast, orders: list[Order], draws: Draws) -> Photos:
        who = torch.tensor([order.row for order in orders])
        modes = renderer(self.world.image_size).expression_names
        people = (cast.people.wears_glasses[who], cast.people.own_age[who])
        photos = sampler.draw(draws, self.world, modes, *people)
        if self.part != "test":
            return photos
        frame = torch.tensor([order.photograph.frame for order in orders])
        if frame.any():
            others = sampler.draw(self._draws(orders, frames=True), self.world, modes, *people)
            photos = staging.moved(photos, others, frame)
        kinds = [KINDS[order.photograph.kind] for order in orders]
        return staging.staged(photos, kinds, draws, self.world.blur_floor)

    def _shoot(self, cast: Cast, orders: list[Order]) -> Iterator[Sample]:
        draws = self._draws(orders)
        photos = self._photos(cast, orders, draws)
        who = torch.tensor([order.row for order in orders])
        shots = renderer(self.world.image_size).photograph(cast, who, photos, draws, self.world.hair_styles)
        for row, (order, shot) in enumerate(zip(orders, shots, strict=True)):
            yield self._sample(cast, order, shot, photos, row)

    def _sample(self, cast: Cast, order: Order, shot: Shot, photos: Photos, row: int) -> Sample:
        identity = identity_id(self.part, order.index)
        known = self.part != "unlabelled"
        return Sample(
            sample_id=f"{identity}/{order.photograph.name}",
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
