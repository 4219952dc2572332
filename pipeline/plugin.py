"""Plugins by name: the stem of a file in `pipeline/<family>/` IS its name in params.yaml.

load("heads", "cosface") -> the module pipeline/heads/cosface.py
names("heads")           -> ["arcface", "cosface", ...]
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent
FAMILIES = {
    "sources": "where samples come from",
    "detectors": "boxes and landmarks of faces",
    "annotators": "the five attributes",
    "augment": "what training does to an image",
    "convs": "the convolution factory of a backbone",
    "backbones": "image to embedding",
    "heads": "margin classifiers",
    "losses": "distillation losses",
    "landmarks": "landmark nets",
    "clusters": "clustering losses",
    "protocols": "benchmarks",
}


class UnknownPluginError(ValueError):
    """A name that no file of the family has."""


def names(family: str) -> list[str]:
    """Every plugin of `family`, sorted; files that start with `_` are helpers, not plugins."""
    if family not in FAMILIES:
        raise UnknownPluginError(f"no family {family!r}; families: {', '.join(FAMILIES)}")
    return sorted(p.stem for p in (ROOT / family).glob("*.py") if not p.stem.startswith("_"))


def load(family: str, name: str) -> ModuleType:
    """The module of plugin `name`; an unknown name is an error that offers the nearest one."""
    known = names(family)
    if name not in known:
        raise UnknownPluginError(f"no {family} plugin {name!r}{suggest(name, known)}")
    return importlib.import_module(f"pipeline.{family}.{name}")


def meaning(family: str, name: str) -> str:
    """A digest of what the plugin's code says, without comments, layout and docstrings."""
    tree = ast.parse((ROOT / family / f"{name}.py").read_text())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            node.body = [line for line in body if not _is_text(line)] or [ast.Pass()]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def meanings(**chosen: str | None) -> dict[str, str]:
    """Family/name -> `meaning`: of the plugin chosen in a family, and of what it imports of that family."""
    given = [(family, stem) for family, name in chosen.items() if name for stem in _reached(family, name)]
    return {f"{family}/{stem}": meaning(family, stem) for family, stem in given}


def _reached(family: str, name: str) -> list[str]:
    """The family's files whose code plugin `name` runs: its own, the shared one, siblings they import."""
    found, waiting = [], [name, "__init__"]
    while waiting:
        if (stem := waiting.pop()) in found:
            continue
        found.append(stem)
        for node in ast.walk(ast.parse((ROOT / family / f"{stem}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"pipeline.{family}"):
                inner = (node.module or "").removeprefix(f"pipeline.{family}").lstrip(".")
                stems = [inner] if inner else [alias.name for alias in node.names]
                waiting += [each for each in stems if (ROOT / family / f"{each}.py").exists()]
    return sorted(found)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def suggest(word: str, known: list[str]) -> str:
    """`nearest` to be put behind what is wrong: ' (did you mean X?)' or ' (one of: ...)'."""
    hint = nearest(word, known)
    return f" ({hint})" if hint else ""


def nearest(word: str, known: list[str]) -> str:
    """'did you mean X?' or 'one of: ...'."""
    near = meant(word, known)
    if near is not None:
        return f"did you mean {near!r}?"
    return f"one of: {', '.join(known)}" if known else ""


def meant(word: str, known: list[str]) -> str | None:
    """The known word that `word` is a slip of, if one is near."""
    return next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.5)), None)
