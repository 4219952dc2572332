"""The options of `python -m pipeline faces`: what they ask for, and what is wrong with them, in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import params, plugin

if TYPE_CHECKING:
    from pipeline.synthetic.world import World

INGESTED = (Path("data/prepared/ingest"), Path("data/benchmarks/ingest"))
RAW = Path("data/raw")
ENDINGS = (".png", ".jpg", ".jpeg")
MOST = 10_000  # faces of a sheet
OF_WORLDS = ("factor", "world", "size", "seed")  # options that an ingested dataset has no use for


class OptionError(ValueError):
    """An option that can't be followed, and what would be right."""


@dataclass(frozen=True)
class Options:
    """As the command line gives them; None where it is silent."""

    out: Path
    grid: str
    factor: str | None = None
    landmarks: bool = False
    world: str | None = None
    size: int | None = None
    seed: int | None = None
    dataset: str | None = None


def draw(options: Options) -> str:
    """Write the sheet; what was written, in words."""
    from pipeline.synthetic import sheet

    rows, columns = parse_grid(options.grid)
    if options.out.suffix not in ENDINGS:
        raise OptionError(f"--out {options.out} should end in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    if options.dataset is not None:
        ignored = [f"--{name}" for name in OF_WORLDS if getattr(options, name) is not None]
        if ignored:
            what = "is of no use" if len(ignored) == 1 else "are of no use"
            raise OptionError(
                f"{', '.join(ignored)} {what} with --dataset, whose faces are not drawn: leave out"
            )
        folder = folder_of(options.dataset)
        image = sheet.of_dataset(folder, rows, columns, options.landmarks, RAW / options.dataset)
    else:
        if options.factor is not None and options.factor not in sheet.FACTORS:
            known = ", ".join(sheet.FACTORS)
            raise OptionError(f"--factor {options.factor}: there is no such factor; one of: {known}")
        world = world_of(options.world or "home", options.size)
        image = sheet.sheet(world, options.seed or 0, rows, columns, options.factor, options.landmarks)
    sheet.write(image, options.out)
    return f"{options.out}: {image.shape[1]} x {image.shape[0]} pixels"


def parse_grid(text: str) -> tuple[int, int]:
    """ "4x6" -> 4 people, 6 photographs."""
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise OptionError(f"--grid {text} should be PEOPLExPHOTOGRAPHS, each 1 or more, e.g. 4x6")
    rows, columns = int(found[1]), int(found[2])
    if rows * columns > MOST:
        raise OptionError(f"--grid {text} are {rows * columns:,} faces; a sheet holds {MOST:,} at most")
    return rows, columns


def folder_of(dataset: str) -> Path:
    """Where an ingested dataset lies."""
    found = next((place / dataset for place in INGESTED if (place / dataset).is_dir()), None)
    if found is not None:
        return found
    known = list(_section("datasets"))
    if dataset not in known:
        hint = plugin.suggest(dataset, known)
        raise OptionError(f"--dataset {dataset}: params.yaml has no such dataset{hint}")
    raise OptionError(f"--dataset {dataset} is not ingested yet: dvc repro -s ingest@{dataset}")


def world_of(name: str, size: int | None) -> World:
    """A preset of `worlds`, with another size of photographs if one is given."""
    from pipeline.params.presets import against
    from pipeline.params.words import takes
    from pipeline.synthetic.world import World

    worlds = _section("worlds")
    if name not in worlds:
        raise OptionError(
            f"--world {name}: params.yaml has no such preset{plugin.suggest(name, list(worlds))}"
        )
    knobs = worlds[name] or {}
    if problems := list(against(World, knobs, f"worlds.{name}")):
        raise OptionError("params.yaml: " + "; ".join(map(str, problems)))
    if size is None:
        return World.model_validate(knobs)
    if list(against(World, {"image_size": size})):
        raise OptionError(f"--size {size} should be {takes(World, ('image_size',))}")
    return World.model_validate(knobs | {"image_size": size})


def _section(name: str) -> params.Tree:
    """A section of params.yaml."""
    values, unreadable = params.read()
    if unreadable:
        raise OptionError("; ".join(map(str, unreadable)))
    section = values.get(name)
    if not isinstance(section, dict):
        raise OptionError(f"params.yaml has no section `{name}`: python -m pipeline check tells more")
    return section
