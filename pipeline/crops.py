"""Crops of a dataset's faces: detect, warp, encode, and everything known of a face moved along.

`box`, `points5` and `points68` come out in pixels of the crop, `roll` as it is in the crop (an aligned crop
is turned upright); all else stays. What can't be cropped gives the reason instead.

A preset with a `blur` makes the blurred twin of a dataset: the same faces, found in the same sharp images and
cropped alike, under a Gaussian.

Of several faces in an image one rule says which count (`detectors.choose`). With `all` each of them is a
sample of its own, `<id of the image>#1`, `#2` ..., the largest first. Nobody says whose label the image has:
these samples have neither identity, name nor attributes nor 68 landmarks; an image of one face keeps them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import cv2
import numpy as np
from pydantic import Field

from pipeline import geometry, records
from pipeline.detectors import Detection, Detector, Faces, choose
from pipeline.records import Dataset, Image, Sample
from pipeline.strict import Strict

SHEET, TILE = 24, 128  # faces of a contact sheet, pixels of each
EDGES = tuple(step * 2**octave for octave in range(2, 9) for step in (4, 5, 6, 7))  # pixels: where bins begin


Method = Literal["aligned", "unaligned", "as_is"]


class Params(Strict):
    """A preset of `crops`."""

    method: Method = (
        "aligned"  # by landmarks onto the template, the square around the box, or cropped already
    )
    image_size: int = Field(112, ge=16, le=1024)  # pixels a side
    margin: float = Field(0.0, ge=0, le=4)  # unaligned: share of the box's longer side that is added to it
    quality: int = Field(95, ge=1, le=101)  # of the JPEG; 101 is PNG; nothing to `as_is` without a blur
    blur: float = Field(0.0, ge=0, le=20)  # sigma of a Gaussian over the crop, in its pixels; 0 for none

    def about(self) -> dict[str, Any]:
        """What is true of the crops."""
        unused = set() if self.blur else {"blur"}
        if self.method == "as_is":
            unused |= {"margin"} if self.blur else {"margin", "quality"}
        return self.model_dump(exclude=unused)


@dataclass(frozen=True)
class SetAside:
    """A face that gives no crop: which one, and why."""

    sample_id: str
    reason: str


@dataclass
class Crop(Sample):
    """A cropped sample, and what its image was, in pixels of that: these are not written with it."""

    photo: int = 0  # the shorter side of the image
    square: float = 0.0  # a side of the square that the crop shows: below the crop's size it was enlarged
    origin: str = ""  # the photo's id
    matrix: tuple[float, ...] = ()  # the 2 x 3 numbers that map it to the crop

    def row(self) -> dict[str, Any]:
        row = super().row()
        for name in ("photo", "square", "origin", "matrix"):
            del row[name]
        return row


@dataclass
class Resolution:
    """Counts of what crops of `size` pixels were made of. Bin 0 lies below `EDGES`, the last one above."""

    size: int
    photo: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    square: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    enlarged: int = 0

    def add(self, photo: float, square: float, faces: int = 1) -> None:
        square = round(square, 2)  # of a matrix: 64 may come as 63.999
        self.photo[bisect_right(EDGES, photo)] += faces
        self.square[bisect_right(EDGES, square)] += faces
        self.enlarged += faces * (square < self.size)

    def merge(self, told: Mapping[str, Any]) -> None:
        """Add what another one counted, as it tells it."""
        self.photo = [a + b for a, b in zip(self.photo, told["photo"], strict=True)]
        self.square = [a + b for a, b in zip(self.square, told["square"], strict=True)]
        self.enlarged += told["enlarged"]

    def told(self) -> dict[str, Any]:
        return {"edges": list(EDGES), "photo": self.photo, "square": self.square, "enlarged": self.enlarged}


class Cropper:
    """Sample -> a cropped sample or `SetAside` of each face that counts; for one thread at a time."""

    def __init__(
        self,
        detector: Detector,
        method: Method,
        size: int,
        margin: float = 0.0,
        quality: int = 95,
        faces: Faces = "prominent",
        blur: float = 0.0,
    ) -> None:
        self.detector, self.method, self.faces = detector, method, faces
        self.size, self.margin, self.quality, self.blur = size, margin, quality, blur

    def __call__(self, sample: Sample) -> list[Sample | SetAside]:
        try:
            image = records.decode(sample.image)
        except records.BadImageError as error:
            return [SetAside(sample.sample_id, str(error))]
        height, width = image.shape[:2]
        found = choose(self.detector.detect(sample, image), self.faces, width, height)
        if not found:
            return [SetAside(sample.sample_id, self.detector.absent)]
        if len(found) == 1:
            return [self._crop(sample, image, found[0], sample.sample_id)]
        nobody = [Sample(f"{sample.sample_id}#{number}", b"") for number in range(1, len(found) + 1)]
        both = zip(nobody, found, strict=True)
        return [self._crop(one, image, face, sample.sample_id) for one, face in both]

    def _crop(self, sample: Sample, image: Image, face: Detection, photo: str) -> Sample | SetAside:
        try:
            crop, matrix = self._cut(image, face)
        except geometry.GeometryError as error:
            return SetAside(sample.sample_id, str(error))
        done = moved(sample, face, matrix, records.encode(blurred(crop, self.blur), self.quality))
        square, numbers = self.size / geometry.scale(matrix), tuple(matrix.ravel().tolist())
        return Crop(**vars(done), photo=min(image.shape[:2]), square=square, origin=photo, matrix=numbers)

    def _cut(self, image: Image, face: Detection) -> tuple[Image, geometry.Matrix]:
        if self.method == "aligned":
            if face.points5 is None:
                raise geometry.GeometryError("an aligned crop needs landmarks, here is only a box")
            return geometry.aligned(image, face.points5, self.size)
        if face.box is None:
            raise geometry.GeometryError("an unaligned crop needs a box, here are only landmarks")
        return geometry.unaligned(image, face.box, self.size, self.margin)


def blurred(image: Image, sigma: float) -> Image:
    """The image under a Gaussian of `sigma` pixels, cut off at 3 sigma, its border continued; 0: as it is."""
    if sigma == 0:
        return image
    side = 2 * int(np.ceil(3 * sigma)) + 1
    return np.asarray(cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def moved(sample: Sample, face: Detection, matrix: geometry.Matrix, image: bytes) -> Sample:
    """The sample of the crop: its image, and its coordinates under `matrix`."""

    def points(values: Sequence[float] | np.ndarray | None) -> list[float] | None:
        return None if values is None else geometry.apply(matrix, values).ravel().tolist()

    return replace(
        sample,
        image=image,
        place=None,
        box=None if face.box is None else geometry.move_box(matrix, face.box).tolist(),
        points5=points(face.points5),
        points68=points(sample.points68),
        roll=None if sample.roll is None else sample.roll + geometry.rotation(matrix),
    )


def sheet_of(dataset: Dataset) -> Image:
    """A contact sheet of faces spread evenly over the dataset."""
    rows = sorted({i * len(dataset) // SHEET for i in range(SHEET)}) if len(dataset) else []
    return sheet([dataset.rows(row, row + 1)[0] for row in rows])


def sheet(samples: Sequence[Sample], columns: int = 6) -> Image:
    """Crops side by side at a common size, with their landmarks: to see at a glance that they are right."""
    tiles = []
    for sample in samples:
        image = records.decode(sample.image)
        tile = cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_LINEAR)
        points = np.reshape([] if sample.points5 is None else sample.points5, (-1, 2))
        for x, y in np.rint((points + 0.5) * TILE / image.shape[0] - 0.5).astype(int).tolist():
            cv2.circle(tile, (x, y), 2, (0, 255, 0), -1)
        tiles.append(tile)
    blank = np.full((TILE, TILE, 3), 255, np.uint8)
    tiles += [blank] * (-len(tiles) % columns)
    lines = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.asarray(np.vstack(lines) if lines else blank, np.uint8)
