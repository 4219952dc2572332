"""Experiment files: rows of changes to params.yaml, and what is wrong with them before any of them runs.

A change is a dotted key of params.yaml and its new value. Params are checked as the row makes them, but for
what lies on the disk: a row's raw data is linked when it runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from pipeline import plugin
from pipeline.params import targets, text
from pipeline.params.presets import against
from pipeline.params.problem import Problem, Tree
from pipeline.params.schema import Name
from pipeline.strict import Strict

FOLDER = Path("experiments")
Check = Callable[[Tree], list[Problem]]  # of the contents of params.yaml


class ExperimentError(ValueError):
    """An experiment file or row that can't be run, and why."""


class Experiment(Strict):
    """The contents of experiments/<name>.yaml."""

    title: str
    about: str = ""
    raw: dict[str, str] = Field(default_factory=dict)  # link under data/raw -> path, relative to the project
    common: dict[str, Any] = Field(
        default_factory=dict
    )  # dotted key of params.yaml -> new value, for every row
    rows: dict[Name, dict[str, Any]]  # row -> dotted key -> new value
    targets: list[str] = Field(default=["report"])  # stages to bring up to date
    published: dict[str, dict[str, float]] = Field(
        default_factory=dict
    )  # row -> metric -> number in the literature


def read(path: Path) -> tuple[Experiment | None, list[Problem]]:
    """The file, or what is wrong with its shape, with lines."""
    values, unreadable = text.load(path)
    if unreadable:
        return None, unreadable
    found = list(against(Experiment, values))
    if not found and not values["rows"]:
        found = [Problem("rows", "there are none", "for one row without changes write `rows: {base: {}}`")]
    if found:
        return None, text.located(path, found)
    strange = [row for row in values.get("published", {}) if row not in values["rows"]]
    hints = [plugin.nearest(row, list(values["rows"])) for row in strange]
    found = [
        Problem(f"published.{row}", "no such row", hint) for row, hint in zip(strange, hints, strict=True)
    ]
    return Experiment.model_validate(values), text.located(path, found)


def apply(params: Tree, changes: Tree) -> Tree:
    """`params` with each dotted key replaced whole (a map is replaced, not merged)."""
    changed = copy.deepcopy(params)
    for key, value in changes.items():
        if problem := _put(changed, key, value):
            raise ExperimentError(f"{key}: {problem.what}" + (f" ({problem.hint})" if problem.hint else ""))
    return changed


def _put(params: Tree, key: str, value: Any) -> Problem | None:
    """Replace one dotted key in place; the problem if there is nowhere to put it."""
    *parents, leaf = key.split(".")
    place = params
    for parent in parents:
        if not isinstance(place.get(parent), dict):
            return Problem(
                key, f"no key {parent!r} in params.yaml", plugin.nearest(parent, list(map(str, place)))
            )
        place = place[parent]
    place[leaf] = copy.deepcopy(value)
    return None


def check(
    path: Path, params: Tree, before: Iterable[Problem], wrong: Check, chosen: Iterable[str] | None = None
) -> list[Problem]:
    """Everything that is wrong with the file and with params.yaml under its rows, or the `chosen` of them.

    `params` as params.yaml has them; `before` is what is wrong with them without the rows, which is not told.
    """
    experiment, found = read(path)
    if experiment is None:
        return found
    known = set(before)
    for row in chosen or experiment.rows:
        fresh = [problem for problem in _row(experiment, row, params, wrong) if problem not in known]
        known |= set(fresh)
        found += text.located(path, (_placed(problem, experiment, row) for problem in fresh))
    return list(dict.fromkeys(found))


def _row(experiment: Experiment, row: str, params: Tree, wrong: Check) -> list[Problem]:
    changed, found = copy.deepcopy(params), []
    for key, value in {**experiment.common, **experiment.rows[row]}.items():
        if problem := _put(changed, key, value):
            found.append(problem)
    return found or wrong(changed) or list(targets.unknown(experiment.targets, changed))


def _placed(problem: Problem, experiment: Experiment, row: str) -> Problem:
    """A problem of params.yaml as one of the change that makes it."""
    if problem.path == "targets":
        return problem
    for section, changes in ((f"rows.{row}", experiment.rows[row]), ("common", experiment.common)):
        for key in sorted(_touching(problem.path, changes), key=len, reverse=True):
            what = problem.what if problem.path == key else f"{problem.path}: {problem.what}"
            return Problem(f"{section}.{key}", what, problem.hint)
    return Problem(f"rows.{row}", f"{problem.path}: {problem.what}", problem.hint)


def _touching(path: str, changes: Tree) -> Iterator[str]:
    """Changed keys that hold `path` or lie in it."""
    return (key for key in changes if f"{path}.".startswith(f"{key}.") or key.startswith(f"{path}."))
