"""Experiments: changes replace whole values, rows get workspaces, mistakes are named."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import experiment, files, guard


def test_apply_replaces_a_map_whole_and_leaves_the_original():
    params = {"train": {"teacher": {"seed": 1}, "alone": {"seed": 2}}, "size": "demo"}
    changed = experiment.apply(params, {"train": {"other": {"seed": 3}}, "size": "smoke"})
    assert changed == {"train": {"other": {"seed": 3}}, "size": "smoke"}
    assert params["train"]["alone"] == {"seed": 2}


def test_apply_changes_one_leaf():
    changed = experiment.apply({"a": {"b": {"c": 1, "d": 2}}}, {"a.b.c": 5})
    assert changed == {"a": {"b": {"c": 5, "d": 2}}}


def test_a_wrong_key_is_named_with_the_nearest_one():
    with pytest.raises(experiment.ExperimentError, match=r"distil\.student.*'distill'"):
        experiment.apply({"distill": {"student": {}}}, {"distil.student.loss": "kd"})


@pytest.mark.parametrize("name", experiment.names())
def test_every_experiment_file_fits_the_params(name):
    params = yaml.safe_load(Path("params.yaml").read_text())
    loaded = experiment.load(name)
    assert loaded.rows
    for row in loaded.rows.values():
        experiment.apply(params, {**loaded.common, **row})


def test_an_unknown_experiment_offers_the_nearest_one():
    with pytest.raises(experiment.ExperimentError, match="did you mean 'lfw_a'"):
        experiment.load("lfw_b")


def test_a_workspace_holds_the_project_and_the_changed_params(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    (tmp_path / "params.yaml").write_text("size: demo\n")
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "a.py").write_text("A = 1\n")
    (tmp_path / "raw.tar").write_text("x")
    row = experiment.Experiment(title="t", raw={"faces/raw.tar": "raw.tar"}, rows={"r": {"size": "smoke"}})
    folder = experiment.workspace("e", "r", row)
    assert yaml.safe_load((folder / "params.yaml").read_text()) == {"size": "smoke"}
    assert (folder / "data/raw/faces/raw.tar").resolve() == tmp_path / "raw.tar"
    assert files.read_json(folder / ".code.json") == {}  # nothing has been committed
    (tmp_path / "pipeline" / "a.py").rename(tmp_path / "pipeline" / "b.py")
    folder = experiment.workspace("e", "r", row)
    assert sorted(path.name for path in (folder / "pipeline").iterdir()) == ["b.py"]


def test_models_are_compared_on_the_pairs_of_all_rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "e.yaml").write_text("title: t\nrows: {r: {}, s: {}}\n")
    for row in ("r", "s"):
        for model, correct in (("poor", [True, False] * 20), ("good", [True] * 40)):
            people = [f"p{i // 2}" for i in range(40)]
            frame = pd.DataFrame(
                {"benchmark": "b", "protocol": "front", "fold": 0, "same": [True, False] * 20}
            )
            frame["a"], frame["b"] = [f"a{i}" for i in range(40)], [f"b{i}" for i in range(40)]
            frame["person_a"], frame["person_b"] = people, [*people[::2], *people[::2]]
            frame["correct"] = correct
            frame["score"] = [0.1 * (i % 3) + (model == "good" and i % 2 == 0) for i in range(40)]
            path = tmp_path / ".experiments/e" / row / "data/prepared/evaluate" / model / "scores.parquet"
            path.parent.mkdir(parents=True)
            frame.to_parquet(path)
    (found,) = experiment.compare("e", "poor", ["good"])
    assert found["difference"] == 0.5
    assert found["pairs"] == 80
    assert found["people"] == 40
    with pytest.raises(experiment.ExperimentError, match=r"none/scores\.parquet does not exist"):
        experiment.compare("e", "poor", ["none"])
    (found,) = experiment.compare("e", "poor", ["good"], ["s"])
    assert (found["pairs"], found["people"]) == (40, 20)
    accuracy, tar, untold = experiment.compare("e", "poor", ["good"], ["s"], fars=[0.1, 0.01])
    assert accuracy == found
    assert (tar["protocol"], untold["protocol"]) == ("front, TAR at FAR 0.1", "front, TAR at FAR 0.01")
    assert tar["difference"] > 0.5
    assert (untold["difference"], untold["low"]) == (None, None)
    with pytest.raises(experiment.ExperimentError, match="compared within one row, say which"):
        experiment.compare("e", "poor", ["good"], fars=[0.1])
    with pytest.raises(experiment.ExperimentError, match=r"e has no row 'rr'.*'r'"):
        experiment.compare("e", "poor", ["good"], ["rr"])


def test_two_lists_of_a_benchmark_have_a_mean(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "load", lambda name: experiment.Experiment(title="t", rows={"r": {}}))
    people = [f"p{i // 2}" for i in range(40)]
    frame = pd.DataFrame({"benchmark": "b", "fold": 0, "same": [True, False] * 20, "correct": True})
    frame["a"] = frame["b"] = frame["person_a"] = frame["person_b"] = people
    table = pd.concat([frame.assign(protocol=name) for name in ("front", "wild")])
    monkeypatch.setattr(experiment, "_scores", lambda name, model, rows: table)
    found = experiment.compare("e", "one", ["same"])
    assert [row["protocol"] for row in found] == ["front", "wild", "mean of 2 lists"]
    assert [row["second"] for row in found] == ["same"] * 3


def test_models_that_nobody_can_audit_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(experiment, "load", lambda name: experiment.Experiment(title="t", rows={"r": {}}))
    for model, auditable in (("ours", True), ("foreign", False)):
        files.write_json(f".experiments/e/r/data/metrics/evaluate/{model}.json", {"auditable": auditable})
    assert experiment.not_auditable("e", ["ours", "foreign"]) == ["foreign"]


def test_a_row_runs_once_at_a_time_and_rows_share_their_code(tmp_path, monkeypatch):
    """All workspaces are made before the first row runs; another process's row is refused."""
    monkeypatch.chdir(tmp_path)
    rows = experiment.Experiment(title="t", rows={"r": {}, "s": {}})
    done = []
    monkeypatch.setattr(experiment, "load", lambda name: rows)
    monkeypatch.setattr(experiment, "ready", lambda *given: None)
    monkeypatch.setattr(experiment, "workspace", lambda name, row, rows: done.append(row) or row)
    monkeypatch.setattr(experiment, "_dvc_repro", lambda folder, targets, env: done.append(f"run {folder}"))
    experiment.run("e")
    assert done == ["r", "s", "run r", "run s"]
    with guard.only_copy(tmp_path / ".experiments/e/s/.ckpt/locks/experiment.lock", "it", 0):
        with pytest.raises(experiment.ExperimentError, match="experiment e/s is busy"):
            experiment.run("e", ["s"])
        experiment.run("e", ["r"])


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_raw_data_that_is_no_link_stays(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.tar").write_text("x")
    place = tmp_path / "work" / "data" / "raw" / "faces"
    kept = place / "mine.jpg" if kind == "folder" else place
    kept.parent.mkdir(parents=True)
    kept.write_text("precious")
    with pytest.raises(experiment.ExperimentError, match=r"raw\.faces: work/data/raw/faces .*no link"):
        experiment._link_raw(Path("work"), {"faces": "raw.tar"})
    assert kept.read_text() == "precious"


def test_links_to_raw_data_are_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "work" / "data" / "raw" / "faces"
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "gone")
    (tmp_path / "raw.tar").write_text("x")
    experiment._link_raw(Path("work"), {"faces": "raw.tar"})
    assert place.resolve() == tmp_path / "raw.tar"


def test_missing_raw_data_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    (tmp_path / "params.yaml").write_text("size: demo\n")
    row = experiment.Experiment(title="t", raw={"faces": "nowhere"}, rows={"r": {}})
    with pytest.raises(experiment.ExperimentError, match=r"raw\.faces: nowhere does not exist"):
        experiment.workspace("e", "r", row)


def measured(folder, model, front):
    accuracy = {"mean": front, "low": front - 0.01, "high": front + 0.01}
    told = {"cost": {"parameters": 7}, "pairs": {"benchmarks": {"b": {"wild": {"accuracy": {"mean": 0.5}}}}}}
    told["pairs"]["benchmarks"]["b"]["front"] = {"accuracy": accuracy}
    files.write_json(folder / f"data/metrics/evaluate/{model}.json", told)


def test_rows_and_models_that_differ_by_seeds_alone_are_told_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = {"s1": {"world_seed": 1}, "s2": {"world_seed": 2}, "other": {"world_seed": 3, "size": "smoke"}}
    loaded = experiment.Experiment(title="t", rows=rows, published={"s1": {"front": 99.0}})
    monkeypatch.setattr(experiment, "load", lambda name: loaded)
    nets = {"alone": {"lr": 1, "seed": 1}, "again": {"lr": 1, "seed": 2}, "wide": {"lr": 2, "seed": 1}}
    for row, front in (("s1", 0.9), ("s2", 0.92), ("other", 0.5)):
        folder = experiment.WORKSPACES / "e" / row
        for model, gain in (("alone", 0.0), ("again", 0.01), ("wide", 0.05)):
            measured(folder, model, front + gain)
        values = {"train": nets, "after": {"evaluate": ["wide", "alone", "again"]}}
        (folder / "params.yaml").write_text(yaml.safe_dump(values))
    table = experiment.table("e")
    assert [row["model"] for row in table[:4]] == ["wide", "alone", "again", "published"]
    assert list(table[0])[2] == "front"  # the published number's column comes first
    assert table[0]["ends"]["front"] == (94.0, 96.0)
    wide, first, second, both, last = experiment.over_seeds(table)
    assert (wide["row"], wide["model"], wide["over"], wide["runs"]) == ("s1, s2", "wide", "worlds", 2)
    assert wide["front"] == pytest.approx({"mean": 96.0, "std": 2**0.5, "runs": 2})
    assert (first["row"], first["model"], first["over"], first["runs"]) == ("s1", "alone, again", "seeds", 2)
    assert first["front"] == pytest.approx({"mean": 90.5, "std": 0.5**0.5, "runs": 2})
    assert (second["row"], second["over"], second["runs"]) == ("s2", "seeds", 2)
    assert (both["row"], both["over"], both["runs"]) == ("s1, s2", "worlds and seeds", 4)
    assert (last["row"], last["over"], last["runs"]) == ("other", "seeds", 2)
    assert wide["parameters"] == 7


def test_without_seeds_there_is_no_second_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = {"a": {"size": "smoke"}, "b": {"size": "demo"}}
    monkeypatch.setattr(experiment, "load", lambda name: experiment.Experiment(title="t", rows=rows))
    for row in rows:
        measured(experiment.WORKSPACES / "e" / row, "alone", 0.9)
    assert experiment.over_seeds(experiment.table("e")) == []
