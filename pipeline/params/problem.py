"""What is wrong with params.yaml: one problem, all problems, and what rules need to find them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import plugin

FILE = Path("params.yaml")
NONE = Path("data/models/none")  # the tracked empty file that stands for no optional input
EMPTY = "none"  # the dataset of an empty role
Tree = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """Where in params.yaml, what is wrong there, and what would be right."""

    path: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" + (f" - {self.hint}" if self.hint else "")


class ParamsError(ValueError):
    """A params.yaml with problems; the message lists them all."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def named(path: str, name: Any, known: Iterable[str], what: str) -> Iterator[Problem]:
    """A problem if `name` is none of `known`."""
    names = list(known)
    if isinstance(name, str) and name not in names:
        yield Problem(path, f"no {what} {name!r}", plugin.nearest(name, names))


class AbsentError(KeyError):
    """A section that a rule needs is missing or no map: the schema says so, the rule has nothing to add."""


def tree(values: Tree, *path: str) -> Tree:
    """The map at `path` of the file, empty where there is none; the section, its first key, must be there."""
    if not isinstance(values.get(path[0]), dict):
        raise AbsentError(path[0])
    for key in path:
        values = values.get(key, {}) if isinstance(values, dict) else {}
    return values if isinstance(values, dict) else {}
