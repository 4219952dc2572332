"""The command line."""

import logging
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import experiment, plugin
from pipeline.__main__ import app, parse
from pipeline.listing import comparison_table, difference, family_table, result_table, seed_table, type_name
from pipeline.params.schema import Dataset

ROOT = Path(__file__).parent.parent


@pytest.fixture
def call(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def test_check_says_that_the_file_is_in_order(call, caplog):
    caplog.set_level(logging.INFO)
    done = call("check")
    assert done.exit_code == 0, done.output
    assert "params.yaml, runtime.yaml and experiments/*.yaml are in order" in caplog.text


def test_check_shows_every_problem_and_fails(call):
    done = call("check", "--set", "size=dmeo", "--set", "train.teacher.seed=-1")
    assert done.exit_code == 1
    assert "did you mean 'demo'" in done.output
    assert "train.teacher.seed" in done.output


def test_check_of_a_change_that_has_no_place(call):
    told = call("check", "--set", "trian.x.y=1").output
    assert "no key 'trian' to change" in told
    assert "did you mean 'train'?" in told
    assert call("check", "--set", "size").exit_code == 2


def test_changes_are_yaml():
    assert parse(["a.b=1e-3", "c=[x, 1]", "d={}"]) == {"a.b": 1e-3, "c": ["x", 1], "d": {}}


@pytest.mark.parametrize("family", ["heads", "losses", "sources"])
def test_list_shows_every_plugin_and_every_param(call, family):
    done = call("list", family)
    assert done.exit_code == 0
    for name in plugin.names(family):
        assert name in done.output
        for param in plugin.load(family, name).Params.model_fields:
            assert param in done.output


@pytest.mark.parametrize("columns", [80, 200, None])
@pytest.mark.parametrize("family", ["sources", "detectors", "protocols"])
def test_list_cuts_no_name_and_no_sentence(call, monkeypatch, family, columns):
    monkeypatch.delenv("COLUMNS")
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    output = call("list", family).output
    assert "…" not in output
    for name in plugin.names(family):
        assert name in output
        assert set(plugin.load(family, name).Params.model_fields) <= set(re.findall(r"\w+", output))


def test_list_on_a_narrow_screen_loses_no_letter(call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    output = call("list", "sources").output
    first = "".join(line.split("│")[1].strip() for line in output.splitlines() if line.startswith("│"))
    assert "verification_bin" in first
    assert "…" not in output


def test_list_of_sources_tells_what_every_entry_may_say(call):
    output = call("list", "sources").output
    assert "an entry of `datasets` may say" in output
    assert set(Dataset.model_fields) <= set(re.findall(r"\w+", output))


def test_list_of_an_unknown_family_offers_the_nearest(call):
    done = call("list", "haeds")
    assert done.exit_code == 2
    assert "did you mean 'heads'" in done.output


def test_every_family_can_be_listed():
    for family in plugin.FAMILIES:
        assert family_table(family).row_count >= len(plugin.names(family)) > 0


def test_types_are_shown_as_one_writes_them():
    from typing import Annotated, Literal

    assert type_name(float) == "float"
    assert type_name(list[int]) == "list[int]"
    assert type_name(tuple[float, ...]) == "tuple[float, ...]"
    assert type_name(float | Literal["adaptive"]) == "float | adaptive"
    assert type_name(Annotated[int, "positive"] | None) == "int | none"


def test_results_of_unequal_rows_make_one_table():
    table = result_table(
        "t", [{"row": "a", "accuracy": 0.51239, "curve": [1]}, {"row": "b", "note": "published"}]
    )
    assert [column.header for column in table.columns] == ["row", "accuracy", "note"]
    assert list(table.columns[1].cells) == ["0.5124", ""]
    (cell,) = result_table("t", [{"accuracy": 97.5, "ends": {"accuracy": (96.04, 98.5)}}]).columns[0].cells
    assert cell.replace("\\", "") == "97.5 [96.0, 98.5]"


def test_runs_over_seeds_are_told_with_their_spread():
    row = {"row": "a, b", "model": "alone", "runs": 3, "front": {"mean": 91.234, "std": 1.5, "runs": 3}}
    few = {**row, "front": {"mean": 91.0, "std": 1.0, "runs": 2}}
    table = seed_table("t", [row, few])
    assert [column.header for column in table.columns] == ["row", "model", "runs", "front"]
    assert list(table.columns[3].cells) == ["91.23 ± 1.50", "91.00 ± 1.00 of 2"]


def test_differences_are_points_and_starred_where_zero_is_outside():
    same = {"benchmark": "lfw", "pairs": 6000, "people": 5749, "first": "alone", "p": 0.1, "left_out": 0}
    rows = [
        {**same, "second": "kd", "protocol": "lfw", "difference": 0.0123, "low": 0.001, "high": 0.02},
        {**same, "second": "fm", "protocol": "lfw", "difference": -0.01, "low": -0.03, "high": 0.01},
    ]
    few = {**same, "second": "kd", "protocol": "tiny", "difference": 0.5, "low": None, "high": None}
    rows += [few, {**few, "second": "fm"}]
    table = comparison_table("t", rows)
    assert [column.header for column in table.columns][4:] == ["kd - alone", "fm - alone"]
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[:4] == ["lfw", "lfw", "6000", "5749"]
    assert [cell.replace("\\", "") for cell in cells[4:]] == ["+1.2 [0.1, 2.0] *", "-1.0 [-3.0, 1.0]"]
    assert [list(column.cells)[1].replace("\\", "") for column in table.columns[4:]] == [
        "+50.0 [too few people]"
    ] * 2
    assert difference({**rows[0], "low": None, "difference": None}) == "too few impostors"


@pytest.mark.parametrize(
    "command", [each.name or each.callback.__name__ for each in app.registered_commands if each.epilog]
)
def test_help_gives_an_example_that_names_what_there_is(call, command):
    words = call(command, "--help").output.split("For example: python -m pipeline ")[1].split()
    assert words[0] == command
    about = experiment.load(words[1])
    known = {"run": about.rows, "compare": about.common["after"]["evaluate"]}.get(command, ())
    assert set(words[2:]) <= set(known)


def test_an_unknown_experiment_is_told(call):
    for command in ("run", "table"):
        assert call(command, "no_such").exit_code == 2


def test_a_table_before_any_run_says_how_to_make_one(call, caplog, tmp_path, monkeypatch):
    caplog.set_level(logging.INFO)
    call("--help")
    monkeypatch.chdir(tmp_path)
    Path("experiments").mkdir()
    Path("experiments/e.yaml").write_text("title: t\nrows: {r: {}}\npublished: {r: {front: 99.5}}\n")
    done = CliRunner().invoke(app, ["table", "e"])
    assert done.exit_code == 0
    assert "99.5" in done.output, "what is published is shown all the same"
    assert "e has no runs yet; to make them: python -m pipeline run e" in caplog.text


FACES = {  # options -> what the one line says
    "--grid 2by3": "--grid 2by3 should be PEOPLExPHOTOGRAPHS, each 1 or more, e.g. 4x6",
    "--grid 0x3": "--grid 0x3 should be PEOPLExPHOTOGRAPHS",
    "--grid 200x200": "--grid 200x200 are 40,000 faces; a sheet holds 10,000 at most",
    "--size 8": "--size 8 should be a whole number from 32 to 512",
    "--out sheet.gif": "--out sheet.gif should end in .png, .jpg or .jpeg",
    "--factor yw": "--factor yw: there is no such factor; one of: yaw, ",
    "--world hoome": "--world hoome: params.yaml has no such preset (did you mean 'home'?)",
    "--dataset synthetic_trian": "params.yaml has no such dataset (did you mean 'synthetic_train'?)",
    "--dataset none": "--dataset none is not ingested yet: dvc repro -s ingest@none",
    "--dataset none --seed 0 --world home": "--world, --seed are of no use with --dataset",
    "--dataset none --factor age": "--factor is of no use with --dataset",
}


@pytest.mark.parametrize("options", FACES)
def test_bad_options_of_faces_are_one_line_each(call, caplog, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = CliRunner().invoke(app, ["faces", *options.split()])
    assert done.exit_code == 2
    (line,) = [record.getMessage() for record in caplog.records if record.name == "pipeline"]
    assert FACES[options] in line
    assert "\n" not in line
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_a_world_that_is_wrong_in_params_is_told_by_faces_in_one_line(caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("worlds: {home: {blurr: 1, image_size: 8}}\n")
    assert CliRunner().invoke(app, ["faces"]).exit_code == 2
    told = caplog.records[-1].getMessage()
    assert "worlds.home.blurr: unknown key - did you mean 'blur'?" in told
    assert "a whole number from 32 to 512" in told
