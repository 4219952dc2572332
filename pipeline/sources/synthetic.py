"""Invented people, photographed: one part of the synthetic world, drawn while it is read.

Nothing is read from disk: params and the world's seed say everything. Labels are exact. The unlabelled
part keeps its people to itself (identity and name are null).
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
from pipeline.synthetic.kinds import NEGATIVES, PROTOCOLS, Negatives, Protocol
from pipeline.synthetic.people import BenchmarkPeople
from pipeline.synthetic.world import Part, Sizes, World


class Params(Strict):
    """Which part of which world; of the test part, which protocols."""

    part: Part  # labelled, unlabelled, validation or test: other people in each
    world: str = "home"  # a preset of `worlds`
    planted_from: str = "home"  # the test part's world, whose people are planted in this part
    protocols: list[Protocol] | None = None  # of the test part; by default every one
    negatives: list[Negatives] | None = None  # of pairs: any two people, or of one race and gender; both

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
            **(tested if self.part == "test" else {}),
        }


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> Synthetic:
    """`settings` has `worlds`, `world_seed` and the chosen entry of `sizes`; `raw` is not read."""
    sizes = _sizes(settings["sizes"])
    if "distractors" in (params.protocols or []) and not sizes.test.distractors:
        raise SourceError("protocols has distractors, but test.distractors is 0 in the chosen size")
    return Synthetic(
        part=params.part,
        name=params.world,
        world=_world(settings["worlds"], params.world),
        test_world=_world(settings["worlds"], params.planted_from),
        sizes=sizes,
        world_seed=int(settings["world_seed"]),
        protocols=params.protocols or PROTOCOLS,
        negatives=params.negatives or NEGATIVES,
    )


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
