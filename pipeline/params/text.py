"""YAML files of maps, and where in them a key stands: what is no such file is told with its lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.params.problem import Problem, Tree

Key = tuple[str, ...]  # from the file's top to a key
Place = tuple[Key, int]  # and its line, from 1


def load(path: Path, may_be_empty: bool = False) -> tuple[Tree, list[Problem]]:
    """The file's map, as DVC reads it; ({}, problems) where there is none."""
    try:
        written = path.read_text()
    except OSError as error:
        return {}, [Problem(str(path), f"can't be read: {error.strerror}", "a file that you may read")]
    except UnicodeDecodeError as error:
        what = f"is no text: {error.reason} at byte {error.start}"
        return {}, [Problem(str(path), what, "save it as UTF-8")]
    return parse(path, written, may_be_empty)


def parse(path: Path, written: str, may_be_empty: bool = False) -> tuple[Tree, list[Problem]]:
    """As `load`, of a text that has been read."""
    try:
        values = YAML(typ="safe").load(written)
    except DuplicateKeyError:
        return {}, list(_duplicates(path, written))
    except MarkedYAMLError as error:
        return {}, [_broken(path, written, error)]
    except YAMLError as error:
        return {}, [Problem(str(path), f"not YAML: {error}")]
    if values is None and may_be_empty:
        return {}, []
    if not isinstance(values, dict):
        return {}, [Problem(str(path), "should be a map of keys", "lines of `key: value`")]
    return values, []


def _broken(path: Path, written: str, error: MarkedYAMLError) -> Problem:
    """An error of YAML's, and what most often causes it."""
    what, mark = f"not YAML: {str(error.problem).strip()}", error.problem_mark
    if not mark:
        return Problem(str(path), what)
    hint = "look at brackets, quotes and indentation of this line and the one before"
    if "\t" in "".join(written.splitlines()[mark.line : mark.line + 1]):
        hint = "indent with blanks, not with tabs"
    return Problem(f"{path}:{mark.line + 1}", what, hint)


def places(written: str) -> list[Place]:
    """Every key of the text, in its order; a key that is given twice stands here twice."""
    root = yaml.compose(written, Loader=yaml.SafeLoader)
    return list(_walk(root, ())) if root else []


def _walk(node: yaml.Node, above: Key) -> Iterator[Place]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*above, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _walk(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _walk(value, (*above, str(number)))


def located(path: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of dotted keys of a file, each with the line that the key, or what it lies in, stands at."""
    lines = {".".join(key): line for key, line in places(path.read_text())}
    found = []
    for problem in problems:
        near = [key for key in lines if problem.path == key or problem.path.startswith(f"{key}.")]
        line = f":{lines[max(near, key=len)]}" if near else ""
        found.append(replace(problem, path=f"{path}{line}: {problem.path}"))
    return found


def _duplicates(path: Path, written: str) -> Iterator[Problem]:
    """Keys that stand twice in one map."""
    first: dict[Key, int] = {}
    for key, line in places(written):
        if first.setdefault(key, line) != line:
            what = f"{'.'.join(key)} is given twice, in lines {first[key]} and {line}"
            yield Problem(f"{path}:{line}", what, "keep one of them")
