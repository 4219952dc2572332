"""The index of a RecordIO file: a line `key <tab> byte` a record, in whatever order.

A compiled loop reads lines as they are written; what is not quite so is left to pandas, which takes more.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.compiled import compiled
from pipeline.sources._recordio import HEAD, Ints, RecordError

ZERO, NINE, TAB, NEWLINE = b"09\t\n"
DIGITS = 18  # that surely fit into 64 bits


def read_index(path: Path, size: int) -> tuple[Ints, Ints]:
    """Keys and bytes of an .idx, in its order; every byte lies inside a file of `size` bytes."""
    keys, offsets = _numbers(path)
    wrong = np.flatnonzero((offsets < 0) | (offsets % 4 != 0) | (offsets > size - HEAD.size))
    if len(wrong):
        first = int(wrong[0])
        what = "no multiple of 4" if 0 <= offsets[first] <= size - HEAD.size else f"outside its {size} bytes"
        raise RecordError(
            f"{path} line {first + 1}: record {keys[first]} at byte {offsets[first]} of the .rec, {what}"
        )
    sorted_keys = np.sort(keys)
    twice = sorted_keys[1:][sorted_keys[1:] == sorted_keys[:-1]]
    if len(twice):
        raise RecordError(f"{path}: key {twice[0]} stands on more than one line")
    return keys, offsets


def _numbers(path: Path) -> tuple[Ints, Ints]:
    """Keys and bytes, as they stand there."""
    text = path.read_bytes()
    found = np.empty((text.count(b"\n"), 2), np.int64)
    if text.endswith(b"\n") and _parse(np.frombuffer(text, np.uint8), found):
        return found[:, 0].copy(), found[:, 1].copy()
    import pandas as pd

    try:
        table = pd.read_csv(io.BytesIO(text), sep="\t", header=None, dtype=np.int64, engine="c")
        keys, offsets = (table[column].to_numpy(np.int64) for column in (0, 1))
    except (ValueError, KeyError, OverflowError) as error:  # pandas' parser errors are ValueErrors
        raise RecordError(_wrong_line(path, text)) from error
    return keys, offsets


@compiled
def _parse(text: npt.NDArray[np.uint8], found: Ints) -> bool:
    """Whether every line is `digits tab digits newline`; the numbers of each, into a row of `found`."""
    row, column, number, digits = 0, 0, 0, 0
    for byte in text:
        if ZERO <= byte <= NINE:
            number, digits = int(10 * number + np.int64(byte) - ZERO), digits + 1
            continue
        if byte != (NEWLINE if column else TAB) or not 0 < digits <= DIGITS:
            return False
        found[row, column] = number
        row, column, number, digits = row + column, 1 - column, 0, 0
    return column == 0 and digits == 0


def _wrong_line(path: Path, text: bytes) -> str:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split(b"\t")
        if len(fields) != 2 or not all(field.strip().isdigit() for field in fields):
            told = line[:80].decode(errors="replace")
            return f"{path} line {number}: should be '<key> <tab> <byte>', is {told!r}"
    return f"{path} is no index: it has no line '<key> <tab> <byte>'"
