"""InsightFace's verification packs (lfw.bin, agedb_30.bin ...): encoded faces in pairs, same or not.

A pack is a pickle of ([image, ...], [issame, ...]), images 2i and 2i+1 being pair i; an image is bytes or a
uint8 array. Layout: deepinsight/insightface (7fadd42) recognition/arcface_mxnet/common/build_eval_pack.py and
src/data/lfw2pack.py (ead1bf5); recognition/arcface_torch/eval/verification.py reads it and cuts its folds:
`folds` contiguous parts in the order of the file, the first ones longer by one where they don't divide evenly
(scikit-learn's KFold without shuffling): 300 same then 300 different pairs each in LFW's pack.

Checked against the original's small_lfw.bin: 20 images equal to the byte to those of its own unpickling.
The pack holds no names: identities are unknown. Images of equal bytes are one sample, named by the first of
their places, so that pairs that share an image are known to do so.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from pipeline import files
from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, _image, _pickle
from pipeline.sources._image import Check, Images
from pipeline.strict import Inside


class Params(Images):
    """Which pack."""

    file: Inside | None = None  # the .bin in the dataset's folder; not needed if there is one alone
    protocol: str | None = None  # what the pairs are called; the file's stem if not given
    folds: int = Field(10, ge=1)


def read(data: bytes, where: str) -> tuple[list[bytes], list[bool]]:
    """Encoded images and, for each two of them, whether they show one person."""
    pack = _pickle.loads(data, where)
    if not isinstance(pack, tuple | list) or len(pack) != 2:
        raise SourceError(f"{where} should hold (images, issame), it holds a {type(pack).__name__}")
    if not all(isinstance(part, list | tuple | np.ndarray) for part in pack):
        kinds = " and ".join(type(part).__name__ for part in pack)
        raise SourceError(f"{where} should hold two lists, it holds {kinds}")
    images = [_bytes(image, f"{where}: image {number}") for number, image in enumerate(pack[0])]
    same = [_bool(value, f"{where}: pair {number}") for number, value in enumerate(pack[1])]
    if len(images) != 2 * len(same):
        raise SourceError(f"{where} holds {len(images)} images for {len(same)} pairs, not {2 * len(same)}")
    return images, same


def _bytes(image: Any, where: str) -> bytes:
    if isinstance(image, np.ndarray) and image.dtype.itemsize == 1:
        return image.tobytes()
    if isinstance(image, bytes):
        return image
    raise SourceError(f"{where} is a {type(image).__name__}, not the bytes of an encoded image")


def _bool(value: Any, where: str) -> bool:
    if isinstance(value, bool | np.bool_ | int | np.integer | float | np.floating) and value in (0, 1):
        return bool(value)
    raise SourceError(f"{where}: issame is {value!r}, it should be true or false")


def fold_of(pairs: int, folds: int) -> list[int]:
    """The fold of every pair: contiguous, the first `pairs % folds` longer by one."""
    each, longer = divmod(pairs, folds)
    return [fold for fold in range(folds) for _ in range(each + (fold < longer))]


def first_places(images: Sequence[bytes]) -> list[int]:
    """For every image the place of the first one with the same bytes."""
    seen: dict[bytes, int] = {}
    digests = (hashlib.sha1(image, usedforsecurity=False).digest() for image in images)
    return [seen.setdefault(digest, number) for number, digest in enumerate(digests)]


class PackSource:
    """Distinct images and the pairs of a pack, in its order."""

    def __init__(
        self,
        path: Path,
        protocol: str | None = None,
        folds: int = 10,
        box: str = "none",
        check: Check = "header",
    ) -> None:
        self.images, self.same = read(path.read_bytes(), str(path))
        self.first = first_places(self.images)
        self.protocol, self.folds = protocol or path.stem, min(folds, len(self.same)) or 1
        self.box, self.check = box, check

    def __len__(self) -> int:
        return len(set(self.first))

    def samples(self) -> Iterator[Sample | Skipped]:
        for number, image in enumerate(self.images):
            if self.first[number] == number:
                yield _image.sample(f"{number:06d}", image, self.box, self.check)

    def pairs(self) -> list[dict[str, Any]]:
        places = enumerate(zip(fold_of(len(self.same), self.folds), self.same, strict=True))
        return [
            {
                "protocol": self.protocol,
                "fold": fold,
                "a": f"{self.first[2 * i]:06d}",
                "b": f"{self.first[2 * i + 1]:06d}",
                "same": same,
            }
            for i, (fold, same) in places
        ]

    def about(self) -> dict[str, Any]:
        return {
            "folds": self.folds,
            "same_pairs": sum(self.same),
            "repeated_images": len(self.images) - len(self),
        }


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> PackSource:
    return PackSource(_path(raw, params.file), params.protocol, params.folds, params.box, params.check)


def _path(raw: Path, file: str | None) -> Path:
    if raw.is_file():
        return raw
    if file is not None:
        if not (raw / file).is_file():
            raise SourceError(f"{raw / file} does not exist")
        return raw / file
    found = sorted(raw.glob("*.bin"))
    if len(found) != 1:
        told = ", ".join(path.name for path in found) or "none"
        raise SourceError(f"{raw} should hold one .bin (it holds {told}): say which with `file`")
    return found[0]


def write(path: Path, images: Sequence[bytes], same: Sequence[bool]) -> None:
    """A pack that InsightFace's evaluation reads: images 2i and 2i+1 are pair i."""
    if len(images) != 2 * len(same):
        raise SourceError(f"{len(images)} images for {len(same)} pairs: give {2 * len(same)}")
    pack = ([bytes(image) for image in images], [bool(value) for value in same])
    files.write_bytes(path, pickle.dumps(pack, protocol=4))
