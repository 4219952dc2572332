"""Official lists of pairs, in the form of each benchmark, as rows of `records.PAIRS`; templates likewise.

    lfw       `_lfw`
    halves    CALFW, CPLFW: two lines a pair, "<file> <label>", label 0: different; all same pairs first.
              Ten folds, each a tenth of the same pairs and a tenth of the different ones, in order
    cfp       Split/<kind>/<fold>/{same,diff}.txt, "<i>,<j>" a line: of Pair_list_F and _P (FF: both _F)
    agedb     MATLAB: splits{fold} = {pairs{2 x n names}, labels (1, -1)}
    survface  MATLAB: {n x 2} names, a file for same and one for different; one fold

A pair names a file by its path's end; one that is missing, or that may mean two files, is an error.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from pipeline.sources import SourceError, _lfw, _naming
from pipeline.sources._layouts import Layout
from pipeline.sources._tree import Tree

Named = tuple[int, str, str, bool, str]  # fold, a, b, same, where it stands
FOLDS = 10


def rows(layout: Layout, tree: Tree, protocol: str, paths: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of the layout's list, with the paths as sample ids."""
    if layout.pairs == "lfw":
        path = _naming.the_file(tree, layout.lists[0])
        return _lfw.rows(_naming.text(tree, path), path, protocol, paths)
    find = finder(paths, str(tree.root))
    return [
        {"protocol": protocol, "fold": fold, "a": find(a, where), "b": find(b, where), "same": same}
        for fold, a, b, same, where in FORMS[layout.pairs](layout, tree)
    ]


def finder(paths: Iterable[str], root: str) -> Callable[[str, str], str]:
    """find(name, where) -> the one path that ends in it."""
    known: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        parts = PurePosixPath(path).parts
        for start in range(max(0, len(parts) - 6), len(parts)):
            known["/".join(parts[start:])].append(path)

    def find(name: str, where: str) -> str:
        found = known.get(name, [])
        if len(found) != 1:
            what = f"may mean any of {found[:3]}" if found else f"which is not in {root}"
            raise SourceError(f"{where} names {name}, {what}")
        return found[0]

    return find


def halves(layout: Layout, tree: Tree) -> Iterator[Named]:
    path = _naming.the_file(tree, layout.lists[0])
    numbered = enumerate(_naming.text(tree, path).splitlines(), 1)
    lines = [(number, line.split()) for number, line in numbered if line.strip()]
    pairs = []
    for (number, one), (_, two) in zip(lines[::2], lines[1::2], strict=False):
        if len(one) != 2 or len(two) != 2 or one[1] != two[1] or not one[1].isdigit():
            raise SourceError(f"{path} line {number}: should be '<file> <label>', twice with one label")
        pairs.append((one[0], two[0], one[1] != "0", f"{path} line {number}"))
    if len(lines) % 2 or not pairs:
        raise SourceError(f"{path} holds {len(lines)} lines, not two a pair")
    total = {kind: sum(pair[2] == kind for pair in pairs) for kind in (True, False)}
    seen = {True: 0, False: 0}
    for a, b, same, where in pairs:
        yield seen[same] * FOLDS // total[same], a, b, same, where
        seen[same] += 1


def cfp(layout: Layout, tree: Tree) -> Iterator[Named]:
    frontal, profile = (_numbered(tree, pattern) for pattern in layout.lists[:2])
    lists = _naming.matching(tree, layout.lists[2])
    if not lists:
        raise SourceError(f"{tree.root} should hold {_naming.readable(layout.lists[2])}")
    second = frontal if "/FF/" in layout.lists[2] else profile
    folds = sorted({PurePosixPath(path).parent.name for path in lists}, key=int)
    for path in sorted(lists, key=lambda path: (int(PurePosixPath(path).parent.name), "diff" in path)):
        fold, same = folds.index(PurePosixPath(path).parent.name), path.endswith("same.txt")
        for number, line in enumerate(_naming.text(tree, path).split(), 1):
            fields, where = line.split(","), f"{path} line {number}"
            if len(fields) != 2 or fields[0] not in frontal or fields[1] not in second:
                raise SourceError(
                    f"{where}: {line!r} should be two numbers of {layout.lists[0]} and its like"
                )
            yield fold, frontal[fields[0]], second[fields[1]], same, where


def _numbered(tree: Tree, pattern: str) -> dict[str, str]:
    """number -> Data/Images/..., of a line '1 ../Data/Images/001/frontal/01.jpg'."""
    path = _naming.the_file(tree, pattern)
    found = {}
    for number, line in enumerate(_naming.text(tree, path).splitlines(), 1):
        said = re.fullmatch(r"(\d+)\s+(?:\.\./)?(\S+)\s*", line)
        if said is None:
            raise SourceError(f"{path} line {number}: should be '<number> <path>', is {line[:80]!r}")
        found[said[1]] = said[2]
    return found


def matlab(tree: Tree, path: str) -> dict[str, Any]:
    """Variables of a MATLAB file (version 5 to 7.2; 7.3 is HDF5 and would need another reader)."""
    import scipy.io

    try:
        found = scipy.io.loadmat(BytesIO(tree.read(path)))
    except Exception as error:  # whatever a damaged file does to scipy
        raise SourceError(f"{path} can't be read as MATLAB's: {type(error).__name__}: {error}") from error
    return {key: value for key, value in found.items() if not key.startswith("__")}


def bare(value: Any) -> Any:
    """What lies in MATLAB's wrapping: cells and structs of one thing are that thing."""
    while True:
        if isinstance(value, np.void) and value.dtype.names:
            value = value[0]
        elif isinstance(value, np.ndarray) and value.size == 1:
            value = value.ravel()[0]
        else:
            return value.item() if isinstance(value, np.generic) else value


def agedb(layout: Layout, tree: Tree) -> Iterator[Named]:
    path = _naming.the_file(tree, layout.lists[0])
    splits = matlab(tree, path).get("splits")
    if not isinstance(splits, np.ndarray):
        raise SourceError(f"{path} should hold 'splits'")
    for fold, split in enumerate(splits.ravel()):
        try:
            record = split
            while isinstance(record, np.ndarray) and record.size == 1:
                record = record.ravel()[0]
            pairs, labels = (record[name] for name in record.dtype.names[:2])
            first, second = np.asarray(pairs)
            kinds = np.ravel(labels).tolist()
            for place, (a, b, kind) in enumerate(zip(first.ravel(), second.ravel(), kinds, strict=True)):
                yield (
                    fold,
                    f"{bare(a)}.jpg",
                    f"{bare(b)}.jpg",
                    kind > 0,
                    f"{path}, split {fold}, pair {place}",
                )
        except (TypeError, ValueError, IndexError, AttributeError) as error:
            raise SourceError(f"{path}, split {fold}: should be pairs (2 x n) and labels: {error}") from error


def survface(layout: Layout, tree: Tree) -> Iterator[Named]:
    for pattern, same in zip(layout.lists, (True, False), strict=True):
        path = _naming.the_file(tree, pattern)
        cells = [value for value in matlab(tree, path).values() if getattr(value, "shape", (0,))[1:] == (2,)]
        if len(cells) != 1:
            raise SourceError(f"{path} should hold one table of n x 2 names")
        for number, (a, b) in enumerate(cells[0], 1):
            yield 0, str(bare(a)), str(bare(b)), same, f"{path} row {number}"


FORMS: dict[str, Callable[[Layout, Tree], Iterator[Named]]] = {
    "halves": halves,
    "cfp": cfp,
    "agedb": agedb,
    "survface": survface,
}
