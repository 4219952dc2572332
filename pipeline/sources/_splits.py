"""Splits of a dataset by its folders or how files' names begin: train/..., test-00000-of-00001.parquet.

What is meant for training and what is meant for testing are never read as one unless that is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from pipeline.sources import SourceError

NAMES = ("train", "training", "test", "testing", "eval", "evaluation", "dev", "val", "valid", "validation")
ALL = "all"


def told(path: str) -> list[str]:
    """What may name the split of a file: its folders, and its name up to the first `-`, `_` or `.`."""
    parts = PurePosixPath(path).parts
    # part of a split, when Hugging Face converts a dataset that is too large for all of it
    folders = [part.removeprefix("partial-") for part in parts[:-1]]
    return [*folders, re.split(r"[-_.]", parts[-1])[0]]


def split_of(path: str) -> str | None:
    """The split that a path names, the outermost if it names several."""
    return next((name for name in told(path) if name in NAMES), None)


def check(found: Iterable[str | None], where: str) -> None:
    """Raise if there are several splits: called where nothing says which is wanted."""
    names = sorted({name for name in found if name is not None})
    if len(names) > 1:
        choices = ", ".join(f"`split: {name}`" for name in names)
        raise SourceError(f"{where} holds several splits: write {choices}, or `split: {ALL}` for all as one")


def is_of(path: str, split: str) -> bool:
    """Whether a path belongs to a split, be it one of `NAMES` or any other folder or beginning of a name."""
    if split == ALL:
        return True
    return split_of(path) == split if split in NAMES else split in told(path)
