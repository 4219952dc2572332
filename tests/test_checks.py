"""`check` beyond params.yaml: what lies on the disk, runtime.yaml, and experiments with their rows."""

import logging
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipeline import declared, experiment, params
from pipeline.__main__ import app
from pipeline.params import targets

ROOT = Path(__file__).parent.parent
EXPERIMENT = "title: t\ncommon:\n  size: smoke\nrows:\n  r: {}\n"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project in the working directory; place(change) also changes its params.yaml."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    (tmp_path / "data/models").mkdir(parents=True)
    (tmp_path / "data/models/none").touch()
    (tmp_path / "data/overlap").mkdir()
    (tmp_path / "experiments").mkdir()
    yaml = YAML(typ="safe")
    values = yaml.load((ROOT / "params.yaml").read_text())
    for name in values["datasets"]:
        (tmp_path / "data/raw" / name).mkdir(parents=True)

    def make(change=lambda values: None):
        change(values)
        with open("params.yaml", "w") as file:
            yaml.dump(values, file)
        return tmp_path

    make()
    return make


def mine(values, **entry):
    """A folder of photographs as the unlabelled faces."""
    photographs = {"source": "folder", "box": "whole", "crop": "tight", "annotators": ["pose"]}
    values["datasets"]["mine"] = photographs | entry
    values["data"]["unlabelled"] = "mine"


def told(problems=None):
    found = params.check() if problems is None else problems
    return {problem.path: f"{problem.what} | {problem.hint}" for problem in found}


@pytest.mark.parametrize("kept", [[], [".gitkeep"]])
def test_an_empty_raw_folder_is_told(place, kept):
    place(mine)
    Path("data/raw/mine").mkdir()
    for name in kept:
        Path("data/raw/mine", name).touch()
    found = told()
    assert set(found) == {"datasets.mine"}
    assert "data/raw/mine is an empty folder | put your faces or a link" in found["datasets.mine"]


def test_a_raw_link_to_nothing_and_an_archive_of_nothing_are_told(place):
    place(mine)
    Path("data/raw/mine").symlink_to("gone")
    assert "is a link to gone, which does not exist" in told()["datasets.mine"]
    Path("data/raw/mine").unlink()
    Path("data/raw/mine").touch()
    assert "data/raw/mine has 0 bytes" in told()["datasets.mine"]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (None, "boxes.json does not exist"),
        (b"", "boxes.json has 0 bytes"),
        (b'{"a.jpg": [1, 2', "boxes.json is not JSON"),
        (b'{"a.jpg": [1, 2]}', "'a.jpg' should have 15 finite numbers"),
    ],
)
def test_a_file_of_detections_that_can_t_be_used_is_told(place, data, what):
    place(lambda values: mine(values, detector="file", detections="boxes.json"))
    Path("data/raw/mine").mkdir()
    Path("data/raw/mine/a.jpg").write_bytes(b"x")
    if data is not None:
        Path("data/raw/mine/boxes.json").write_bytes(data)
    found = told()
    assert set(found) == {"datasets.mine.detections"}
    assert what in found["datasets.mine.detections"]
    assert "a .json, .csv or .parquet" in found["datasets.mine.detections"]


def test_weights_without_a_byte_are_told(place):
    def change(values):
        mine(values, detector="yunet")
        values["detectors"]["yunet"]["weights"] = "yunet.onnx"
        values["foreign"] = {"big": {"weights": "big.onnx", "preset": "ms1m"}}
        values["backbones"]["foreign"]["ms1m"]["image_size"] = values["crops"]["aligned"]["image_size"]

    place(change)
    Path("data/raw/mine").mkdir()
    Path("data/raw/mine/a.jpg").write_bytes(b"x")
    found = told()
    assert "does not exist" in found["detectors.yunet.weights"]
    assert "does not exist" in found["foreign.big.weights"]
    Path("yunet.onnx").touch()
    Path("big.onnx").touch()
    found = told()
    assert "yunet.onnx has 0 bytes | copy the detector's" in found["detectors.yunet.weights"]
    assert "big.onnx has 0 bytes | copy the foreign model's" in found["foreign.big.weights"]


def test_runtime_yaml_is_checked_with_lines(place):
    place()
    assert params.check_runtime() == []
    file = Path("runtime.yaml")
    file.write_text("# where\ndevise: cpu\nthreads: 0\nprecision: fp16\ncache_gb: much\ndeterministic: 1\n")
    assert told(params.check_runtime()) == {
        "runtime.yaml:2: devise": "unknown key | did you mean 'device'?",
        "runtime.yaml:3: threads": "Input should be greater than or equal to 1, got 0; or Input should be "
        "'auto', got 0 | a whole number of 1 or more, or auto",
        "runtime.yaml:4: precision": "Input should be 'fp32' or 'bf16', got 'fp16' | one of: fp32, bf16",
        "runtime.yaml:5: cache_gb": "Input should be a valid number, got 'much' | a number of 0 or more",
        "runtime.yaml:6: deterministic": "Input should be a valid boolean, got 1 | true or false",
    }
    file.write_text("# nothing chosen\n")
    assert params.check_runtime() == []
    shutil.copy(ROOT / "runtime.yaml", file)
    assert params.check_runtime() == []


CASES = {  # text of an experiment -> where, what, what would be right
    "an unknown top-level key": (
        EXPERIMENT + "target: [report]\n",
        "experiments/e.yaml:6: target",
        "unknown key | did you mean 'targets'?",
    ),
    "no rows": ("title: t\nrows: {}\n", "experiments/e.yaml:2: rows", "there are none | for one row"),
    "a row that is no map": (
        "title: t\nrows:\n  r:\n",
        "experiments/e.yaml:3: rows.r",
        "an object, got None | a map",
    ),
    "broken YAML": ("title: t\nrows: {r: {}\n", "experiments/e.yaml:3", "not YAML | look at brackets"),
    "a key twice": (
        "title: t\nrows: {r: {}}\ntitle: u\n",
        "experiments/e.yaml:3",
        "title is given twice, in lines 1 and 3",
    ),
    "a dotted key that leads nowhere": (
        EXPERIMENT.replace("size: smoke", "trian.alone.seed: 3"),
        "experiments/e.yaml:3: common.trian.alone.seed",
        "no key 'trian' in params.yaml | did you mean 'train'?",
    ),
    "a dotted key whose end is unknown": (
        EXPERIMENT.replace("r: {}", "r: {train.alone.sead: 3}"),
        "experiments/e.yaml:5: rows.r.train.alone.sead",
        "unknown key | did you mean 'seed'?",
    ),
    "a value that makes params invalid": (
        EXPERIMENT.replace("r: {}", "r: {}\n  s:\n    train.alone.margin: wild"),
        "experiments/e.yaml:7: rows.s.train.alone.margin",
        "no heads.cosface preset 'wild' | did you mean 'mild'?",
    ),
    "what the change of a whole breaks": (
        EXPERIMENT.replace("size: smoke", "after: {targets: [], cluster: [], evaluate: [alone], export: []}"),
        "experiments/e.yaml:5: rows.r",
        "distill.student.targets: the outputs of teacher 'teacher' are not computed",
    ),
    "published numbers of no row": (
        EXPERIMENT + "published:\n  rr: {front: 99.0}\n",
        "experiments/e.yaml:7: published.rr",
        "no such row | did you mean 'r'?",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_in_an_experiment_is_told_once_with_its_line(place, case):
    text, where, what = CASES[case]
    place()
    Path("experiments/e.yaml").write_text(text)
    (found,) = params.check_experiments()
    assert found.path == where
    for part in what.split(" | "):
        assert part in f"{found.what} | {found.hint}"


def test_a_mistake_of_all_rows_is_told_once_and_one_of_params_yaml_not_at_all(place):
    place(lambda values: values["scout"].update(seed=-1))
    rows = "  a: {world_seed: 1}\n  b: {world_seed: 2}\n"
    Path("experiments/e.yaml").write_text(f"title: t\ncommon:\n  size: smok\nrows:\n{rows}")
    assert told(params.check_experiments()) == {
        "experiments/e.yaml:3: common.size": "no size 'smok' | did you mean 'smoke'?"
    }


def test_targets_are_stages_of_the_row(place):
    place()
    shutil.copy(ROOT / "dvc.yaml", ".")
    rows = "rows:\n  a: {}\n  b: {after.evaluate: [student]}\n"
    Path("experiments/e.yaml").write_text(
        "title: t\ntargets: [evaluate@aloen, train@alone, report]\nrows: {a: {}}\n"
    )
    (found,) = params.check_experiments()
    assert found.path == "experiments/e.yaml:2: targets"
    assert (found.what, found.hint) == ("no stage 'evaluate@aloen'", "did you mean 'evaluate@alone'?")
    Path("experiments/e.yaml").write_text(f"title: t\ntargets: [evaluate@alone]\n{rows}")
    (found,) = params.check_experiments()
    assert found.what == "no stage 'evaluate@alone'"  # of row b, which does not evaluate it
    for path in (ROOT / "experiments").glob("*.yaml"):
        shutil.copy(path, "experiments")
    Path("experiments/e.yaml").unlink()
    assert params.check_experiments() == []


def test_the_addresses_of_targets_are_those_that_dvc_resolves():
    values = declared.read_yaml(ROOT / "params.yaml")
    found = targets.addresses(declared.read_yaml(ROOT / "dvc.yaml")["stages"], values)
    assert {name for name in declared.addresses()} <= found


def test_annotators_that_are_no_list_are_told_once(place):
    place(lambda values: values["datasets"]["synthetic_train"].update(annotators="truth"))
    assert len(params.check()) == 1


def test_what_a_row_links_when_it_runs_may_be_missing_before(place):
    place()
    shutil.copy(ROOT / "experiments/lfw_a.yaml", "experiments")
    assert params.check_experiments() == []


def test_the_command_tells_everything_at_once(place, caplog):
    caplog.set_level(logging.INFO)
    place(lambda values: (mine(values), values.update(size="dmeo")))
    Path("runtime.yaml").write_text("threads: 0\n")
    Path("experiments/e.yaml").write_text(EXPERIMENT + "target: []\n")
    done = CliRunner().invoke(app, ["check"])
    assert done.exit_code == 1
    for part in ("size", "datasets.mine", "runtime.yaml:1: threads", "experiments/e.yaml:6: target"):
        assert part in done.output
    assert "3 problems in params.yaml and runtime.yaml\n" in caplog.text
    assert "1 problem in experiments/*.yaml: these experiments would not run" in caplog.text
    assert "target" not in CliRunner().invoke(app, ["check", "--no-experiments"]).output


def test_a_problem_of_an_experiment_is_told_apart(place, caplog):
    """Who edits params.yaml sees that this is in order."""
    caplog.set_level(logging.INFO)
    place()
    Path("experiments/e.yaml").write_text(EXPERIMENT + "target: []\n")
    assert CliRunner().invoke(app, ["check"]).exit_code == 1
    assert "params.yaml is in order" in caplog.text


def test_a_run_tells_all_that_is_missing_before_any_row_starts(place, monkeypatch):
    place()
    monkeypatch.setattr(experiment, "workspace", lambda *given: pytest.fail("a row was started"))
    raw = "raw:\n  photos/a.tar: ../a.tar\n  photos/b.tar: ../b.tar\n"
    Path("experiments/e.yaml").write_text(
        f"title: t\n{raw}rows:\n  good: {{size: smoke}}\n  bad: {{size: smok}}\n"
    )
    with pytest.raises(experiment.ExperimentError) as error:
        experiment.run("e")
    assert str(error.value).splitlines() == [
        "experiments/e.yaml:3: raw.photos/a.tar: ../a.tar does not exist - "
        "a path relative to the project's folder",
        "experiments/e.yaml:4: raw.photos/b.tar: ../b.tar does not exist - "
        "a path relative to the project's folder",
        "experiments/e.yaml:7: rows.bad.size: no size 'smok' - did you mean 'smoke'?",
    ]
    with pytest.raises(experiment.ExperimentError) as error:
        experiment.run("e", ["good"])
    assert "rows.bad" not in str(error.value)


@pytest.mark.parametrize("text", ["title: [t\n", "title: t\nrows: 3\n", "title: t\nrows: {r: {}}\nraw: 5\n"])
def test_a_broken_experiment_is_an_error_of_ours(place, text):
    place()
    Path("experiments/e.yaml").write_text(text)
    with pytest.raises(experiment.ExperimentError, match=r"^experiments/e\.yaml:\d"):
        experiment.load("e")


def test_the_template_is_in_order_and_small(place):
    place()
    shutil.copy(ROOT / "experiments/mine.yaml", "experiments")
    assert params.check_experiments() == []
    assert experiment.load("mine").common["size"] == "smoke"
