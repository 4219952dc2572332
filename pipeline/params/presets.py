"""Parts of params.yaml that belong to plugins, each against the schema that its owner gives."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import ErrorDetails

from pipeline import plugin
from pipeline.params import words
from pipeline.params.problem import FILE, Problem, Tree
from pipeline.params.schema import Dataset

ONE = ("convs", "augment", "clusters", "detectors", "annotators", "protocols")  # family: {plugin: params}
TWO = ("backbones", "heads", "landmarks")  # family: {plugin: {preset: params}}
OWNED = {  # part of params.yaml -> the schema that its code owns
    "crops": ("pipeline.crops", "Params"),
    "schedules": ("pipeline.train.schedule", "Params"),
    "mixings": ("pipeline.train.mixing", "Params"),
    "worlds": ("pipeline.synthetic.world", "World"),
    "sizes": ("pipeline.synthetic.world", "Sizes"),
}


Part = tuple[str, type[BaseModel] | Problem, Any]  # path, schema or why there is none, contents


def presets(values: Tree) -> Iterator[Part]:
    """Every part of the file that belongs to a plugin."""
    yield from _tuned(values)
    yield from _losses(values)
    yield from _datasets(values)
    for part, (module, name) in OWNED.items():
        schema = getattr(importlib.import_module(module), name)
        for key, tree in _items(values, part):
            inner = tree.get("world") if part == "sizes" and isinstance(tree, dict) else tree
            yield f"{part}.{key}" + (".world" if part == "sizes" else ""), schema, inner


def _tuned(values: Tree) -> Iterator[Part]:
    """{plugin: params} and {plugin: {preset: params}}."""
    for family in ONE:
        for name, tree in _items(values, family):
            yield f"{family}.{name}", schema_of(f"{family}.{name}", family, name), tree
    for family in TWO:
        for name, _ in _items(values, family):
            schema = schema_of(f"{family}.{name}", family, name)
            leaves = _items(values, family, name)
            yield from ((f"{family}.{name}.{preset}", schema, leaf) for preset, leaf in leaves)
            if not leaves and isinstance(schema, Problem):
                yield f"{family}.{name}", schema, {}


def _losses(values: Tree) -> Iterator[Part]:
    """{preset: {plugin: {weight, ...params}}}."""
    for preset, _ in _items(values, "losses"):
        for name, tree in _items(values, "losses", preset):
            own = tree
            if isinstance(tree, dict):
                own = {key: value for key, value in tree.items() if key != "weight"}
            path = f"losses.{preset}.{name}"
            yield path, schema_of(path, "losses", name), own


def _datasets(values: Tree) -> Iterator[Part]:
    """{name: {what every dataset may say, ...params of its source}}."""
    for name, tree in _items(values, "datasets"):
        if not isinstance(tree, dict):
            continue
        path, key = f"datasets.{name}", _source_key(tree)
        schema: type[BaseModel] | Problem | None = None
        if key not in tree:
            known = ", ".join(plugin.names("sources"))
            schema = Problem(f"{path}.source", "missing", f"one of: {known}")
            tree = {"source": "", **tree}  # the rest is checked as if it were there
        elif isinstance(tree[key], str):
            schema = schema_of(f"{path}.{key}", "sources", tree[key])
        if isinstance(schema, type):
            yield path, entry_of(schema), tree
            continue
        yield (
            path,
            Dataset,
            {each: tree[each] for each in tree if each in Dataset.model_fields or each == key},
        )
        if schema is not None:
            yield path, schema, {}


def _source_key(entry: Tree) -> str:
    """`source`, or the slip of the pen that stands in its place."""
    strange = [str(key) for key in entry if key not in Dataset.model_fields]
    return (plugin.meant("source", strange) if "source" not in entry else None) or "source"


@cache
def entry_of(source: type[BaseModel]) -> type[BaseModel]:
    """What an entry of the catalogue may say: its source's params, and what every dataset may say."""
    return create_model("Entry", __base__=(source, Dataset))


def _items(values: Tree, *path: str) -> list[tuple[str, Any]]:
    for key in path:
        values = values.get(key, {}) if isinstance(values, dict) else {}
    return list(values.items()) if isinstance(values, dict) else []


def schema_of(where: str, family: str, name: str) -> type[BaseModel] | Problem:
    """The `Params` of a plugin, or why there is none."""
    if name not in plugin.names(family):
        return unknown(where, family, name)
    try:
        params: type[BaseModel] = plugin.load(family, name).Params
    except Exception as error:  # somebody's half-written file: one problem among the others
        what = f"{type(error).__name__}: {error}"
        return Problem(where, f"pipeline/{family}/{name}.py can't be loaded: {what}")
    return params


def unknown(where: str, family: str, name: str) -> Problem:
    """A name that no file of the family has."""
    near = plugin.nearest(str(name), plugin.names(family))
    return Problem(where, f"no plugin {name!r} in pipeline/{family}/", near)


def against(model: type[BaseModel], values: Any, prefix: str = "") -> Iterator[Problem]:
    """What `model` has against `values`: unknown keys with the nearest known, missing ones, wrong values."""
    try:
        model.model_validate_json(json.dumps(values, default=str), strict=True)
        return
    except ValidationError as error:
        errors = error.errors(include_url=False)
    missing = {each["loc"] for each in errors if each["type"] == "missing"}
    meant: set[tuple[int | str, ...]] = set()
    wrong: dict[str, list[str]] = {}
    right: dict[str, str] = {}
    for each in errors:
        loc = each["loc"]
        if each["type"] == "extra_forbidden":
            known = words.known(model, loc[:-1])
            meant |= {(*loc[:-1], name) for name in [plugin.meant(str(loc[-1]), known)] if name}
            wrong.setdefault(_dotted(prefix, loc), []).append("unknown key")
            right[_dotted(prefix, loc)] = plugin.nearest(str(loc[-1]), known)
        elif each["type"] != "missing":
            path = _dotted(prefix, real := _real(loc, values))
            said = each["msg"].removeprefix("Value error, ")
            given = "" if isinstance(each["input"], dict | list) else f", got {each['input']!r}"
            wrong.setdefault(path, []).append(f"{said}{given}")
            right[path] = _right(model, each, real)
    for path, messages in wrong.items():
        yield Problem(path, "; or ".join(dict.fromkeys(messages)), right[path])
    for loc in sorted(missing - meant, key=str):
        yield Problem(_dotted(prefix, loc), "missing", words.takes(model, loc))


def _right(model: type[BaseModel], error: ErrorDetails, loc: tuple[int | str, ...]) -> str:
    """What would be right there; what a validator of ours says tells that itself."""
    if error["type"] == "string_pattern_mismatch":
        pattern = error["ctx"]["pattern"]
        return words.NAMED if pattern == words.NAME else f"text that matches {pattern}"
    return "" if error["type"] == "value_error" else words.takes(model, loc)


def _dotted(prefix: str, loc: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in ((prefix, *loc) if prefix else loc)) or str(FILE)


def _real(loc: tuple[int | str, ...], values: Any) -> tuple[int | str, ...]:
    """`loc` without what pydantic adds to it: the branch of a union, "[key]"."""
    for place, part in enumerate(loc):
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return loc[:place]
    return loc
