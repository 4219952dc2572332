"""Faces of a prepared dataset as uint8 tensors: those that may be used, and whose they are.

Everything here counts positions 0 .. len - 1 among the faces kept; `rows` gives their rows in the dataset.
Images are RGB (n, h, w, 3) uint8, decoded once into memory where they fit, else whenever they are asked for
from a memory map that each process opens for itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import UInt8
from torch import Tensor

from pipeline.records import BadImageError, Dataset, Image, read_parquet

logger = logging.getLogger(__name__)

_CHUNK = 256  # images that a thread decodes at a time


class Faces:
    """The faces of the dataset in `folder` whose sample id isn't in `exclude` nor identity in `without`.

    With `needs_identity` faces of nobody known are left out and at least two identities must remain;
    `labels` then index `classes`, the identities in alphabetical order. Otherwise labels are -1.
    Faces that lack one of the columns in `known` (box, points5, points68) are left out. `left_out` counts
    by reason. `merged` maps identities to those that they are a part of.
    At most `cache_gb` GB of decoded images are kept in memory: all of them, or none.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        exclude: Collection[str] | None = None,
        without: Collection[str] | None = None,
        needs_identity: bool = False,
        known: Collection[str] = (),
        merged: Mapping[str, str] | None = None,
        cache_gb: float = 0.0,
    ) -> None:
        self.folder = Path(folder)
        self._dataset, self._process = Dataset(self.folder), os.getpid()
        frame = self._dataset.frame(["sample_id", "identity"])
        if merged:
            frame["identity"] = frame["identity"].replace(dict(merged))
        tests: dict[str, npt.ArrayLike] = {
            "excluded": frame["sample_id"].isin(set(exclude or ())),
            "of people held out": frame["identity"].isin(set(without or ())),
        }
        if needs_identity:
            tests["of nobody known"] = frame["identity"].isna()
        for column in known:
            tests[f"without {column}"] = ~np.isfinite(self._dataset.points(column)).all(axis=(1, 2))
        mask = self._keep(len(frame), tests)
        kept = frame[mask]
        self.rows: npt.NDArray[np.int64] = np.flatnonzero(mask).astype(np.int64)
        self.sample_ids: list[str] = kept["sample_id"].tolist()
        self.classes: list[str] = sorted(kept["identity"].unique()) if needs_identity else []
        index = {name: label for label, name in enumerate(self.classes)}
        self.labels: npt.NDArray[np.int64] = np.asarray(
            [index.get(name, -1) for name in kept["identity"]], np.int64
        )
        if needs_identity:
            self._check_identities(left_out=len(frame) - len(kept))
        self._cache = self._decode_all() if len(self) and self.gigabytes <= cache_gb else None

    def _keep(self, count: int, tests: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.bool_]:
        """Of `count` faces those that no test rejects; how many each rejects, the first one counting."""
        mask, self.left_out = np.ones(count, np.bool_), dict[str, int]()
        for why, rejected in tests.items():
            rows = mask & np.asarray(rejected, np.bool_)
            mask &= ~rows
            if rows.any():
                self.left_out[why] = int(rows.sum())
        if self.left_out:
            reasons = ", ".join(f"{number} {why}" for why, number in self.left_out.items())
            logger.info("%s: %d of %d faces are left out: %s", self.folder, (~mask).sum(), count, reasons)
        return mask

    def _check_identities(self, left_out: int) -> None:
        if len(self.classes) < 2:
            raise ValueError(
                f"{self.folder}: {len(self.classes)} identities left after {left_out} faces were excluded; "
                "learning to tell people apart needs two or more"
            )
        single = int((np.bincount(self.labels) == 1).sum())
        if single:
            logger.warning("%s: %d of %d identities have one image", self.folder, single, len(self.classes))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Height and width of every image."""
        height, width, _ = self._decode(self._open(), 0).shape
        return height, width

    @property
    def gigabytes(self) -> float:
        """Memory that all images take once decoded."""
        return len(self) * self.size[0] * self.size[1] * 3 / 1e9

    @property
    def cached(self) -> bool:
        """Whether the images are in memory."""
        return self._cache is not None

    def sample_id(self, position: int) -> str:
        return self.sample_ids[position]

    def points(self, column: str) -> npt.NDArray[np.float32]:
        """(n, k, 2) of `points5` or `points68` (n, 2, 2 of `box`), NaN where a face has none."""
        return self._open().points(column)[self.rows]

    def images(
        self, positions: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_] | None = None
    ) -> UInt8[Tensor, "n h w 3"]:
        """The images at `positions`, a copy of their own; left and right swapped where `mirrored` is true."""
        if mirrored is None:
            mirrored = np.zeros(len(positions), np.bool_)
        out = np.empty((len(positions), *self.size, 3), np.uint8)
        if self._cache is None:
            self._decode_into(out, positions, mirrored)
        else:
            for place, (position, flip) in enumerate(zip(positions.tolist(), mirrored.tolist(), strict=True)):
                _put(out[place], self._cache[position], flip)
        return torch.from_numpy(out)

    def _open(self) -> Dataset:
        if self._process != os.getpid():  # a forked worker opens its own memory map
            self._dataset, self._process = Dataset(self.folder), os.getpid()
        return self._dataset

    def _decode(self, dataset: Dataset, position: int) -> Image:
        try:
            return dataset.image(int(self.rows[position]))
        except BadImageError as error:
            raise BadImageError(f"{self.folder}: sample {self.sample_ids[position]}: {error}") from error

    def _decode_into(
        self, out: Image, positions: npt.NDArray[np.int64], mirrored: npt.NDArray[np.bool_]
    ) -> None:
        dataset = self._open()
        for place, (position, flip) in enumerate(zip(positions.tolist(), mirrored.tolist(), strict=True)):
            image = self._decode(dataset, position)
            if image.shape != out.shape[1:]:
                found, expected = (f"{shape[0]} x {shape[1]}" for shape in (image.shape, self.size))
                raise BadImageError(
                    f"{self.folder}: sample {self.sample_ids[position]} is {found}, "
                    f"the others are {expected}; crop them to one size"
                )
            _put(out[place], image, flip)

    def _decode_all(self) -> Image:
        out = np.empty((len(self), *self.size, 3), np.uint8)
        starts = range(0, len(self), _CHUNK)

        def fill(start: int) -> None:
            part = out[start : start + _CHUNK]
            self._decode_into(part, np.arange(start, start + len(part)), np.zeros(len(part), np.bool_))

        with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # OpenCV decodes without Python's lock
            list(pool.map(fill, starts))
        return out


def _put(out: Image, image: Image, mirrored: bool) -> None:
    """Copies `image` to `out`, mirrored on the way: OpenCV does it ten times as fast as torch."""
    if mirrored:
        cv2.flip(image, 1, out)
    else:
        out[:] = image


def exclusions(path: str | Path, dataset: str) -> set[str]:
    """Sample ids of `dataset` that may not be trained on, from the overlap stage's table at `path`."""
    frame = read_parquet(path)
    missing = {"dataset", "sample_id"} - set(frame.columns)
    if missing:
        raise ValueError(f"{path} lacks the columns {sorted(missing)}; is it the overlap stage's exclusions?")
    return set(frame.loc[frame["dataset"] == dataset, "sample_id"])


def merged(path: str | Path, dataset: str) -> dict[str, str]:
    """Identities of `dataset` that are a part of another one, from the overlap stage's table at `path`."""
    frame = read_parquet(path)
    missing = {"dataset", "identity", "into"} - set(frame.columns)
    if missing:
        raise ValueError(f"{path} lacks the columns {sorted(missing)}; is it the overlap stage's merged?")
    mine = frame[frame["dataset"] == dataset]
    return dict(zip(mine["identity"], mine["into"], strict=True))
