"""The landmark stage: faces with landmarks alone, measured on validation faces; it learns what is there."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import files, model, records
from stages import landmark
from tests.stages.fakes import FakeRun
from tests.stages.training import PARAMS, datasets


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def discs(folder, count, seed, known=lambda row: True):
    """A bright disc on the dark; all 68 points lie on its centre."""
    random = np.random.default_rng(seed)
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for row in range(count):
            x, y = (int(value) for value in random.integers(3, 13, 2))
            image = cv2.circle(np.full((16, 16, 3), 30, np.uint8), (x, y), 3, (220, 200, 180), -1)
            sample = records.Sample(str(row), records.encode(image, 101), box=[0, 0, 16, 16])
            sample.points68 = [x, y] * 68 if known(row) else None
            writer.add(sample)
        writer.close({})


def test_it_learns_to_find_a_disc():
    datasets()
    discs(Path("data/prepared/crop/home"), 60, 0, known=lambda row: row % 6 > 0)
    discs(Path("data/prepared/crop/validation"), 20, 1)
    params = PARAMS | {"landmark": PARAMS["landmark"] | {"epochs": 12}}
    params |= {"schedules": {"adam": PARAMS["schedules"]["adam"] | {"lr": 0.01}}}
    done = FakeRun(None, params)
    landmark.main(done)
    spec, net = model.load_landmark("data/models/landmark")
    assert (spec.kind, spec.backbone, spec.size, net.points) == ("landmark", "fan", 16, 68)
    assert done.told["faces"] == 50
    curves = done.told["curves"]
    assert curves[-1]["validation/nme"] < 0.5 * curves[0]["validation/nme"]
    assert curves[-1]["validation/nme"] < 0.1
    assert curves[-1]["validation/auc_7_percent"] > curves[0]["validation/auc_7_percent"]
    assert 0 <= curves[-1]["validation/failures_7_percent"] < 1
    json.dumps(done.told, allow_nan=False)


def test_no_landmarks_at_all_is_told():
    datasets()
    discs(Path("data/prepared/crop/home"), 6, 0, known=lambda row: False)
    with pytest.raises(ValueError, match=r"home: no face has 68 landmarks; data\.landmarked"):
        landmark.main(FakeRun(None, PARAMS))
    assert not Path("data/models").exists()


def test_without_validation_landmarks():
    datasets()
    discs(Path("data/prepared/crop/home"), 10, 0)
    discs(Path("data/prepared/crop/validation"), 6, 0, known=lambda row: False)
    done = FakeRun(None, PARAMS)
    landmark.main(done)
    assert "validation/nme" not in done.told["last"]
