"""A world: how its people and photographs are distributed, how many there are, and who is who.

A person is (world seed, home part, index). Parts are disjoint people, except those that are planted:
the last `planted` identities of the labelled and the unlabelled part are people of the test part,
photographed anew, under other identities and names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from pipeline.strict import Strict
from pipeline.synthetic.seeds import seed_of

Part = Literal["labelled", "unlabelled", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
Share = Annotated[float, Field(ge=0, le=1)]
EXACT = ConfigDict(strict=True, allow_inf_nan=False)  # no true, "1" or .nan is a number
RACES = ("black", "east_asian", "indian", "latino", "white")  # a position is a code of the annotations
EVEN_RACES = dict.fromkeys(RACES, 0.2)
MOST_PAIRS = 10_000  # of a fold: rows of pairs are made in memory
MOST = 1_000_000  # identities of a part: their numbers have six digits, their names are all different
WILD_AGES = {"young": 0.2, "adult": 0.6, "old": 0.2}
BROADEST = 1.5  # landmarks of a face at rest are in order for 400 of 400 people at 1, 379 at 1.5, 313 at 2
DIMMEST = 0.1  # exposure at which photographs have 34 of the 256 levels on average, and at least 7
OF_PEOPLE = ("race", "male", "shape_spread")  # knobs that say who people are; the others are of photographs


class World(Strict):
    """The knobs of one world. Shares are of photographs (of people for `race` and `male`)."""

    model_config = EXACT

    race: dict[str, Share] = EVEN_RACES  # shares of the five groups, summing to one
    male: Share = 0.5  # share of men
    shape_spread: float = Field(1.0, ge=0, le=BROADEST)  # how much people differ in shape; less is harder
    age: dict[str, Share] = WILD_AGES  # shares of 2-20, 20-50 and 50-85 years, summing to one
    age_spread: Share = 1.0  # of one person's photographs: 0 all of one age, 1 of any age
    profiles: Share = 0.5  # share whose yaw is anything between -90 and 90 degrees
    yaw_spread: float = Field(20.0, ge=0, le=90)  # standard deviation of the other yaws, degrees
    nods: Share = 0.2  # share whose pitch is anything between -50 and 50 degrees
    pitch_spread: float = Field(12.0, ge=0, le=50)  # standard deviation of the other pitches, degrees
    roll_spread: float = Field(8.0, ge=0, le=30)  # standard deviation, degrees
    blur: Share = 0.25  # share out of focus
    blur_floor: float = Field(0.0, ge=0, le=5)  # least blur of every photograph, pixels of a 112 px crop
    low_resolution: Share = 0.25  # share taken with few pixels
    noise: float = Field(1.0, ge=0, le=5)  # strength of the sensor's noise, 1 as at home
    light: float = Field(1.0, ge=DIMMEST, le=2)  # exposure, below 1 is darker
    occlusion: Share = 0.08  # share with something before the face
    hats: Share = 0.06  # share with a hat
    masks: Share = 0.04  # share with a face mask
    hair_styles: int = Field(3, ge=1, le=3)  # ways of wearing the hair that a person has
    grey: Share = 0.03  # share without colour
    image_size: int = Field(96, ge=32, le=512)  # pixels a side of a photograph; the face fills about 60 %
    quality: int = Field(92, ge=10, le=101)  # of the JPEG; 101 is PNG

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> World:
        for knob, expected in (("race", EVEN_RACES), ("age", WILD_AGES)):
            shares: dict[str, float] = getattr(self, knob)
            if set(shares) != set(expected):
                raise ValueError(f"{knob} names {sorted(shares)}, it should name {sorted(expected)}")
            if abs(sum(shares.values()) - 1) > 1e-6:
                raise ValueError(f"{knob} shares {shares} should sum to 1")
        return self

    def same_people(self, other: World) -> bool:
        """Whether a person's seed stands for the same person in both."""
        return all(getattr(self, knob) == getattr(other, knob) for knob in OF_PEOPLE)


class PartSize(Strict):
    """How much of one part there is."""

    model_config = EXACT

    identities: int = Field(ge=1, le=MOST)
    images: int = Field(ge=1)  # of each identity; in the test part: of each identity and kind
    planted: int = Field(0, ge=0)  # identities that are people of the test part


class BenchmarkSize(PartSize):
    """How much of the test part there is, and how long its lists are."""

    pairs: int = Field(
        300, ge=1, le=MOST_PAIRS
    )  # of one person, and as many of two: at most, a list and fold
    probes: int = Field(2, ge=1)  # probe templates of a person, each of one still and one video
    stills: int = Field(2, ge=1)  # of a gallery template
    frames: int = Field(3, ge=1)  # of a video
    impostors: int = Field(10_000, ge=1)  # pairs of templates of two people: at most so many a list
    mated: float = Field(0.5, gt=0, lt=1)  # share of people who are in the gallery of the open set
    distractors: int = Field(0, ge=0)  # of the identities: the last ones, who have one photograph each

    @model_validator(mode="after")
    def _people_are_left(self) -> BenchmarkSize:
        if self.distractors >= self.identities:
            raise ValueError(
                f"distractors is {self.distractors}, but there are {self.identities} identities:"
                " at least one must be left to search for"
            )
        return self

    @property
    def subjects(self) -> int:
        """People of the test part who are no distractors: the first ones."""
        return self.identities - self.distractors

    @property
    def enrolled(self) -> int:
        """Subjects who are in the gallery of the open set."""
        return min(max(1, round(self.mated * self.subjects)), self.subjects)


class Sizes(Strict):
    """How much of every part there is."""

    model_config = EXACT

    labelled: PartSize
    unlabelled: PartSize
    validation: PartSize
    test: BenchmarkSize

    @model_validator(mode="after")
    def _plantable(self) -> Sizes:
        for part in ("labelled", "unlabelled"):
            size: PartSize = getattr(self, part)
            if size.planted > size.identities:
                raise ValueError(f"{part}.planted is {size.planted}, but it has {size.identities} identities")
        for part in ("validation", "test"):
            if getattr(self, part).planted:
                raise ValueError(f"{part}.planted should be 0: people are planted where one trains")
        together = self.labelled.planted + self.unlabelled.planted
        if together > self.test.subjects:
            raise ValueError(
                f"{together} people are planted, but test has {self.test.subjects} identities"
                + " that are no distractors" * (self.test.distractors > 0)
            )
        return self

    def of(self, part: Part) -> PartSize:
        size: PartSize = getattr(self, part)
        return size


def identity_id(part: Part, index: int) -> str:
    """The identity's id, of no other part: l000012 is the 13th of `labelled`."""
    return f"{part[0]}{index:06d}"


def person_key(sizes: Sizes, part: Part, index: int) -> tuple[Part, int]:
    """Who the identity really is: its own part and index, or a person of the test part."""
    size = sizes.of(part)
    planted = index - (size.identities - size.planted)
    if planted < 0:
        return part, index
    return "test", planted + (sizes.labelled.planted if part == "unlabelled" else 0)


def person_seed(world_seed: int, sizes: Sizes, part: Part, index: int) -> int:
    return seed_of(world_seed, "person", *person_key(sizes, part, index))


def photo_seed(world_seed: int, part: Part, index: int, image: str) -> int:
    return seed_of(world_seed, "photograph", part, index, image)


def planted(sizes: Sizes | Mapping[str, Any]) -> list[tuple[str, str]]:
    """(identity of labelled or unlabelled, identity of test) of the people who are in both.

    The truth, for tests and tables; nothing that removes overlaps may read it.
    """
    known = sizes if isinstance(sizes, Sizes) else Sizes.model_validate(dict(sizes))
    pairs: list[tuple[str, str]] = []
    parts: tuple[Part, ...] = ("labelled", "unlabelled")
    for part in parts:
        size = known.of(part)
        pairs += [
            (identity_id(part, index), identity_id(*person_key(known, part, index)))
            for index in range(size.identities - size.planted, size.identities)
        ]
    return pairs
