"""Images of objects with a class each: folders of classes, or CIFAR-10's and CIFAR-100's Python batches.

Folders: .../<split>/<class>/<file>, or without a split; of several splits one is chosen. CIFAR (https://www.cs.toronto.edu/~kriz/cifar.html):
pickles of a dict with `data`, uint8 (n, 3072), a row being 32 x 32 red, then green, then blue values, and
`labels`, or `fine_labels` and `coarse_labels`; names of the classes in batches.meta (`label_names`) or meta
(`fine_label_names` ...). They are kept as PNG, which loses nothing. The class is the identity of a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from pipeline import records
from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, _image, _pickle, _splits
from pipeline.sources._image import SUFFIXES, Check
from pipeline.sources._tree import Tree
from pipeline.strict import Strict

META = ("batches.meta", "meta")
SIDE = 32


class Params(Strict):
    """Which part, and which labels."""

    split: str | None = None  # train, test ...; "all" is every one. Needed where there are several
    labels: Literal["fine", "coarse"] = "fine"  # of CIFAR-100
    check: Check = "decode"


class ClassFolders:
    """Images whose folder is their class."""

    def __init__(self, tree: Tree, split: str | None, check: Check) -> None:
        self.tree, self.check = tree, check
        paths = [PurePosixPath(path) for path in tree.paths if path.lower().endswith(SUFFIXES)]
        if split is None:
            _splits.check((_splits.split_of(_above(path)) for path in paths), str(tree.root))
        self.paths = [path for path in paths if split is None or _splits.is_of(_above(path), split)]
        if not self.paths:
            wanted = f"no image below a folder {split!r}" if paths else "no image"
            raise SourceError(f"{tree.root} holds {wanted}, and no batches of CIFAR")

    def __len__(self) -> int:
        return len(self.paths)

    def samples(self) -> Iterator[Sample | Skipped]:
        for path in self.paths:
            (data, place), who = self.tree.load(str(path)), path.parent.name or None
            yield _image.sample(str(path), data, check=self.check, identity=who, place=place)

    def pairs(self) -> list[dict[str, Any]]:
        return []

    def about(self) -> dict[str, Any]:
        return {"classes": len({path.parent.name for path in self.paths})}


def _above(path: PurePosixPath) -> str:
    """The folders above a class, with nothing for a file: a class may be called `test`, an image train-1."""
    return "/".join([*path.parts[:-2], "-"])


class CifarBatches:
    """CIFAR's pickled batches, one in memory at a time."""

    def __init__(self, tree: Tree, meta: str, split: str | None, labels: str) -> None:
        self.tree, self.where = tree, str(tree.root)
        folder = PurePosixPath(meta).parent
        names = [PurePosixPath(p).name for p in tree.paths if PurePosixPath(p).parent == folder]
        batches = [name for name in names if name in ("train", "test") or name.endswith("_batch")]
        batches = sorted(batches + [name for name in names if name.startswith("data_batch_")])
        splits = {name: "test" if name.startswith("test") else "train" for name in batches}
        if split is None:
            _splits.check(splits.values(), self.where)
        chosen = [name for name in batches if split in (None, _splits.ALL, splits[name])]
        self.batches = [str(folder / name) for name in chosen]
        if not self.batches:
            raise SourceError(
                f"{self.where} holds {', '.join(batches) or 'no batch'}: none for split {split!r}"
            )
        hundred = PurePosixPath(meta).name == "meta"
        self.key = f"{labels}_labels" if hundred else "labels"
        named = self._load(meta).get(f"{labels}_label_names" if hundred else "label_names")
        if not isinstance(named, list):
            raise SourceError(f"{self.where}: {meta} names no classes")
        self.names = [str(name) for name in named]

    def _load(self, path: str) -> dict[str, Any]:
        found = _pickle.loads(self.tree.read(path), f"{self.where}: {path}", encoding="latin1")
        if not isinstance(found, dict):
            raise SourceError(f"{self.where}: {path} should hold a dict, it holds a {type(found).__name__}")
        return found

    def __len__(self) -> int:
        return sum(50_000 if PurePosixPath(path).name == "train" else 10_000 for path in self.batches)

    def samples(self) -> Iterator[Sample | Skipped]:
        for path in self.batches:
            batch = self._load(path)
            data, labels = np.asarray(batch.get("data")), batch.get(self.key)
            if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * SIDE**2:
                raise SourceError(f"{self.where}: {path}: data should be uint8 (n, {3 * SIDE**2})")
            if not isinstance(labels, list) or len(labels) != len(data):
                raise SourceError(f"{self.where}: {path}: {self.key} should be {len(data)} labels")
            for number, (row, label) in enumerate(zip(data, labels, strict=True)):
                sample_id = f"{PurePosixPath(path).name}/{number:05d}"
                if not isinstance(label, int) or not 0 <= label < len(self.names):
                    yield Skipped(sample_id, f"label {label!r} is none of {len(self.names)} classes")
                    continue
                image = np.ascontiguousarray(row.reshape(3, SIDE, SIDE).transpose(1, 2, 0))
                yield Sample(sample_id, records.encode(image, 101), identity=self.names[label])

    def pairs(self) -> list[dict[str, Any]]:
        return []

    def about(self) -> dict[str, Any]:
        return {"classes": len(self.names), "batches": len(self.batches)}


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> ClassFolders | CifarBatches:
    tree = Tree(raw)
    metas = [path for path in tree.paths if PurePosixPath(path).name in META]
    if len(metas) > 1:
        raise SourceError(f"{raw} holds {len(metas)} sets of CIFAR ({', '.join(metas)}): keep one")
    if metas:
        return CifarBatches(tree, metas[0], params.split, params.labels)
    return ClassFolders(tree, params.split, params.check)
