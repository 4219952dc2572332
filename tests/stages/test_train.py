"""The train stage: who is trained on, what is written, the same bytes again, clusters, init, bad input."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import model
from pipeline.clusters import load_classifier
from stages import train
from tests.stages.fakes import FakeRun
from tests.stages.training import PARAMS, datasets

PERSON = [f"p002/{image}" for image in range(5)]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(entry=None, **params):
    given = PARAMS | params
    given = given | {"train": {"m": given["train"]["alone"] | (entry or {})}}
    made = FakeRun("m", given)
    train.main(made)
    return made


def test_excluded_people_are_not_trained_on_and_all_is_written():
    datasets(excluded=[*PERSON, "p004/1"])
    done = run()
    trained = model.load("data/models/m")
    assert trained.classes == ["p000", "p001", "p003", "p004", "p005"]
    assert (trained.spec.size, trained.spec.classes, trained.spec.trained_on) == (16, 5, ["home"])
    assert (done.told["faces"], done.told["identities"], done.told["epochs"]) == (24, 5, 3)
    curves = done.told["curves"]
    assert [entry["epoch"] for entry in curves] == [0, 1, 2]
    assert done.told["last"] == curves[-1]
    (line,) = done.said
    assert line.startswith(f"3 epochs, recognition {curves[-1]['recognition']:.4g}, loss ")
    assert 0.0 <= curves[-1]["validation/accuracy"] <= 1.0
    assert curves[-1]["recognition"] < curves[0]["recognition"]
    assert done.steps == 3 * 3
    json.dumps(done.told, allow_nan=False)


def test_the_same_run_gives_the_same_bytes():
    datasets()
    first = run()
    bytes_of = {path.name: path.read_bytes() for path in Path("data/models/m").iterdir()}
    shutil.rmtree(".ckpt")
    second = run()
    assert {path.name: path.read_bytes() for path in Path("data/models/m").iterdir()} == bytes_of
    assert second.told == first.told


def test_without_a_validation_set():
    datasets()
    done = run(data=PARAMS["data"] | {"validation": "none"})
    assert not any(name.startswith("validation") for name in done.told["last"])


def test_a_clustering_loss_is_trained_and_kept():
    datasets()
    done = run({"conv": "dynamic", "cluster": "kmeans"})
    routing = model.load("data/models/m").recogniser.routing_size
    assert load_classifier("data/models/m")(np.random.rand(4, routing).astype(np.float32)).shape == (4,)
    assert "cluster" in done.told["curves"][-1]
    assert "cluster" not in done.told["curves"][0]


def test_training_starts_from_another_models_weights(caplog):
    datasets()
    run()
    shutil.move("data/models/m", "data/models/first")
    shutil.rmtree(".ckpt")
    path = Path("data/models/first/spec.json")
    spec = json.loads(path.read_text()) | {"auditable": False, "trained_on": ["elsewhere"]}
    path.write_text(json.dumps(spec))
    still = {"still": PARAMS["schedules"]["sgd"] | {"lr": 1e-300}}  # nothing in float32
    run({"init": "data/models/first", "schedule": "still", "epochs": 1}, schedules=still)
    first, again = model.load("data/models/first"), model.load("data/models/m")
    assert (again.spec.trained_on, again.spec.auditable) == (["elsewhere", "home"], False)
    for (name, a), b in zip(first.recogniser.named_parameters(), again.recogniser.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(first.head.weight, again.head.weight)


def test_init_of_other_people_or_of_another_net(caplog):
    datasets(excluded=PERSON)
    run()
    shutil.move("data/models/m", "data/models/first")
    shutil.rmtree(".ckpt")
    datasets_again = PARAMS["data"] | {"labelled": "validation", "validation": "none"}
    run({"init": "data/models/first", "epochs": 1}, data=datasets_again)
    assert "no classifier of the same identities" in caplog.text
    shutil.rmtree(".ckpt")
    with pytest.raises(ValueError, match="data/models/first is another architecture"):
        run({"init": "data/models/first", "conv": "dynamic"})


def test_an_init_that_does_not_say_what_it_is_is_refused():
    datasets()
    Path("data/models/first").mkdir(parents=True)
    with pytest.raises(model.ModelError, match=r"first is no model: .*spec\.json does not exist"):
        run({"init": "data/models/first"})


def test_one_identity_left_is_told():
    datasets(excluded=[f"p{person:03d}/{image}" for person in range(5) for image in range(5)])
    with pytest.raises(ValueError, match="home: 1 identities left after 25 faces were excluded"):
        run()
    assert not Path("data/models").exists()
