"""The evaluate stage on a small benchmark: what it writes, what it says of the model, and twice the same."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import files, model, plugin, records
from pipeline.evaluate import paired
from stages import evaluate
from tests.stages.fakes import FakeRun
from tests.stages.measuring import DATA, contents, write_model, write_people

PROTOCOLS = {"pairs": {"folds": 5, "fars": [0.1], "bootstrap": 50}, "cost": {"batches": [1, 2], "repeats": 2}}
OUT = Path("data/prepared/evaluate/teacher")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_people("data/benchmarks/crop/test", range(20))
    return FakeRun("teacher", {"data": DATA, "protocols": PROTOCOLS})


def test_what_comes_out(run):
    write_model(epochs=7)
    evaluate.main(run)
    scores = pd.read_parquet(OUT / "scores.parquet")
    assert len(scores) == 80
    assert set(paired.KEYS) < set(scores.columns)
    found = run.told["pairs"]["benchmarks"]["test"]["mixed"]
    assert found["accuracy"]["mean"] == pytest.approx(scores.groupby("fold")["correct"].mean().mean())
    assert found["accuracy"]["mean"] > 0.6
    assert set(files.read_json(OUT / "pairs_roc.json")["test"]["mixed"]) == {"far", "tar"}
    assert run.told["cost"]["parameters"] > 0
    assert (run.told["checkpoint"], run.told["epochs"], run.told["crop"]) == (
        "last epoch",
        7,
        {"test": "aligned"},
    )
    assert run.told["auditable"]
    assert run.said == [f"mixed {round(100 * found['accuracy']['mean'], 2)}"]
    assert "audit" not in run.told
    assert [row["batch"] for row in run.side["cost"]["milliseconds"]] == [1, 2]
    drawn = ("det.png", "hardest.jpg", "pairs_roc.png", "scores.png")
    assert list(run.figures) == [f"evaluate/{name}" for name in drawn]


def test_every_protocol_has_files_of_its_own(run):
    write_model()
    add_templates(Path("data/benchmarks/crop/test"))
    run.params["protocols"] = {**PROTOCOLS, "templates": {"bootstrap": 20}}
    run.params["protocols"]["searches"] = {"ranks": [1], "bootstrap": 20}
    run.params["protocols"]["blufr"] = {"fars": [0.05], "fpirs": [0.1], "bootstrap": 20}
    evaluate.main(run)
    written = {path.name for path in OUT.iterdir()}
    assert written == {
        "scores.parquet", "template_scores.parquet", "template_probes.parquet", "search_in_gallery.parquet",
        "det.png", "hardest.jpg", "scores.png",
        "pairs_roc.json", "pairs_roc.png", "templates_roc.json", "templates_roc.png",
        "split_rates.parquet", "blufr_roc.json", "blufr_roc.png",
        "template_draws.parquet", "search_draws.parquet", "split_draws.parquet",
        "templates_cmc.json", "templates_cmc.png", "searches_cmc.json", "searches_cmc.png",
    }  # fmt: skip
    assert run.told["templates"]["benchmarks"]["test"]["verification"]["ijb"]["genuine"] == 20
    assert run.told["searches"]["benchmarks"]["test"]["lists"]["camera"]["in_gallery"]["mated"] == 10
    found = run.told["blufr"]["benchmarks"]["test"]["lists"]["blufr"]
    assert (found["splits"], found["non_mated"]) == (3, [20, 20, 20])
    assert found["tar_at_far"][0]["mean_minus_std"] > 0
    first, told = contents(OUT), run.told
    evaluate.main(run)
    assert (contents(OUT), run.told) == (first, told)


def add_templates(folder):
    """Templates of two photographs of each person, pairs of them, their gallery and another one; splits."""
    who = [f"test{person:03d}" for person in range(20)]
    made = [(f"{one}/{k}", one, f"{one}/{k + j}", "m") for one in who for k in (0, 2) for j in (0, 1)]
    pairs = [("ijb", 0, f"{a}/0", f"{b}/2", a == b) for a in who for b in who]
    searches = [
        (name, role, f"{one}/{2 * (role != 'gallery')}")
        for name in ("ijb_gallery_1", "camera")
        for role, some in (("gallery", who[:10]), ("mated", who[:10]), ("unmated", who[10:]))
        for one in some
    ]
    splits = [
        ("blufr", split, "gallery" if one in who[:5] and not k else "probe", one, f"{one}/{k}")
        for split in range(3)
        for one in who[: 10 + split]
        for k in range(4)
        if one in who[:5] or one in who[5 + split : 10 + split]
    ]
    given = {"templates": made, "template_pairs": pairs, "searches": searches, "splits": splits}
    for name, rows in given.items():
        frame = pd.DataFrame(rows, columns=records.LISTS[name].names)
        frame.to_parquet(folder / f"{name}.parquet")


def test_times_do_not_reach_what_is_hashed(run):
    write_model()
    evaluate.main(run)
    first, told = contents(OUT), run.told
    evaluate.main(run)
    assert contents(OUT) == first
    assert run.told == told
    assert "milliseconds" not in str(told)


def test_a_model_that_nobody_can_audit_says_so(run):
    write_model(auditable=False)
    evaluate.main(run)
    assert run.told["audit"].startswith("overlap not auditable")


def test_faces_of_another_size_leave_nothing(run):
    write_model()
    spec = files.read_json("data/models/teacher/spec.json")
    files.write_json("data/models/teacher/spec.json", {**spec, "size": 32})
    with pytest.raises(ValueError):
        evaluate.main(run)
    assert not OUT.exists()


def test_an_unknown_protocol_offers_the_nearest(run):
    write_model()
    run.params["protocols"] = {"pair": {}}
    with pytest.raises(plugin.UnknownPluginError, match="did you mean 'pairs'"):
        evaluate.main(run)


def test_a_landmark_net_is_tested_on_landmarks_alone(run):
    folder = Path("data/benchmarks/crop/test")
    faces = records.Dataset(folder).whole(0, 80).to_pylist()
    shutil.rmtree(folder)
    folder.mkdir(parents=True)
    writer, rng = records.Writer(folder), np.random.default_rng(0)
    for face in faces:
        face |= {"box": [2, 2, 10, 12], "points68": rng.uniform(2, 13, 136).tolist()}
        writer.add(records.Sample(**face))
    writer.close({"crop": "aligned"})
    spec = model.ModelSpec(name="landmark", kind="landmark", backbone="fan", size=16,
                           shape={"stacks": 1, "width": 4, "depth": 1})  # fmt: skip
    model.save("data/models/landmark", spec, model.build_landmark(spec))
    run = FakeRun("landmark", {"data": DATA, "protocols": {**PROTOCOLS, "landmarks": {"bootstrap": 20}}})
    evaluate.main(run)
    out = Path("data/prepared/evaluate/landmark")
    assert {path.name for path in out.iterdir()} == {"ced.png", "landmark_errors.parquet"}
    assert not {"pairs", "cost"} & set(run.told)
    found = run.told["landmarks"]["benchmarks"]["test"]
    assert (found["faces"], found["people"], found["points"]) == (80, 20, 68)
    table = pd.read_parquet(out / "landmark_errors.parquet")
    for name in ("outer", "pupils", "box"):
        nme = found["normalisers"][name]["nme"]
        assert nme["value"] == pytest.approx(table[name].mean())
        assert nme["low"] < nme["value"] < nme["high"]
    assert run.said == [f"test_nme_box {round(100 * table['box'].mean(), 2)}"]
    assert list(run.figures) == ["evaluate/ced.png"]


def test_recognisers_have_no_part_in_the_protocol_of_landmarks(run):
    write_model()
    run.params["protocols"] = {"cost": PROTOCOLS["cost"], "landmarks": {}}
    evaluate.main(run)
    assert "landmarks" not in run.told
