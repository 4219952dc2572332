"""Pair lists in LFW's format (http://vis-www.cs.umass.edu/lfw/, pairs.txt).

    10 <tab> 300                  folds, and pairs of each kind in a fold (one number: one fold)
    Name <tab> 1 <tab> 4          same person:      Name/Name_0001.*, Name/Name_0004.*
    Name <tab> 1 <tab> Other <tab> 2    different:  Name/Name_0001.*, Other/Other_0002.*

A fold is its same pairs, then its different ones. Folds count from 0. Files are found by folder and stem
anywhere in the tree, whatever their suffix.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from pipeline.sources import SourceError

Named = tuple[str, str]  # a person's name and the stem of the file


def parse(text: str, where: str) -> tuple[int, list[tuple[int, Named, Named, bool]]]:
    """Folds, and (line number, a, b, same) of every pair, in order; errors name the line."""
    lines = [(n, line.split("\t")) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    folds, each = _header(lines[0][1] if lines else [], where)
    found = []
    for number, fields in lines[1:]:
        if len(fields) not in (3, 4):
            counted = f"{len(fields)} fields between tabs, not 3 or 4"
            raise SourceError(f"{where} line {number}: {' '.join(fields)!r} has {counted}")
        other = fields[0] if len(fields) == 3 else fields[2]
        a, b = _stem(fields[0], fields[1], where, number), _stem(other, fields[-1], where, number)
        found.append((number, a, b, len(fields) == 3))
    if len(found) != folds * 2 * each:
        wanted = f"{folds} folds of {each} same and {each} different pairs"
        raise SourceError(f"{where} promises {wanted} but holds {len(found)} pairs")
    return folds, found


def _header(fields: list[str], where: str) -> tuple[int, int]:
    numbers = [field.strip() for field in fields]
    if not all(field.isdigit() for field in numbers) or len(numbers) not in (1, 2) or "0" in numbers:
        told = " ".join(fields)
        raise SourceError(f"{where} line 1: should be '<folds> <tab> <pairs of a kind>', is {told!r}")
    return (1, int(numbers[0])) if len(numbers) == 1 else (int(numbers[0]), int(numbers[1]))


def _stem(name: str, index: str, where: str, number: int) -> Named:
    if not index.strip().isdigit():
        raise SourceError(f"{where} line {number}: {index!r} is not an image's number")
    return name, f"{name}_{int(index):04d}"


def rows(text: str, where: str, protocol: str, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Rows of `records.PAIRS` with the paths as sample ids; a pair naming a missing file is an error."""
    known: dict[Named, list[str]] = defaultdict(list)
    for path in paths:
        pure = PurePosixPath(unicodedata.normalize("NFC", path))  # macOS packs names decomposed
        known[(pure.parent.name, pure.stem)].append(path)
    folds, pairs = parse(unicodedata.normalize("NFC", text), where)
    in_fold = len(pairs) // folds
    found = []
    for place, (number, a, b, same) in enumerate(pairs):
        here = f"{where} line {number}: the pair ({a[1]}, {b[1]})"
        if same != (place % in_fold < in_fold // 2):
            raise SourceError(f"{here} stands in the wrong half of its fold")
        for named in (a, b):
            if len(known[named]) != 1:
                what = f"may mean any of {known[named]}" if known[named] else "which is missing"
                raise SourceError(f"{here} names {'/'.join(named)}, {what}")
        ids = {"a": known[a][0], "b": known[b][0]}
        found.append({"protocol": protocol, "fold": place // in_fold, **ids, "same": same})
    return found
