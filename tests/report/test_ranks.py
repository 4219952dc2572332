"""Charts of searches, and differences of two models in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import files
from pipeline.report import ranks
from pipeline.report.gather import Results


def draws(value: float, shift: float, supported: bool = True) -> dict[str, Any]:
    told = {"benchmark": "bench", "protocol": "far_away", "measure": "rank 1", "value": value}
    sampled = [value + shift * (k - 50) / 50 for k in range(101)]
    return {**told, "supported": supported, "people": 9, "key": "k", "draws": sampled}


@pytest.fixture
def results(tmp_path: Path, params: dict[str, Any]) -> Results:
    for model, share in (("alone", 0.5), ("student", 0.7)):
        files.write_json(tmp_path / f"metrics/evaluate/{model}.json", {"auditable": True})
        folder = tmp_path / "prepared/evaluate" / model
        band = {"at": [1, 5], "share": [share, 0.9], "low": [share - 0.1, None], "high": [share + 0.1, None]}
        one = {**band, "at": [10]}
        ways = {"in_gallery": {"ijb_hard": band}, "among_distractors": {"far_away": band, "tiny": one}}
        files.write_json(folder / "searches_cmc.json", {"bench": ways})
        rows = [draws(share, share / 10), {**draws(share, 0.1, False), "measure": "rank 5"}]
        pd.DataFrame(rows).to_parquet(folder / "search_draws.parquet")
    return Results(tmp_path, params)


def test_a_chart_a_list_with_every_model(results: Results) -> None:
    found = dict(ranks.charts(results))
    assert list(found) == ["far away", "ijb hard"]  # one point alone is no line
    assert all("student" in svg and "alone" in svg for svg in found.values())
    assert "distractors (rank 1)" in found["far away"]


def test_differences_are_paired_and_only_those_that_are_supported(results: Results) -> None:
    (row,) = ranks.differences(results, "alone", "student")
    assert (row["title"], row["measure"]) == ("far away", "rank 1")
    assert row["difference"] == pytest.approx(0.2)
    assert 0.17 < row["low"] < 0.2 < row["high"] < 0.23
