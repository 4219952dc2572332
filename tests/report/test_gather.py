"""What is read from `data/`, and which models belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.report.gather import Model, Results, comparisons

NET = {"backbone": "ir", "shape": "student", "conv": "plain"}


def test_roles_leave_out_none(data: Path, params: dict[str, Any]) -> None:
    found = Results(data, params)
    assert found.roles == {"home": ["labelled", "landmarked"], "wild": ["unlabelled", "clustered"]}
    assert found.benchmarks == ["bench"]
    assert Results(data, {}).roles == {}
    assert Results(data, {"data": {"benchmarks": ["none"]}}).benchmarks == []


def test_files_by_stage_and_item(data: Path, params: dict[str, Any]) -> None:
    found = Results(data, params)
    assert found.metrics("scout")["held_out"] == 2
    assert found.metrics("train", "alone")["epochs"] == 3
    assert found.metrics("train", "nobody") == {}
    assert dict(found.runs())["evaluate@student"]["seconds"] == 12.5


def test_story_says_what_made_a_model(params: dict[str, Any]) -> None:
    stories = {model.name: model.story for model in Results(Path(), params).models}
    assert stories["expert"].startswith("foreign model (ms1m)")
    assert stories["teacher"].endswith("kmeans clustering loss")
    assert "clustering" not in stories["alone"]
    assert stories["student"].startswith("distilled from teacher: srrl")


def test_comparisons() -> None:
    teacher = Model("t", "train", {**NET, "shape": "teacher"})
    alone, other = Model("a", "train", NET), Model("o", "train", {**NET, "conv": "dynamic"})
    student = Model("s", "distill", {**NET, "teacher": "t"})
    found = [(first.name, second.name) for first, second, _ in comparisons([teacher, alone, other, student])]
    assert found == [("a", "s"), ("t", "s")]
    assert comparisons([teacher, alone]) == []
    equal = Model("t", "train", NET)  # a teacher of the student's own shape is no baseline
    assert [first.name for first, _, _ in comparisons([equal, student])] == ["t"]
