"""Boxes and landmarks from a file beside the data.

    .json            {"Name_0001.jpg": [x, y, width, height, score, 10 numbers of 5 landmarks], ...};
                     a list of such lists is an image with several faces
    .csv, .parquet   columns path, x, y, width, height, score, x1, y1 ... x5, y5

Landmarks are left eye, right eye, nose, left and right mouth corner, as the image shows them. A key is a
sample's path or the end of one (`b.jpg` or `a/b.jpg` for `data/a/b.jpg`); the longest that fits counts.
Score may be absent from a table.

Errors: `DetectorError` names the file, and the key or column; a key that fits two samples is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipeline import files
from pipeline.detectors import Detection, DetectorError, Points
from pipeline.records import Image, Sample
from pipeline.strict import Inside, Strict

NUMBERS = 15  # box 4, score 1, landmarks 10
COLUMNS = ["x", "y", "width", "height", "score", *(f"{axis}{i}" for i in range(1, 6) for axis in "xy")]


class Params(Strict):
    """Which file."""

    path: Inside | None = None  # in the dataset's folder; a dataset's `detections` overrides it


def read(path: Path) -> dict[str, Points]:
    """Key -> (faces, 15) numbers; an entry of another shape is an error that names it."""
    if not path.is_file():
        raise DetectorError(f"detections: {path} does not exist")
    if path.suffix == ".json":
        try:
            entries = files.read_json(path)
        except ValueError as error:
            raise DetectorError(f"{path} is not JSON: {error}") from error
        if not isinstance(entries, dict):
            raise DetectorError(f"{path} should hold an object of names")
    elif path.suffix in (".csv", ".parquet"):
        entries = _table(path)
    else:
        raise DetectorError(f"{path} should be a .json, .csv or .parquet")
    return {key: _numbers(value, key, path) for key, value in entries.items()}


def _table(path: Path) -> dict[str, Sequence[float]]:
    import pandas as pd

    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"path": str})
    if "score" not in frame.columns:
        frame["score"] = 1.0
    missing = [name for name in ["path", *COLUMNS] if name not in frame.columns]
    if missing:
        raise DetectorError(f"{path} has no column {', '.join(missing)}")
    if frame["path"].duplicated().any():
        raise DetectorError(f"{path} holds {frame['path'][frame['path'].duplicated()].iloc[0]!r} twice")
    return dict(zip(frame["path"], frame[COLUMNS].to_numpy().tolist(), strict=True))


def _numbers(value: Sequence[float], key: str, path: Path) -> Points:
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    faces = np.atleast_2d(numbers)
    if faces.ndim != 2 or faces.shape[1] != NUMBERS or not np.isfinite(faces).all():
        raise DetectorError(f"{path}: {key!r} should have {NUMBERS} finite numbers (a face)")
    return faces


def endings(sample_id: str) -> Iterator[str]:
    """The path, then ever shorter ends of it: a/b/c.jpg, b/c.jpg, c.jpg."""
    parts = sample_id.split("/")
    return ("/".join(parts[i:]) for i in range(len(parts)))


class FileDetector:
    """Looks samples up by path."""

    shared = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: Mapping[str, Points] = read(path)
        self.absent = f"{path.name} has no entry for it"

    def _key(self, sample_id: str) -> str | None:
        return next((key for key in endings(sample_id) if key in self.entries), None)

    def check(self, sample_ids: Sequence[str]) -> None:
        """A short key such as `1.jpg` may fit many samples: their landmarks would be one another's."""
        first: dict[str, str] = {}
        for sample_id in sample_ids:
            key = self._key(sample_id)
            if key is not None and first.setdefault(key, sample_id) != sample_id:
                both = f"{first[key]} and {sample_id}"
                raise DetectorError(f"{self.path}: {key!r} fits both {both}: keys should be longer paths")

    def detect(self, sample: Sample, image: Image) -> list[Detection]:
        key = self._key(sample.sample_id)
        faces = np.empty((0, NUMBERS)) if key is None else self.entries[key]
        return [Detection(face[:4], face[5:].reshape(5, 2), float(face[4])) for face in faces]


def build(params: Params, raw: Path) -> FileDetector:
    if params.path is None:
        raise DetectorError("the `file` detector needs `detections: <path>` in its dataset's entry")
    return FileDetector(raw / params.path)
