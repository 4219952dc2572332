"""A teacher whose images don't fit the faces stops the stage, and nothing is left behind."""

from pathlib import Path

import pytest

from pipeline import model
from stages import targets
from tests.stages.fakes import FakeRun
from tests.stages.test_distill import PARAMS
from tests.train.tiny import write_faces


def test_other_image_size_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("home", "wild"):
        write_faces(Path("data/prepared/crop") / name)
    spec = model.ModelSpec(name="teacher", shape={"depth": [1], "width": [4, 4], "dim": 3}, size=24)
    model.save("data/models/teacher", spec, model.build(spec))
    with pytest.raises(ValueError, match="24x24 faces, got 16x16"):
        targets.main(FakeRun("teacher", PARAMS))
    assert not list(Path("data/prepared/targets").iterdir())
