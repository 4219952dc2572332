"""Invented people, photographed: one part of the synthetic world, drawn while it is read.

Nothing is read from disk: params and the world's seed say everything. Labels are exact. The unlabelled
part keeps its people to itself (identity and name are null), but for its sample ids: they begin with who is
on the image, for the report's truth about overlap alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import ValidationError, model_validator

from pipeline.plugin import suggest
from pipeline.records import Sample
from pipeline.sources import SourceError
from pipeline.strict import Strict
from pipeline.synthetic.kinds import NEGATIVES, PAIRED, PROTOCOLS, TWINS, Negatives, Protocol
from pipeline.synthetic.people import BenchmarkPeople
from pipeline.synthetic.possible import FOLDS, TESTABLE, Lack, lacks
from pipeline.synthetic.world import BenchmarkSize, Part, Sizes, World

HOME = "home"
FEW = 10  # couples of a fold: its negatives are of fewer


class Params(Strict):
    """Which part of which world; of the test part, which protocols."""

    part: Part  # labelled, unlabelled, validation or test: other people in each
    world: str = HOME  # a preset of `worlds`
    planted_from: str = HOME  # the test part's world, whose people are planted in this part
    protocols: list[Protocol] | None = None  # of the test part; by default every one
    negatives: list[Negatives] | None = None  # of pairs: any two people, or of one race and gender; both

    @model_validator(mode="after")
    def _planted_where_one_trains(self) -> Params:
        if "planted_from" in self.model_fields_set and self.part not in ("labelled", "unlabelled"):
            raise ValueError(f"planted_from: nobody is planted in the part {self.part}, leave it out")
        return self

    @model_validator(mode="after")
    def _only_the_test_has_protocols(self) -> Params:
        for name in ("protocols", "negatives"):
            chosen: list[str] | None = getattr(self, name)
            if chosen is not None and self.part != "test":
                raise ValueError(f"{name}: the part {self.part} has none, only test has")
            if chosen is not None and (not chosen or len(set(chosen)) < len(chosen)):
                raise ValueError(f"{name} is {chosen}, it should name each once, and at least one")
        return self


class Synthetic:
    """A part of a world. Samples come person by person, in the same bytes at every reading."""

    def __init__(
        self,
        part: Part,
        name: str,
        world: World,
        test_world: World,
        sizes: Sizes,
        world_seed: int,
        protocols: Sequence[str] = PROTOCOLS,
        negatives: Sequence[str] = NEGATIVES,
    ) -> None:
        self.part, self.name, self.world, self.test_world = part, name, world, test_world
        self.sizes, self.world_seed = sizes, world_seed
        self.protocols, self.negatives = frozenset(protocols), frozenset(negatives)

    def __len__(self) -> int:
        return sum(self._count(index) for index in range(self.sizes.of(self.part).identities))

    def _count(self, index: int) -> int:
        """Photographs of one identity."""
        if self.part == "test":
            return len(self._test.photographs(index))
        return self.sizes.of(self.part).images

    @cached_property
    def _test(self) -> BenchmarkPeople:
        return BenchmarkPeople(self.world_seed, self.world, self.sizes, self.protocols)

    def samples(self) -> Iterator[Sample]:
        return self.stretch(range(self.sizes.of(self.part).identities))

    def stretches(self, rows: int) -> list[range]:
        """Of identities."""
        found, start, held = [], 0, 0
        for index in range(self.sizes.of(self.part).identities):
            held += self._count(index)
            if held >= rows:
                found.append(range(start, index + 1))
                start, held = index + 1, 0
        return found + ([range(start, self.sizes.of(self.part).identities)] if held else [])

    def stretch(self, numbers: range) -> Iterator[Sample]:
        from pipeline.synthetic.part import Studio  # draws with torch

        studio = Studio(self.world_seed, self.part, self.world, self.test_world, self.sizes, self.protocols)
        return studio.samples(numbers)

    def pairs(self) -> list[dict[str, Any]]:
        from pipeline.synthetic.protocols import pairs

        return pairs(self._test, self.negatives) if self.part == "test" else []

    def lists(self) -> dict[str, pa.Table]:
        from pipeline.synthetic.galleries import lists

        return lists(self._test, self.negatives) if self.part == "test" else {}

    def about(self) -> dict[str, Any]:
        size = self.sizes.of(self.part)
        tested = {"protocols": sorted(self.protocols), "negatives": sorted(self.negatives)}
        return {
            "what": f"synthetic faces: {size.identities} invented people, part {self.part}",
            "part": self.part,
            "world": self.name,
            "world_seed": self.world_seed,
            "knobs": self.world.model_dump(),
            "identities": size.identities,
            "images_per_identity": size.images,
            **(tested | {"notes": list(self._doubts())} if self.part == "test" else {}),
        }

    def _doubts(self) -> Iterator[str]:
        """Lists that tell little."""
        counts = self._couples("same_group")
        some = [count for count in counts if count]
        if some and (len(some) < FOLDS or min(some) < FEW):
            yield (
                f"lists of pairs with negatives of one group have {len(some)} of {FOLDS} folds, whose"
                f" negatives are of {min(some)} to {max(some)} couples of people each: so few say little"
            )

    def _couples(self, negative: str) -> list[int]:
        """Of each fold of the lists of pairs that have such negatives; none where there are no such lists."""
        from pipeline.synthetic.protocols import couples

        paired = self.protocols & {*PAIRED, *TWINS}
        return couples(self._test, negative) if paired and negative in self.negatives else []

    def unmatched(self) -> list[str]:
        """Lists with negatives of one group that would be empty: people of one group do not meet in them."""
        if self.part != "test" or "same_group" not in self.negatives:
            return []
        counts = self._couples("same_group")
        none = {*PAIRED, *TWINS} if counts and sum(count > 0 for count in counts) < TESTABLE else set()
        if len(set(self._test.groups.tolist())) == self.sizes.test.subjects:
            none |= {"templates"}
        return [f"{name}_same_group" for name in PROTOCOLS if name in none & self.protocols]


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> Synthetic:
    """`settings` has `worlds`, `world_seed` and the chosen entry of `sizes`; `raw` is not read."""
    sizes = _sizes(settings["sizes"])
    found = Synthetic(
        part=params.part,
        name=params.world,
        world=_world(settings["worlds"], params.world),
        test_world=_world(settings["worlds"], params.planted_from),
        sizes=sizes,
        world_seed=int(settings["world_seed"]),
        protocols=params.protocols or PROTOCOLS,
        negatives=params.negatives or NEGATIVES,
    )
    if params.part == "test":
        _refuse_empty(found, f"sizes.{next(iter(settings['sizes']))}.world.test")
    return found


def _refuse_empty(source: Synthetic, path: str) -> None:
    """Raise before anything is drawn if a protocol would have no pair or probe."""
    empty = [
        f"{path}.{lack.knob}: {lack} - write {lack.right}, or leave them out of protocols"
        for lack in lacks(source.sizes.test, source.protocols)
    ]
    if not empty and (lists := source.unmatched()):
        people = f"{source.sizes.test.subjects} people, hardly two of whom are of one race and gender"
        hint = "write more, or `negatives: [random]`"
        empty = [f"{path}.identities: {people}: {', '.join(lists)} would be empty - {hint}"]
    if empty:
        raise SourceError("; ".join(empty))


def lacking(size: Mapping[str, Any], protocols: Sequence[str] | None) -> list[Lack]:
    """Knobs of `sizes.*.world.test` that leave `protocols` empty, by default any."""
    return list(lacks(BenchmarkSize.model_validate(dict(size)), protocols or PROTOCOLS))


def same_people(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a person of one preset of `worlds` is the same person in the other."""
    return World.model_validate(dict(one)).same_people(World.model_validate(dict(other)))


def _world(worlds: Mapping[str, Any], name: str) -> World:
    if name not in worlds:
        raise SourceError(f"no preset worlds.{name}{suggest(name, list(worlds))}")
    return _checked(World, worlds[name], f"worlds.{name}")


def _sizes(sizes: Mapping[str, Any]) -> Sizes:
    """Of the one size that was chosen: {name: {world: {part: ...}}}."""
    if len(sizes) != 1:
        raise SourceError(f"sizes has {sorted(sizes)}, it should have the chosen one alone")
    ((name, chosen),) = sizes.items()
    return _checked(Sizes, chosen["world"], f"sizes.{name}.world")


def _checked(schema: type[Any], values: Any, path: str) -> Any:
    """`values` as `schema`, or an error that names every wrong key."""
    try:
        return schema.model_validate(values or {})
    except ValidationError as error:
        wrong = [".".join([path, *map(str, entry["loc"])]) + f": {entry['msg']}" for entry in error.errors()]
        raise SourceError("; ".join(wrong)) from error
