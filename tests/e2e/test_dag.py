"""The whole DAG on a tiny world: it runs, runs again for nothing, and re-runs what an edit touches."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parent.parent.parent
COPIED = ("pipeline", "stages", "data/raw", "data/models/none", "params.yaml", "dvc.yaml", "runtime.yaml")


def shell(folder, *command, check=True):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {key: value for key, value in os.environ.items() if key not in ("LIKENESS_TRACKING", "DVC_ROOT")}
    env |= {"PATH": path, "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t"}
    env |= {"GIT_COMMITTER_EMAIL": "t@t"}
    done = subprocess.run(command, cwd=folder, env=env, text=True, capture_output=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(command)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return done.stdout + done.stderr


def ran(output):
    return re.findall(r"Running stage '([^']+)'", output)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project, size smoke, after its first `dvc repro`."""
    folder = tmp_path_factory.mktemp("project")
    tracked = [
        name for name in (*COPIED, ".dvc/config", ".dvcignore", ".gitignore") if (ROOT / name).exists()
    ]
    kept = [path for path in (ROOT / "data").rglob(".gitkeep") if ".venv" not in path.parts]
    for name in [*tracked, *(str(path.relative_to(ROOT)) for path in kept)]:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy2(ROOT / name, target)
    edit(folder / "params.yaml", "size: demo", "size: smoke")
    shell(folder, "git", "init", "-q")
    shell(folder, "git", "add", "-A")
    shell(folder, "git", "commit", "-qm", "smoke")
    shell(folder, "python", "-m", "pipeline", "check")
    output = shell(folder, "dvc", "repro")
    return folder, output


def test_every_stage_ran_once_and_the_report_stands(project):
    folder, output = project
    stages = ran(output)
    assert len(stages) == len(set(stages))
    for name in ("scout", "overlap", "landmark", "train@teacher", "train@alone", "targets@teacher"):
        assert name in stages
    assert stages[-1] == "report"
    page = (folder / "data/report/index.html").read_text()
    assert all(model in page for model in ("teacher", "student", "alone"))


def test_metrics_are_numbers_of_every_protocol(project):
    folder, _ = project
    metrics = json.loads((folder / "data/metrics/evaluate/student.json").read_text())
    pairs = metrics["pairs"]["benchmarks"]["synthetic_test"]
    assert {"front", "front_profile", "young_old", "blurred", "wild"} <= set(pairs)
    assert all(numbers["genuine"] == numbers["impostors"] > 0 for numbers in pairs.values())
    assert all(numbers["missing_pairs"] == 0 for numbers in pairs.values())
    found = {name: metrics[name]["benchmarks"]["synthetic_test"] for name in ("templates", "searches")}
    assert set(found["templates"]["verification"]) == {"templates", "templates_same_group"}
    assert set(found["templates"]["identification"]["templates"]["galleries"]) == {"gallery_1", "gallery_2"}
    assert set(found["searches"]["lists"]) == {"distractors", "surveillance"}
    assert all(numbers["left_out"]["missing_images"] == 0 for numbers in found.values())
    splits = metrics["blufr"]["benchmarks"]["synthetic_test"]["lists"]["splits"]
    assert (splits["splits"], splits["missing_rows"]) == (10, 0)
    page = (folder / "data/report/index.html").read_text()
    assert "<h3>Templates</h3>" in page
    assert "<h3>Searches</h3>" in page


def test_an_export_lies_beside_its_card_and_is_the_model(project):
    folder, _ = project
    out = folder / "data/prepared/export/student"
    assert {path.name for path in out.iterdir()} == {"model.onnx", "card.json", "card.html"}
    card = json.loads((out / "card.json").read_text())
    assert card["export"]["difference"] < 1e-6
    assert card["training"]["teacher"] == "teacher"
    assert all(row["faces"] > 0 for row in card["training"]["datasets"])
    assert card["cohorts"]
    assert "student</b> is exported" in (folder / "data/report/index.html").read_text()


def test_every_dataset_has_a_card(project):
    folder, _ = project
    found = {path.parent: path for path in (folder / "data").glob("*/card/*/card.html")}
    assert sorted(place.name for place in found) == [
        f"synthetic_{part}" for part in ("test", "train", "validation", "wild")
    ]
    for place, page in found.items():
        card = json.loads((place / "card.json").read_text())
        assert card["counts"]["faces"] == card["counts"]["read"] > 0
        assert sum(card["resolution"]["square"]) == card["counts"]["faces"]
        assert card["cohorts"]["faces"] == card["counts"]["faces"], "truth knows everybody"
        assert card["overlap"]["searched"] == (card["dataset"] != "synthetic_test")
        assert card["terms"] in page.read_text()


def test_nothing_runs_twice(project):
    folder, _ = project
    output = shell(folder, "dvc", "repro")
    assert not ran(output)
    assert "up to date" in output


def test_every_stage_is_a_run_in_mlflow(project):
    folder, output = project
    shell(folder, "python", "-m", "pipeline", "sync")
    script = (
        "import mlflow; c = mlflow.MlflowClient('sqlite:///mlflow.db');"
        "ids = [e.experiment_id for e in c.search_experiments()];"
        "runs = c.search_runs(ids, max_results=500);"
        "print('\\n'.join(sorted(r.info.run_name + ' ' + r.info.status for r in runs)))"
    )
    listed = [
        line for line in shell(folder, "python", "-c", script).splitlines() if line.endswith("FINISHED")
    ]
    assert len(listed) == len(ran(output))


def test_an_unused_head_re_runs_nothing(project):
    folder, _ = project
    (folder / "pipeline/heads/unused.py").write_text('"""Unused."""\n')
    assert json.loads(shell(folder, "dvc", "status", "--json").splitlines()[-1]) == {}
    (folder / "pipeline/heads/unused.py").unlink()


def test_an_edit_of_the_used_head_touches_the_models_that_use_it(project):
    folder, _ = project
    head = folder / "pipeline/heads/cosface.py"
    text = head.read_text()
    head.write_text(text + "\n\nUNUSED = 1\n")
    touched = set(json.loads(shell(folder, "dvc", "status", "--json").splitlines()[-1]))
    head.write_text(text)
    assert touched == {"scout", "train@teacher", "train@alone", "distill@student"}


def test_push_and_pull_give_a_tree_where_nothing_needs_to_run(project, tmp_path):
    folder, _ = project
    shell(folder, "dvc", "remote", "add", "-f", "-d", "store", str(tmp_path / "store"))
    shell(folder, "git", "add", "-A")
    shell(folder, "git", "commit", "-qm", "results")
    shell(folder, "dvc", "push")
    shell(tmp_path, "git", "clone", "-q", str(folder), "clone")
    clone = tmp_path / "clone"
    shell(clone, "dvc", "pull")
    assert not ran(shell(clone, "dvc", "repro"))


def test_another_loss_re_runs_the_student_its_evaluation_and_the_report(project):
    folder, _ = project
    params = yaml.safe_load((folder / "params.yaml").read_text())
    assert params["distill"]["student"]["loss"] != "kd"
    edit(folder / "params.yaml", f"loss: {params['distill']['student']['loss']}", "loss: kd")
    assert ran(shell(folder, "dvc", "repro")) == [
        "distill@student",
        "evaluate@student",
        "export@student",
        "report",
    ]


def test_a_typo_is_named_before_anything_runs(project):
    folder, _ = project
    edit(folder / "params.yaml", "loss: kd", "los: kd")
    output = shell(folder, "python", "-m", "pipeline", "check", check=False)
    edit(folder / "params.yaml", "los: kd", "loss: kd")
    assert "distill.student.los" in output
    assert "loss" in output
