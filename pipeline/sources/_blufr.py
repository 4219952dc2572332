"""BLUFR's configuration, blufr_lfw_config.mat, as a table of `records.SPLITS`.

    imageList (n x 1 cells)                 file names without folders; all else counts them from 1
    labels (n x 1)                          whose face each is
    testIndex, galIndex, probIndex (10 x 1 cells)   images of a split; test = gallery and probes together

Built from the toolkit's blufr_lfw_config_readme.txt. Its own file was read whole: 13,233 images, 10 splits of
9,388 to 10,281 faces, equal to the toolkit's text lists (gallery_set.txt, probe_set.txt), counts as in its
blufr_lfw_config_info.txt. Image files are found by their stem, whatever their suffix.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import records
from pipeline.sources import SourceError, _naming
from pipeline.sources._layouts import Layout
from pipeline.sources._pairlists import bare, matlab
from pipeline.sources._tree import Tree

Rows = npt.NDArray[np.int64]


def read(layout: Layout, tree: Tree, protocol: str, paths: Iterable[str]) -> pa.Table | None:
    """The layout's splits; None where its list of pairs is all there is."""
    if not layout.splits or (layout.pairs and not _naming.matching(tree, layout.splits)):
        return None
    file = _naming.the_file(tree, layout.splits)
    said = matlab(tree, file)
    names, labels = _column(said, "imageList", file), _column(said, "labels", file)
    if len(names) != len(labels):
        raise SourceError(f"{file}: {len(names)} names in imageList and {len(labels)} labels, one of each")
    names = [unicodedata.normalize("NFC", PurePosixPath(str(name)).stem) for name in names]
    _check_labels(names, labels, file)
    parts = _splits(said, len(names), file)
    found = _places(names, {int(row) for rows in parts.values() for row in rows}, paths, file, str(tree.root))
    who = [name.rpartition("_")[0] for name in names]
    rows = [(protocol, *key, who[row], found[row]) for key, part in parts.items() for row in part.tolist()]
    columns = zip(*rows, strict=True)
    schema = records.LISTS["splits"]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


def _cells(said: dict[str, Any], name: str, file: str) -> list[Any]:
    """What lies in a variable, thing by thing."""
    if not isinstance(said.get(name), np.ndarray) or not said[name].size:
        raise SourceError(f"{file} should hold {name}")
    return list(said[name].ravel())


def _column(said: dict[str, Any], name: str, file: str) -> list[Any]:
    return [bare(value) for value in _cells(said, name, file)]


def _check_labels(names: list[str], labels: list[Any], file: str) -> None:
    """Raise if a label is of two people, or a person has two."""
    person: dict[Any, str] = {}
    label_of: dict[str, Any] = {}
    for row, (name, label) in enumerate(zip(names, labels, strict=True), 1):
        who = name.rpartition("_")[0]
        if person.setdefault(label, who) != who or label_of.setdefault(who, label) != label:
            other = label_of.get(who, label)
            told = f"label {label} is of {person[label]}, {who} has label {other}"
            raise SourceError(f"{file}, image {row} ({name}): {told}")


def _splits(said: dict[str, Any], images: int, file: str) -> dict[tuple[int, str], Rows]:
    """(split, role) -> rows of imageList, from 0."""
    test, gallery, probes = (_cells(said, name, file) for name in ("testIndex", "galIndex", "probIndex"))
    if not len(test) == len(gallery) == len(probes):
        told = f"{len(test)}, {len(gallery)} and {len(probes)}"
        raise SourceError(f"{file}: testIndex, galIndex and probIndex are of {told} splits, of one number")
    found: dict[tuple[int, str], Rows] = {}
    for split, parts in enumerate(zip(test, gallery, probes, strict=True)):
        rows = [np.asarray(part).ravel().astype(np.int64) - 1 for part in parts]
        outside = [part for part in rows if len(part) and (part.min() < 0 or part.max() >= images)]
        if outside:
            raise SourceError(f"{file}, split {split}: images count from 1 to {images}")
        together = np.sort(np.concatenate(rows[1:]))
        if len(rows[0]) != len(together) or (np.sort(rows[0]) != together).any():
            raise SourceError(f"{file}, split {split}: testIndex should be galIndex and probIndex together")
        twice = together[1:][together[1:] == together[:-1]]
        if len(twice):
            raise SourceError(f"{file}, split {split} has image {twice[0] + 1} twice")
        found |= {(split, "gallery"): rows[1], (split, "probe"): rows[2]}
    return found


def _places(names: list[str], wanted: set[int], paths: Iterable[str], file: str, root: str) -> dict[int, str]:
    """Row of imageList -> path of its file."""
    known: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        known[unicodedata.normalize("NFC", PurePosixPath(path).stem)].append(path)
    for row in sorted(wanted):
        there = known.get(names[row], [])
        if len(there) != 1:
            what = f"may mean any of {there[:3]}" if there else f"which is not in {root}"
            raise SourceError(f"{file}, image {row + 1}, names {names[row]}, {what}")
    return {row: known[names[row]][0] for row in wanted}
