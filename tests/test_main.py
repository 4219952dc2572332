"""The command line."""

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import experiment, plugin
from pipeline.__main__ import app, parse
from pipeline.listing import comparison_table, family_table, result_table, type_name

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
    assert "params.yaml is in order" in caplog.text


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


def test_differences_are_points_and_starred_where_zero_is_outside():
    same = {"benchmark": "lfw", "pairs": 6000, "people": 5749, "first": "alone", "p": 0.1, "left_out": 0}
    rows = [
        {**same, "second": "kd", "protocol": "lfw", "difference": 0.0123, "low": 0.001, "high": 0.02},
        {**same, "second": "fm", "protocol": "lfw", "difference": -0.01, "low": -0.03, "high": 0.01},
    ]
    table = comparison_table("t", rows)
    assert [column.header for column in table.columns][4:] == ["kd - alone", "fm - alone"]
    cells = [next(iter(column.cells)) for column in table.columns]
    assert cells[:4] == ["lfw", "lfw", "6000", "5749"]
    assert [cell.replace("\\", "") for cell in cells[4:]] == ["+1.2 [0.1, 2.0] *", "-1.0 [-3.0, 1.0]"]


@pytest.mark.parametrize("command", ["run", "table", "compare"])
def test_help_gives_an_example_that_names_what_there_is(call, command):
    words = call(command, "--help").output.split("For example: python -m pipeline ")[1].split()
    assert words[0] == command
    about = experiment.load(words[1])
    known = {"run": about.rows, "compare": about.common["after"]["evaluate"]}.get(command, ())
    assert set(words[2:]) <= set(known)


def test_an_unknown_experiment_is_told(call):
    for command in ("run", "table"):
        assert call(command, "no_such").exit_code == 2
