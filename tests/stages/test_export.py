"""The export stage: the file, its card, what is refused; and our own stages take the file in again."""

from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from pipeline import export, files, model
from pipeline.backbones import foreign as of_file
from pipeline.loader import Faces
from stages import evaluate, foreign
from stages import export as exporting
from tests.report.test_page import Structure
from tests.stages.fakes import FakeRun
from tests.stages.measuring import DATA, contents, write_model, write_people

NAMES = ("teacher", "teacher_onnx")  # the torch model, and its file as a foreign one
OUT = Path("data/prepared/export/teacher")
CATALOGUE = {name: {"source": "synthetic"} for name in ("home", "wild", "val", "test")}
PROTOCOLS = {"pairs": {"folds": 5, "fars": [0.1], "bootstrap": 50}, "cost": {"batches": [1], "repeats": 1}}
COUNTS = {
    "faces": 40, "people": 6, "removed_faces": 8, "removed_people": 2, "expected_false_removals": 0.01,
}  # fmt: skip


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run over an evaluated model of two datasets."""
    monkeypatch.chdir(tmp_path)
    write_people("data/prepared/crop/val", range(6))
    about = Path("data/prepared/crop/val/dataset.json")
    files.write_json(about, {**files.read_json(about), "method": "aligned", "margin": 0.0})
    write_people("data/benchmarks/crop/test", range(20))
    write_model(trained_on=["home", "wild"], teacher="big", epochs=7, mean=120.0, std=60.0)
    files.write_json("data/metrics/overlap.json", {"removed": {"home": COUNTS}})
    measured()
    return FakeRun("teacher", {"data": DATA, "datasets": CATALOGUE})


def measured(name="teacher"):
    """Evaluates a model, and writes its metrics as the stage does."""
    done = FakeRun(name, {"data": DATA, "protocols": PROTOCOLS})
    evaluate.main(done)
    files.write_json(f"data/metrics/evaluate/{name}.json", done.told)


def test_what_comes_out(run):
    exporting.main(run)
    assert {path.name for path in OUT.iterdir()} == {"model.onnx", "card.json", "card.html"}
    data = (OUT / "model.onnx").read_bytes()
    assert (run.told["bytes"], run.told["faces"], run.told["dataset"]) == (len(data), 24, "val")
    assert run.told["sha256"] == export.digest(OUT / "model.onnx")
    assert run.told["weights"] == {"weights.pt": export.digest(Path("data/models/teacher/weights.pt"))}
    assert set(run.told["batches"]) == {"1", "64"}
    assert 0 <= run.told["difference"] < 1e-6
    assert run.told["flops"] > 0
    assert run.figures == {"export/teacher.html": (OUT / "card.html").read_bytes()}
    assert run.artifacts == {"teacher.onnx": data}


def test_the_card_tells_what_must_be_known(run):
    exporting.main(run)
    card = files.read_json(OUT / "card.json")
    assert card["input"]["shape"] == ["batch", 3, 16, 16]
    assert len(card["input"]["crop"]["landmarks"]) == 5
    assert card["output"]["shape"] == ["batch", 16]
    assert card["model"]["conv"] == "dynamic"
    assert card["model"]["parameters"] > 0
    known, unknown = card["training"]["datasets"]
    assert (known["faces"], known["people"], known["removed_people"]) == (32, 4, 2)
    assert {value for value in unknown.values() if value is not None} == {"wild", "synthetic"}
    assert (card["training"]["teacher"], card["training"]["auditable"]) == ("big", True)
    accuracy = next(row for row in card["results"] if row["measure"] == "accuracy")
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert "not fit for use on people" in card["limits"][0]
    assert card["export"] == run.told


def test_the_page_opens_from_disk_and_says_the_same(run):
    exporting.main(run)
    html = (OUT / "card.html").read_text()
    found = Structure(html)
    assert not found.resources
    assert not found.references
    for told in (
        "not fit for use on people",
        run.told["sha256"],
        "(batch, 3, 16, 16)",
        "the model big",
        "(5.47, 7.39)",
    ):
        assert told in html


def test_twice_gives_the_same_bytes(run):
    exporting.main(run)
    first, told = contents(OUT), run.told
    exporting.main(run)
    assert run.told == told
    assert {path.name for path, data in contents(OUT).items() if data != first[path]} == set()


def test_the_lines_of_the_card_take_it_in_and_every_pair_scores_the_same(run):
    exporting.main(run)
    params = yaml.safe_load(files.read_json(OUT / "card.json")["take_in"])
    entry = params["foreign"]["teacher_onnx"]
    assert set(params["backbones"]["foreign"]) == {entry["preset"]}
    Path(entry["weights"]).parent.mkdir(parents=True)
    Path(entry["weights"]).write_bytes((OUT / "model.onnx").read_bytes())
    foreign.main(FakeRun("teacher_onnx", params))
    ours, theirs = (model.load(f"data/models/{name}") for name in NAMES)
    assert not theirs.spec.auditable
    assert theirs.spec.shape == export.backbone_params(16, 16).model_dump(mode="json")
    faces = Faces("data/benchmarks/crop/test").images(torch.arange(80).numpy())
    units = [export.unit(each.recogniser, faces) for each in (ours, theirs)]
    torch.testing.assert_close(units[0], units[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(units[0] @ units[0].T, units[1] @ units[1].T, atol=1e-6, rtol=0)
    measured()
    measured("teacher_onnx")
    first, again = (pd.read_parquet(f"data/prepared/evaluate/{name}/scores.parquet") for name in NAMES)
    assert (again["score"] - first["score"]).abs().max() < 1e-6
    assert (again["correct"] == first["correct"]).all()


def test_without_validation_faces_a_benchmark_serves(run):
    run.params["data"] = {**DATA, "validation": "none"}
    exporting.main(run)
    assert (run.told["dataset"], run.told["faces"]) == ("test", 80)


def test_no_face_at_all_is_told(run):
    run.params["data"] = {**DATA, "validation": "none", "benchmarks": []}
    with pytest.raises(export.ExportError, match="validation is none and benchmarks are empty"):
        exporting.main(run)


def test_an_export_that_is_another_model_leaves_nothing(run, monkeypatch):
    write_model("data/models/other")
    other = export.to_onnx(model.load("data/models/other").recogniser)  # of another normalisation
    monkeypatch.setattr(export, "to_onnx", lambda *_: other)
    with pytest.raises(export.ExportError, match="the export of model 'teacher' is another model"):
        exporting.main(run)
    assert not OUT.exists()
    assert not run.told


def test_a_foreign_model_is_refused(run):
    exporting.main(run)
    params = {"image_size": 16, "mean": [0.0] * 3, "std": [1.0] * 3, "divide": 1.0, "dim": 16}
    spec = model.ModelSpec(name="teacher", kind="foreign", backbone="foreign", shape=params, size=16)
    assert of_file.Params(**params) == export.backbone_params(16, 16)
    model.save_foreign("data/models/teacher", spec, OUT / "model.onnx")
    with pytest.raises(export.ExportError, match="'teacher' is foreign: take the file"):
        exporting.main(run)


@pytest.mark.parametrize(
    ("changes", "sources", "first"),
    [
        ({"auditable": False}, {"home": "folder", "wild": "folder", "test": "pairs"}, "comparing two faces"),
        ({}, {"home": "folder", "wild": "synthetic", "test": "pairs"}, "Some of the faces"),
    ],
)
def test_limits_are_those_of_its_faces(run, changes, sources, first):
    write_model(trained_on=["home", "wild"], **changes)
    measured()
    run.params["datasets"] = {name: {"source": source} for name, source in sources.items()}
    exporting.main(run)
    card = files.read_json(OUT / "card.json")
    assert first in card["limits"][0]
    assert card["training"]["auditable"] == changes.get("auditable", True)
    assert ("overlap not auditable" in (OUT / "card.html").read_text()) == bool(changes)
