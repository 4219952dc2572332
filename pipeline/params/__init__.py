"""params.yaml: its strict schema, and everything that is wrong with it, all at once.

Each plugin owns its part: a preset is checked by the `Params` of the plugin that it tunes. What
two places say together (names that name nothing, impossible combinations) is checked by rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import plugin, runtime
from pipeline.params import chains, data, disk, models, nets, rows, text, worlds
from pipeline.params.presets import against, presets
from pipeline.params.problem import FILE, ParamsError, Problem, Tree
from pipeline.params.schema import Schema
from pipeline.params.slips import read_as_meant
from pipeline.params.text import located

__all__ = ["FILE", "ParamsError", "Problem", "Tree", "check", "located", "read", "require", "wrong"]
Rule = Callable[[Tree], Iterator[Problem]]
RULES: tuple[Rule, ...] = (*data.RULES, *worlds.RULES, *models.RULES, *chains.RULES, *nets.RULES)


def read(path: Path = FILE, changes: Mapping[str, Any] | None = None) -> tuple[Tree, list[Problem]]:
    """The file's contents with dotted `changes` applied; ({}, problems) where it is no YAML map."""
    values, unreadable = text.load(path)
    if unreadable:
        return {}, unreadable
    for key, value in (changes or {}).items():
        *parents, leaf = key.split(".")
        place = values
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                near = plugin.nearest(parent, list(map(str, place)))
                return {}, [Problem(key, f"no key {parent!r} to change", near)]
            place = place[parent]
        place[leaf] = value
    return values, []


def check(path: Path = FILE, changes: Mapping[str, Any] | None = None) -> list[Problem]:
    """Everything that is wrong with the file; run from the repository's root."""
    values, unreadable = read(path, changes)
    return unreadable or wrong(values, (*RULES, *disk.RULES))


def wrong(values: Tree, rules: Sequence[Rule] = RULES) -> list[Problem]:
    """Everything that is wrong with the file's contents."""
    values, found = read_as_meant(values)
    found += against(Schema, values)
    for where, schema, contents in presets(values):
        found += [schema] if isinstance(schema, Problem) else against(schema, contents, where)
    for rule in rules:
        try:
            for problem in rule(values):
                found.append(problem)  # one by one: what a rule says before it is stopped counts
        except (KeyError, TypeError, AttributeError, ValueError):
            if not found:  # else the schema has said what stopped the rule
                raise
    return list(dict.fromkeys(found))


def check_runtime(path: Path = runtime.FILE) -> list[Problem]:
    """Everything that is wrong with runtime.yaml, with lines; an absent or empty one is in order."""
    if not path.exists():
        return []
    values, unreadable = text.load(path, may_be_empty=True)
    return unreadable or text.located(path, against(runtime.Runtime, values))


def experiment_files(folder: Path = rows.FOLDER) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


def check_experiments(
    files: Sequence[Path] | None = None, chosen: Iterable[str] | None = None
) -> list[Problem]:
    """Everything that is wrong with experiments' files and with the params that their rows make.

    All files without `files`; all rows without `chosen`.
    """
    values, unreadable = read()
    base = read_as_meant(values)[0]
    before = unreadable or wrong(base)
    found: list[Problem] = []
    for file in experiment_files() if files is None else files:
        found += rows.read(file)[1] if unreadable else rows.check(file, base, before, wrong, chosen)
    return found


def require(path: Path = FILE) -> None:
    """Raise `ParamsError` with all problems of the file, if it has any."""
    if problems := check(path):
        raise ParamsError(problems)
