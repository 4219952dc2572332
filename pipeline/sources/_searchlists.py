"""Official lists of searches, in the form of each benchmark, as `records.TEMPLATES` and `records.SEARCHES`.

    megaface  templatelists/facescrub_features_list.json: {"path": [file, ...], "id": [person, ...]}, and
              megaface_features_list.json_<size>_1: {"path": [file, ...]}, a set of distractors each. Every
              image is a template, a person's first one in the gallery. Where the sets lie one in the other
              there is one search, its distractors from the smallest set to the largest: the first N are the
              set of N. Else there is a search a set
    survface  Face_Identification_Test_Set/{gallery,mated_probe}_img_ID_pairs.mat: <part>_set (n x 1 names),
              <part>_ids (n x 1); probes without a mate are the files of unmated_probe/. A person's gallery
              images are one template, every probe is one

A list names a file by its path's end; one that is missing is an error, one that was left out as noise is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from pipeline import records
from pipeline.sources import SourceError, _naming
from pipeline.sources._layouts import Layout
from pipeline.sources._pairlists import bare, matlab
from pipeline.sources._tree import Tree

Search = tuple[str, str, str]  # protocol, role, template


@dataclass
class Lists:
    """Searches of one benchmark, and what their templates are made of."""

    templates: list[tuple[str, str | None, str]] = field(default_factory=list)  # template, person, sample id
    searches: list[Search] = field(default_factory=list)

    @property
    def people(self) -> dict[str, str]:
        """sample id -> person, where the list knows."""
        return {path: who for _, who, path in self.templates if who is not None}

    @property
    def named(self) -> set[str]:
        return {path for _, _, path in self.templates}

    def tables(self) -> dict[str, pa.Table]:
        rows = [
            (template, who if who is not None else f"unknown/{template}", path, path)
            for template, who, path in self.templates
        ]
        return {"templates": _table("templates", rows), "searches": _table("searches", self.searches)}


def _table(name: str, rows: Sequence[tuple[str, ...]]) -> pa.Table:
    schema = records.LISTS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


class Finder:
    """Paths by as many of their last parts as a name has; `noises` are known, but not to be found."""

    def __init__(self, paths: Iterable[str], noises: Iterable[str], root: str) -> None:
        self.paths, self.noises, self.root = list(paths), list(noises), root
        self._known: dict[int, dict[str, str | None]] = {}
        self._twice: dict[str, str] = {}

    def _of(self, parts: int) -> dict[str, str | None]:
        if parts not in self._known:
            known: dict[str, str | None] = {_end(path, parts): None for path in self.noises}
            for path in self.paths:
                if known.setdefault(end := _end(path, parts), path) != path:
                    self._twice[end] = path
            self._known[parts] = known
        return self._known[parts]

    def __call__(self, name: str, where: str) -> str | None:
        """The path that ends in this name; None if it is noise."""
        known = self._of(name.count("/") + 1)
        if name not in known:
            raise SourceError(f"{where} names {name}, which is not in {self.root}")
        if name in self._twice:
            raise SourceError(f"{where} names {name}, which may mean {known[name]} or {self._twice[name]}")
        return known[name]


def _end(path: str, parts: int) -> str:
    return "/".join(path.rsplit("/", parts)[-parts:])


def read(
    layout: Layout, tree: Tree, protocol: str, paths: Iterable[str], noises: Iterable[str]
) -> Lists | None:
    """The layout's searches; None if it has none."""
    if not layout.searches:
        return None
    return FORMS[layout.searches](layout, tree, protocol, Finder(paths, noises, str(tree.root)))


def megaface(layout: Layout, tree: Tree, protocol: str, find: Finder) -> Lists:
    made, seen = Lists(), set[str]()
    faces: list[tuple[str, str]] = []  # role, path
    for path, who in _probes(layout, tree, find):
        faces.append(("mated" if who in seen else "gallery", path))
        seen.add(who)
        made.templates.append((path, who, path))
    sets = _distractors(layout, tree, find)
    both = {path for _, path in faces} & {path for paths in sets.values() for path in paths}
    if both:
        raise SourceError(f"{tree.root}: {min(both)} is a probe and a distractor ({len(both)} images are)")
    in_order = list(dict.fromkeys(path for paths in sets.values() for path in paths))
    made.templates += [(path, None, path) for path in in_order]
    nested = all(set(less) <= set(more) for less, more in pairwise(sets.values()))
    named = {protocol: in_order} if nested else {f"{protocol}_{size}": sets[size] for size in sets}
    for name, paths in named.items():
        made.searches += [(name, role, path) for role, path in faces]
        made.searches += [(name, "distractor", path) for path in paths]
    return made


def _probes(layout: Layout, tree: Tree, find: Finder) -> Iterator[tuple[str, str]]:
    """(path, person) of the probes that are no noise."""
    file = _naming.the_file(tree, layout.lists[0])
    names, people = _json(tree, file, "path"), _json(tree, file, "id")
    if len(names) != len(people):
        raise SourceError(f"{file} has {len(names)} paths and {len(people)} ids, one of each an image")
    for path, who in zip(_found(names, file, find), people, strict=True):
        if path is not None:
            yield path, who


def _distractors(layout: Layout, tree: Tree, find: Finder) -> dict[int, list[str]]:
    """Size -> paths of that set of distractors that are no noise, from the smallest to the largest."""
    files = {int(path.split("_")[-2]): path for path in _naming.matching(tree, layout.lists[1])}
    if not files:
        raise SourceError(f"{tree.root} should hold {_naming.readable(layout.lists[1])}")
    found = {size: _found(_json(tree, files[size], "path"), files[size], find) for size in sorted(files)}
    return {size: [path for path in paths if path is not None] for size, paths in found.items()}


def _found(names: Iterable[str], file: str, find: Finder) -> list[str | None]:
    """Path of each image of a list; one that stands twice is an error."""
    paths = [find(name, f"{file}, image {number}") for number, name in enumerate(names, 1)]
    seen: dict[str, int] = {}
    for number, path in enumerate(paths, 1):
        if path is not None and seen.setdefault(path, number) != number:
            raise SourceError(f"{file}, image {number}: {path} stands there before, as image {seen[path]}")
    return paths


def _json(tree: Tree, file: str, key: str) -> list[str]:
    """A list of texts of a JSON table."""
    try:
        said = json.loads(tree.read_list(file))
    except ValueError as error:
        raise SourceError(f"{file} can't be read as JSON: {error}") from error
    values = said.get(key) if isinstance(said, dict) else None
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise SourceError(f"{file} should hold a list of texts as {key!r}")
    return values


def survface(layout: Layout, tree: Tree, protocol: str, find: Finder) -> Lists:
    made = Lists()
    enrolled: dict[str, str] = {}  # person -> template
    label_of: dict[str, int] = {}
    for part, pattern in zip(("gallery", "mated_probe"), layout.lists, strict=True):
        for path, who, where in _identified(layout, tree, part, pattern, label_of, find):
            if part == "gallery":
                template = enrolled.setdefault(who, f"gallery/{who}")
            else:
                template = path
                made.searches.append((protocol, "mated", path))
                if who not in enrolled:
                    raise SourceError(f"{where}: {path} is of {who}, of whom the gallery has no image")
            made.templates.append((template, who, path))
    for path in find.paths:
        if PurePosixPath(path).parent.name == "unmated_probe":
            known = _naming.from_name(layout, path) or {}
            made.templates.append((path, known.get("identity"), path))
            made.searches.append((protocol, "unmated", path))
    made.searches = [*((protocol, "gallery", one) for one in enrolled.values()), *made.searches]
    return made


def _identified(
    layout: Layout, tree: Tree, part: str, pattern: str, label_of: dict[str, int], find: Finder
) -> Iterator[tuple[str, str, str]]:
    """(path, person, where it stands): the file names say who it is, and its labels must agree."""
    file = _naming.the_file(tree, pattern)
    said = matlab(tree, file)
    columns = [np.ravel(said.get(f"{part}_{what}", ())) for what in ("set", "ids")]
    if not len(columns[0]) or len(columns[0]) != len(columns[1]):
        raise SourceError(f"{file} should hold {part}_set and {part}_ids, one of each an image")
    names = [str(bare(name)) for name in columns[0]]
    person_of = {label: who for who, label in label_of.items()}
    paths = _found([f"{part}/{name}" for name in names], file, find)
    for row, (path, label) in enumerate(zip(paths, columns[1].tolist(), strict=True), 1):
        if path is None:
            continue
        who = (_naming.from_name(layout, path) or {}).get("identity") or names[row - 1]
        if label_of.setdefault(who, label) != label or person_of.setdefault(label, who) != who:
            told = f"label {label} is of {person_of.get(label, who)}, {who} has label {label_of[who]}"
            raise SourceError(f"{file}, image {row} ({names[row - 1]}): {told}")
        yield path, who, f"{file}, image {row}"


FORMS: dict[str, Callable[[Layout, Tree, str, Finder], Lists]] = {"megaface": megaface, "survface": survface}
