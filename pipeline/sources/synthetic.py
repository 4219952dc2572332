"""Invented people, photographed: one part of the synthetic world, drawn while it is read.

Nothing is read from disk: params and the world's seed say everything. Labels are exact. The unlabelled
part keeps its people to itself (identity and name are null).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.plugin import suggest
from pipeline.records import Sample
from pipeline.sources import SourceError
from pipeline.strict import Strict
from pipeline.synthetic.world import Part, Sizes, World


class Params(Strict):
    """Which part of which world."""

    part: Part  # labelled, unlabelled, validation or test: other people in each
    world: str = "home"  # a preset of `worlds`
    planted_from: str = "home"  # the test part's world, whose people are planted in this part


class Synthetic:
    """A part of a world. Samples come person by person, in the same bytes at every reading."""

    def __init__(
        self, part: Part, name: str, world: World, test_world: World, sizes: Sizes, world_seed: int
    ) -> None:
        self.part, self.name, self.world, self.test_world = part, name, world, test_world
        self.sizes, self.world_seed = sizes, world_seed

    def __len__(self) -> int:
        """Photographs; of a test person, `images` of every kind."""
        from pipeline.synthetic.protocols import KINDS

        size = self.sizes.of(self.part)
        return size.identities * size.images * (len(KINDS) if self.part == "test" else 1)

    def samples(self) -> Iterator[Sample]:
        from pipeline.synthetic.part import Studio  # draws with torch

        return Studio(self.world_seed, self.part, self.world, self.test_world, self.sizes).samples()

    def pairs(self) -> list[dict[str, Any]]:
        from pipeline.synthetic import protocols

        size = self.sizes.of(self.part)
        return protocols.pairs(self.world_seed, size.identities, size.images) if self.part == "test" else []

    def about(self) -> dict[str, Any]:
        size = self.sizes.of(self.part)
        return {
            "what": f"synthetic faces: {size.identities} invented people, part {self.part}",
            "part": self.part,
            "world": self.name,
            "world_seed": self.world_seed,
            "knobs": self.world.model_dump(),
            "identities": size.identities,
            "images_per_identity": size.images,
        }


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> Synthetic:
    """`settings` has `worlds`, `world_seed` and the chosen entry of `sizes`; `raw` is not read."""
    return Synthetic(
        part=params.part,
        name=params.world,
        world=_world(settings["worlds"], params.world),
        test_world=_world(settings["worlds"], params.planted_from),
        sizes=_sizes(settings["sizes"]),
        world_seed=int(settings["world_seed"]),
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
