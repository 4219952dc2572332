"""The scout: trained on everybody but those held out, excluded or not; the choice depends on the seed."""

import pytest

from pipeline import files, model
from stages import scout
from tests.stages.fakes import FakeRun
from tests.stages.training import PARAMS, datasets


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_everybody_but_the_held_out():
    datasets(excluded=["p000/0", "p001/0"])
    done = FakeRun(None, PARAMS)
    scout.main(done)
    held = files.read_json("data/models/scout/holdout.json")
    trained = model.load("data/models/scout")
    assert held["dataset"] == "home"
    assert len(held["identities"]) == 2
    assert sorted([*held["identities"], *trained.classes]) == [f"p{person:03d}" for person in range(6)]
    assert (done.told["faces"], done.told["identities"], done.told["held_out"]) == (20, 4, 2)
    assert len(done.told["curves"]) == 2


def test_the_choice_is_the_seeds(tmp_path):
    datasets()
    folder = "data/prepared/crop/home"
    chosen = {seed: tuple(scout.holdout(folder, 0.5, seed)) for seed in range(6)}
    assert all(len(people) == 3 for people in chosen.values())
    assert len(set(chosen.values())) > 1
    assert scout.holdout(folder, 0.5, 2) == list(chosen[2])
    assert scout.holdout(folder, 0.0, 2) == []
    with pytest.raises(ValueError, match=r"holdout is 1\.0"):
        scout.holdout(folder, 1.0, 0)
