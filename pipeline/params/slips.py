"""Slips of the pen in the names of sections and plugins: told once, then read as what is meant.

Without this one letter in `heads:` would make every model's `head` a name that nothing has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipeline import plugin
from pipeline.params.presets import ONE, TWO, unknown
from pipeline.params.problem import Problem, Tree
from pipeline.params.schema import Schema


def read_as_meant(values: Tree) -> tuple[Tree, list[Problem]]:
    """The file's contents with such names put right, and a problem for each."""

    def no_section(name: str) -> Problem:
        return Problem(name, "unknown key", plugin.nearest(name, list(Schema.model_fields)))

    mended, found = _renamed(values, Schema.model_fields, no_section)
    for family in (*ONE, *TWO):

        def no_plugin(name: str, family: str = family) -> Problem:
            return unknown(f"{family}.{name}", family, name)

        if isinstance(section := mended.get(family), dict):
            mended[family], problems = _renamed(section, plugin.names(family), no_plugin)
            found += problems
    return mended, found


def _renamed(
    given: Tree, known: Iterable[str], problem: Callable[[str], Problem]
) -> tuple[Tree, list[Problem]]:
    """`given` with each unknown key under the known one that it is near, where that one is absent."""
    free = [name for name in known if name not in given]
    mended: dict[str, Any] = {}
    found = []
    for key, value in given.items():
        near = None if key in known else plugin.meant(str(key), free)
        if near is not None:
            free.remove(near)
            found.append(problem(str(key)))
        mended[key if near is None else near] = value
    return mended, found
