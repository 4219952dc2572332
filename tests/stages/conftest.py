import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import geometry
from tests.stages.fakes import FakeRun, here

PARAMS = {
    "limits": {"set_aside": 0.5},
    "crops": {
        "aligned": {"method": "aligned", "image_size": 64, "quality": 95},
        "tight": {"method": "unaligned", "image_size": 48, "margin": 0.0, "quality": 101},
    },
    "detectors": {"source": {}, "file": {}, "yunet": {"weights": "data/models/none", "score": 0.6}},
    "annotators": {"truth": {}, "pose": {}},
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run("faces", source="folder", ...) -> a run over dataset `faces`, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    fingerprints = itertools.count()

    def make(item="faces", *, benchmark=False, workers=1, limit=0.5, **entry):
        params = PARAMS | {"datasets": {item: {"source": "folder"} | entry}, "limits": {"set_aside": limit}}
        kept = Path(f".ckpt/stage/{next(fingerprints)}")
        return FakeRun(item, params, benchmark, here(workers), kept)

    return make


@pytest.fixture
def jpeg():
    """jpeg(seed) -> bytes of a small picture, another for every seed."""

    def make(seed=0):
        picture = np.random.default_rng(seed).integers(0, 256, (90, 80, 3), np.uint8)
        return cv2.imencode(".jpg", cv2.GaussianBlur(picture, (0, 0), 2))[1].tobytes()

    return make


@pytest.fixture
def landmarks():
    """landmarks(seed) -> 5 points (x, y) of a face in such a picture."""

    def make(seed=0):
        points = geometry.template(60) + np.random.default_rng(seed).normal(0, 1, (5, 2)) + [10, 12]
        return np.round(points, 2).ravel().tolist()

    return make


@pytest.fixture
def raw(run):
    """raw({"Al/1.jpg": bytes}, "faces") lays files below data/raw/faces."""

    def make(entries, item="faces"):
        for path, data in entries.items():
            place = Path("data/raw") / item / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    return make
