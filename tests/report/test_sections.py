"""Training, clusters and costs as the page tells them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import files
from pipeline.report import sections
from pipeline.report.gather import Results


def test_trainings(data: Path, params: dict[str, Any]) -> None:
    found = sections.trainings(Results(data, params))
    assert [model.name for model in found.models] == ["scout", "landmark", "teacher", "alone", "student"]
    facts = {model.name: model.facts for model in found.models}
    assert facts["student"]["faces"] == "40 + 30"
    assert facts["student"]["cosine"] == 0.9
    assert facts["landmark"]["nme"] == 0.08
    assert len(found.validation) == 1  # one epoch of landmarks is no curve
    assert found.columns[:3] == ["faces", "identities", "epochs"]
    losses = {model.name: model.loss or "" for model in found.models}
    assert losses["landmark"] == ""
    assert "labelled fm" in losses["student"]
    assert "recognition" not in losses["alone"]  # the only term is the loss itself


def test_terms_may_come_and_go() -> None:
    curves = [{"epoch": 0.0, "a": 1.0}, {"epoch": 1.0, "a": 1.0, "b": 2.0}, {"epoch": 2.0, "b": 3.0}]
    assert sections.points_of(curves, "b") == ([2.0, 3.0], [2.0, 3.0])
    assert sections.points_of(curves, "c") is None
    assert sections.loss_chart("m", []) is None


def test_clusters(data: Path, params: dict[str, Any]) -> None:
    (found,) = sections.clusters(Results(data, params))
    assert found.model == "teacher"
    rows = {(view, rule): numbers for view, rule, numbers in found.rows}
    assert rows["routing vectors", "the trained classifier"]["ami"] == (0.31, None)
    assert rows["pooled features", "k-means, cosine"]["ami"] == (0.22, 0.02)
    assert found.facts == {"dataset": "wild", "shown": "classifier"}
    assert found.columns == ["purity", "ami", "ami_yaw"]


def test_costs(data: Path, params: dict[str, Any], tmp_path: Path) -> None:
    found = sections.costs(Results(data, params))
    assert found is not None
    assert found.seconds == pytest.approx(12.5 * len(found.rows))
    assert found.peak == 321.0
    assert found.machine == "cores 2"
    assert sections.costs(Results(tmp_path, params)) is None
    files.write_json(tmp_path / "runs/a.json", {"seconds": 1.0})
    files.write_json(tmp_path / "runs/b/c.json", {"seconds": 3.0})
    files.write_json(tmp_path / "runs/d.json", {"odd": 1})
    few = sections.costs(Results(tmp_path, params))
    assert few is not None
    assert few.rows == [("b@c", 3.0, None), ("a", 1.0, None)]
    assert few.peak is None


def test_flat() -> None:
    nested = {"a_b": {"c": 1, "d": [1]}, "e": None, "f": "x"}
    assert sections.flat(nested) == {"a b c": 1, "e": None, "f": "x"}
