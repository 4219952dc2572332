"""Rules on what params.yaml names and the disk should hold: raw data, detections, weights, models.

Every rule takes the file's contents and yields problems. The rows of an experiment are not held against
them: their raw data is linked when they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import decisions, plugin
from pipeline.params.data import used
from pipeline.params.models import MODELS, nets
from pipeline.params.problem import EMPTY, NONE, Problem, Tree, tree
from pipeline.strict import inside

RAW = Path("data/raw")
DRAWN = ("synthetic", "none")  # sources that read no raw data
PARSED = 20_000_000  # bytes up to which a file of detections is read here; the stage reads larger ones


def raw(values: Tree) -> Iterator[Problem]:
    """Raw data of every used dataset is there and holds something."""
    for name in set(used(values)) - set(tree(values, "balanced")):  # those are made by a stage
        place, source = RAW / name, values["datasets"][name].get("source")
        hint = f"put your faces or a link to them at {place}"
        if source == "synthetic":
            hint = f"a rendered world needs an empty folder there: mkdir -p {place}"
        what = _gone(place) or ("" if source in (*DRAWN, None) else _hollow(place))
        if what:
            yield Problem(f"datasets.{name}", what, hint)


def _gone(place: Path) -> str:
    if place.is_symlink() and not place.exists():
        return f"{place} is a link to {place.readlink()}, which does not exist"
    if place.exists():
        return ""
    beside = sorted(path.name for path in place.parent.glob(f"{place.name}.*") if path.suffix != ".dvc")
    there = f", though {beside[0]} does: give it the dataset's name, or link to it" if beside else ""
    return f"{place} does not exist{there}"


def _hollow(place: Path) -> str:
    """Why there is nothing in a folder or a file."""
    if place.is_dir():
        seen = (each for each in place.iterdir() if not each.name.startswith("."))
        return f"{place} is an empty folder" if next(seen, None) is None else ""
    return f"{place} has 0 bytes" if place.stat().st_size == 0 else ""


def detections(values: Tree) -> Iterator[Problem]:
    """The file of boxes and landmarks of every used dataset that names one can be read."""
    for name in used(values):
        entry = values["datasets"][name]
        given = entry.get("detections")
        if entry.get("detector") != "file" or not isinstance(given, str) or not _stays(given):
            continue
        path = RAW / name / given
        what = _gone(path) or _hollow(path) or _unreadable(path)
        if what:
            hint = f"a .json, .csv or .parquet of boxes and landmarks in {RAW / name}; see README.md"
            yield Problem(f"datasets.{name}.detections", what, hint)


def _stays(path: str) -> bool:
    try:
        inside(path)
    except ValueError:  # the schema says so
        return False
    return True


def _unreadable(path: Path) -> str:
    """What the detector says that will read it."""
    if path.is_file() and path.stat().st_size > PARSED:
        return ""
    try:
        plugin.load("detectors", "file").read(path)
    except Exception as error:  # pandas and pyarrow have errors of their own
        said = str(error).partition("\n")[0]
        return said if str(path) in said else f"{path} can't be read: {said}"
    return ""


def weights(values: Tree) -> Iterator[Problem]:
    """Files of weights exist and hold something."""
    for name, entry in tree(values, "foreign").items():
        yield from _weights(f"foreign.{name}.weights", entry.get("weights"), "foreign model", wanted=True)
    entries = [tree(values, "datasets", name) for name in used(values)]
    chosen: dict[str, set[Any]] = {"detectors": {entry.get("detector") for entry in entries}}
    chosen["annotators"] = set()
    for entry in entries:
        given = entry.get("annotators")
        chosen["annotators"] |= set(map(str, given)) if isinstance(given, list) else set()
    for section, wanted in chosen.items():
        for name, entry in tree(values, section).items():
            keys = [key for key in entry if key.startswith("weights")] if isinstance(entry, dict) else []
            for key in keys:
                path = f"{section}.{name}.{key}"
                yield from _weights(path, entry[key], section.removesuffix("s"), wanted=name in wanted)


def _weights(path: str, given: Any, whose: str, wanted: bool) -> Iterator[Problem]:
    if not isinstance(given, str):
        return
    place, hint = Path(given), "give the path of a file of weights"
    if not place.is_file():
        yield Problem(path, _gone(place) or f"{given} is no file", hint)
    elif wanted and place.name == EMPTY:
        yield Problem(path, f"{given} holds no weights", "a dataset uses it: give the path of its weights")
    elif wanted and (what := _hollow(place)):
        yield Problem(path, what, f"copy the {whose}'s file again: an unfinished download?")


def starts(values: Tree) -> Iterator[Problem]:
    """`init`, `landmark` and `overlap.model` that name no model of this file lead to one on disk."""
    given = [
        (f"{path}.{key}", entry.get(key)) for path, entry in nets(values) for key in ("init", "landmark")
    ]
    given = [(path, value) for path, value in given if value != str(NONE)]
    for path, value in [*given, ("overlap.model", tree(values, "overlap").get("model"))]:
        if isinstance(value, str) and value.rpartition("/")[0] != MODELS and not Path(value).exists():
            hint = f"write {MODELS}/<name of a model>, or {NONE} for none"
            yield Problem(path, f"{value} does not exist", hint)


def decided(values: Tree) -> Iterator[Problem]:
    """Decisions about overlap can be read, and are about datasets that are compared."""
    folder, data = tree(values, "overlap").get("decisions"), tree(values, "data")
    if not isinstance(folder, str):
        return
    if not Path(folder).exists():
        hint = f"an empty folder serves (mkdir -p {folder}), or {NONE} for none"
        yield Problem("overlap.decisions", f"{folder} does not exist", hint)
    roles = ("labelled", "unlabelled", "landmarked", "validation")
    cleaned = {str(data.get(role)) for role in roles} - {EMPTY}
    protected = {*map(str, data.get("benchmarks", ())), str(data.get("validation"))} - {EMPTY}
    try:
        decisions.check_names(folder, decisions.read(folder), cleaned, protected)
    except decisions.DecisionsError as error:
        where, _, what = str(error).partition(": ")
        yield Problem(where, what)


RULES = (raw, detections, weights, starts, decided)
