"""Experiments: changes replace whole values, rows get workspaces, mistakes are named."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipeline import experiment


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
    with pytest.raises(experiment.ExperimentError, match=r"e has no row 'rr'.*'r'"):
        experiment.compare("e", "poor", ["good"], ["rr"])


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
