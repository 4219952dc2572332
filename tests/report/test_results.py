"""Results side by side: order, numbers in percent, who is compared with whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline.evaluate import curves
from pipeline.report import results
from pipeline.report.gather import Results

EVALUATED = {"expert": 0.99, "teacher": 0.95, "alone": 0.8, "student": 0.9}  # as in conftest


def test_scores_by_list(data: Path, params: dict[str, Any]) -> None:
    table = results.by_list(results.scores(Results(data, params)))
    assert list(table) == ["bench front", "bench wild"]
    assert list(table["bench wild"]) == ["expert", "teacher", "alone", "student"]
    value, low, high = table["bench wild"]["teacher"].point
    assert (value, low, high) == pytest.approx((95, 93, 96))


def test_benchmarks_are_named_where_there_are_several(data: Path, params: dict[str, Any]) -> None:
    two = {**params, "data": {**params["data"], "benchmarks": ["other", "bench"]}}
    assert results.title_of(Results(data, two), "bench", "front_profile") == "bench: front profile"
    assert results.title_of(Results(data, params), "bench", "front_profile") == "front profile"


def test_rows_of_all_models(data: Path, params: dict[str, Any]) -> None:
    rows = {row.model.name: row for row in results.rows(Results(data, params))}
    assert list(rows) == ["expert", "teacher", "alone", "student"]
    assert rows["student"].share == pytest.approx(EVALUATED["student"] / EVALUATED["teacher"])
    assert rows["teacher"].share is None
    assert rows["student"].times[0]["ms"] == 3.2
    assert [name for name, row in rows.items() if not row.auditable] == ["expert"]
    assert rows["alone"].mean == pytest.approx(80)


def test_a_model_that_was_not_evaluated(data: Path, params: dict[str, Any]) -> None:
    more = {**params, "train": {**params["train"], "new": {"backbone": "ir"}}}
    row = next(row for row in results.rows(Results(data, more)) if row.model.name == "new")
    assert (row.mean, row.cost, row.times) == (None, {}, [])


def test_differences_are_of_student_and_the_same_net_alone(
    data: Path, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = results.differences(Results(data, params))
    assert [row["measure"] for row in few[0].rows] == ["accuracy"] * 3  # few impostors: no rate is told
    monkeypatch.setattr(curves, "FLAGGED", 1)
    found = results.differences(Results(data, params))
    assert [(c.first, c.second) for c in found] == [("alone", "student"), ("teacher", "student")]
    mean = found[0].rows.pop(0)
    assert (mean["title"], mean["measure"]) == ("mean of 2 lists", "accuracy")
    measured = [(row["title"], row["measure"]) for row in found[0].rows]
    assert measured == [
        (title, what)
        for title in ("bench front", "bench wild")
        for what in ("accuracy", "TAR at FAR 0.25")  # too few impostors for the other
    ]
    assert mean["difference"] == pytest.approx(sum(row["difference"] for row in found[0].rows[::2]) / 2)
    for row in found[0].rows[::2]:
        means = {}
        for model in ("alone", "student"):
            table = pd.read_parquet(data / f"prepared/evaluate/{model}/scores.parquet")
            mine = table[table["protocol"] == row["protocol"]]
            means[model] = sum(map(bool, mine["correct"])) / len(mine)
        assert row["difference"] == pytest.approx(means["student"] - means["alone"])
        assert row["point"][0] == pytest.approx(100 * row["difference"])
    for tar in found[0].rows[1::2]:
        share = {}
        for model in ("alone", "student"):
            table = pd.read_parquet(data / f"prepared/evaluate/{model}/scores.parquet")
            mine = table[table["protocol"] == tar["protocol"]]
            curve = curves.roc(mine["score"].to_numpy(), mine["same"].to_numpy(bool))
            share[model] = curves.tar_at_far(curve, 0.25)["tar"]
        assert tar["difference"] == pytest.approx(share["student"] - share["alone"])


def test_tar_lines(data: Path, params: dict[str, Any]) -> None:
    row = results.by_list(results.scores(Results(data, params)))["bench front"]
    lines = results.tars(row)
    assert [line["far"] for line in lines] == [0.01, 0.001]
    assert lines[0]["models"]["alone"]["tar"] == pytest.approx(0.7)
    assert lines[1]["models"]["alone"]["tar"] is None


def test_roc_of_each_list(data: Path, params: dict[str, Any]) -> None:
    charts = dict(results.roc_charts(Results(data, params)))
    assert list(charts) == ["bench front", "bench wild"]
    assert all(name in charts["bench front"] for name in EVALUATED)


def test_times_by_batch_size(data: Path, params: dict[str, Any]) -> None:
    rows = {row.model.name: row for row in results.rows(Results(data, params))}
    assert results.batches(list(rows.values())) == [1]
    assert rows["student"].time(1) == 3.2
    assert rows["student"].time(32) is None
    assert rows["student"].where == "2 threads, cpu"


def test_accuracy_over_speed_of_the_models_that_have_both(data: Path, params: dict[str, Any]) -> None:
    found = Results(data, params)
    svg = results.trade_chart(found, results.rows(found))
    assert svg is not None
    for row in results.rows(found):
        assert (f"{row.model.name}, " in svg or f"{row.model.name} (" in svg) == (row.mean is not None)
    assert "batches of 1, 2 threads, cpu" in svg
    assert results.trade_chart(found, results.rows(found)[:1]) is None
    assert results.trade_chart(found, []) is None
