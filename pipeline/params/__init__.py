"""params.yaml: its strict schema, and everything that is wrong with it, all at once.

Each plugin owns its part: a preset is checked by the `Params` of the plugin that it tunes. What
two places say together (names that name nothing, impossible combinations) is checked by rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import plugin
from pipeline.params import chains, data, models, nets, text
from pipeline.params.presets import against, presets
from pipeline.params.problem import FILE, ParamsError, Problem, Tree
from pipeline.params.schema import Schema
from pipeline.params.slips import read_as_meant

__all__ = ["FILE", "ParamsError", "Problem", "check", "read", "require"]
RULES = (*data.RULES, *models.RULES, *chains.RULES, *nets.RULES)


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
    if unreadable:
        return unreadable
    values, found = read_as_meant(values)
    found += against(Schema, values)
    for where, schema, contents in presets(values):
        found += [schema] if isinstance(schema, Problem) else against(schema, contents, where)
    for rule in RULES:
        try:
            for problem in rule(values):
                found.append(problem)  # one by one: what a rule says before it is stopped counts
        except (KeyError, TypeError, AttributeError, ValueError):
            if not found:  # else the schema has said what stopped the rule
                raise
    return list(dict.fromkeys(found))


def require(path: Path = FILE) -> None:
    """Raise `ParamsError` with all problems of the file, if it has any."""
    if problems := check(path):
        raise ParamsError(problems)
