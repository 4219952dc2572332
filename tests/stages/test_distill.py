"""From a teacher to its cached outputs to a student: the two stages on tiny faces."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline import files, model, records
from pipeline.evaluate.embed import embed
from pipeline.loader import Faces
from stages import distill, targets
from tests.stages.fakes import FakeRun
from tests.train.tiny import write_faces

ENTRY = {
    "teacher": "teacher",
    "backbone": "ir",
    "shape": "small",
    "conv": "plain",
    "head": "cosface",
    "margin": "mild",
    "augment": "flip",
    "schedule": "sgd",
    "epochs": "size",
    "loss": "srrl",
    "mixing": "default",
    "targets": "cached",
    "landmark": "data/models/none",
    "seed": 2,
}
PARAMS = {
    "data": {"labelled": "home", "unlabelled": "wild", "validation": "held"},
    "distill": {"student": ENTRY},
    "backbones": {"ir": {"small": {"depth": [1, 1], "width": [4, 4, 6], "dim": 6}}},
    "convs": {"plain": {}},
    "heads": {"cosface": {"mild": {"m": 0.1, "s": "adaptive"}}},
    "augment": {"flip": {}},
    "schedules": {"sgd": {"lr": 0.05, "batch": 8}},
    "losses": {"srrl": {"fm": {"weight": 1.0}, "sr": {"weight": 1.0}}},
    "mixings": {"default": {"mixed": 1.0, "batch_unlabelled": 4}},
    "sizes": {"smoke": {"epochs": {"distill": 2}}},
}


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Three datasets, a teacher, and one labelled and one unlabelled face that may not be trained on."""
    monkeypatch.chdir(tmp_path)
    for seed, (name, identities) in enumerate({"home": 6, "wild": 4, "held": 5}.items()):
        write_faces(Path("data/prepared/crop") / name, identities, seed=seed)
    excluded = [{"dataset": "home", "sample_id": "p001/2"}, {"dataset": "wild", "sample_id": "p000/0"}]
    records.write_parquet(Path("data/prepared/overlap/exclusions.parquet"), pa.Table.from_pylist(excluded))
    none = pa.Table.from_pylist(
        [], pa.schema([(key, pa.string()) for key in ("dataset", "identity", "into")])
    )
    records.write_parquet(Path("data/prepared/overlap/merged.parquet"), none)
    spec = model.ModelSpec(
        name="teacher",
        shape={"depth": [1, 1], "width": [4, 8, 8], "dim": 9},
        head="cosface",
        margin={"s": 8.0},
        classes=6,
        size=16,
        trained_on=["home"],
    )
    torch.manual_seed(0)
    names = [f"p{i:03d}" for i in range(6)]
    model.save("data/models/teacher", spec, model.build(spec), model.build_head(spec), names)


def cache(params=PARAMS):
    run = FakeRun("teacher", params)
    targets.main(run)
    return run


def test_targets_hold_every_row_and_its_mirror_image(world):
    run = cache()
    folder = Path("data/prepared/targets/teacher")
    about = files.read_json(folder / "targets.json")
    assert (about["teacher"], about["dim"]) == ("teacher", 9)
    teacher = model.load("data/models/teacher").recogniser
    for role, dataset, rows in (("labelled", "home", 30), ("unlabelled", "wild", 20)):
        faces = Faces(Path("data/prepared/crop") / dataset)
        found = np.load(folder / f"{role}.npy")
        assert found.dtype == np.float32
        assert found.shape == (rows, 2, 9)
        assert np.allclose(found, embed(teacher, faces, run.runtime), atol=1e-6)
        assert (about[role]["dataset"], about[role]["rows"]) == (dataset, rows)
        assert not np.allclose(found[:, 0], found[:, 1], atol=1e-3)


def test_distil_tells_what_it_did_and_repeats_itself(world):
    cache()
    weights = []
    for _ in range(2):
        run = FakeRun("student", PARAMS)
        distill.main(run)
        weights.append(Path("data/models/student/weights.pt").read_bytes())
        for path in run.checkpoints.glob("*"):
            path.unlink()
    assert weights[0] == weights[1]
    assert run.told["faces"] == {"home": 29, "wild": 19}
    assert (run.told["identities"], run.told["epochs"], len(run.told["curves"])) == (6, 2, 2)
    assert {"mixed", "labelled_sr", "unlabelled_fm", "recognition", "validation/accuracy"} <= set(
        run.told["last"]
    )
    assert set(run.told["teacher_student"]) == {"cosine", "l2", "kl"}
    student = model.load("data/models/student")
    assert student.spec.trained_on == ["home", "wild"]
    assert not (Path("data/models/student") / "clusters.pt").exists()


def test_no_labels_and_no_validation(world):
    data = {"labelled": "none", "unlabelled": "wild", "validation": "none"}
    write_faces(Path("data/prepared/crop/none"), 0)
    params = {**PARAMS, "data": data, "losses": {"srrl": {"fm": {"weight": 1.0}}}}
    cache(params)
    run = FakeRun("student", params)
    distill.main(run)
    assert set(run.told["last"]) == {"epoch", "rate", "loss", "unlabelled_fm"}
    assert "teacher_student" not in run.told
    assert model.load("data/models/student").head is None


def test_agreement_is_told_only_where_the_two_have_a_space_in_common(world):
    kd = {**PARAMS, "losses": {"srrl": {"kd": {"weight": 1.0}}}}
    cache(kd)
    run = FakeRun("student", kd)
    distill.main(run)
    assert set(run.told["teacher_student"]) == {"kl"}


def test_a_cache_of_other_faces_stops_the_stage(world):
    cache()
    write_faces(Path("data/prepared/crop/home"), 6, 6)
    with pytest.raises(ValueError, match="run the targets stage again"):
        distill.main(FakeRun("student", PARAMS))
    assert not Path("data/models/student").exists()
