"""The landmark net's table: a line a measure and a bin of yaw; nothing where it was not evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import files
from pipeline.report import landmarks, page
from pipeline.report.gather import Results


def number(value: float | None) -> dict[str, float | None]:
    return {
        "value": value,
        "low": None if value is None else value - 0.01,
        "high": None if value is None else value + 0.01,
    }


def numbers(nme: float, left_out: int = 0) -> dict[str, Any]:
    rates = {"auc_8_percent": number(0.4), "failures_8_percent": number(0.2)}
    bins = {"0..30": {"faces": 30, "people": 5}, "unknown": {"faces": 2, "people": 1}}
    by_yaw = {name: {**one, "nme": number(nme)} for name, one in bins.items()}
    return {"faces": 32, "people": 6, "nme": number(nme), **rates, "left_out": left_out, "by_yaw": by_yaw}


def evaluated(data: Path) -> None:
    told = {"points": 68, "faces": 32, "normalisers": {"outer": numbers(0.05), "box": numbers(0.03, 1)}}
    benchmarks = {"bench": told, "other": {"note": "no face of it has landmarks"}}
    settings = {"normalisers": ["outer", "pupils", "box"], "limits": [0.08], "interval": None}
    metrics = {"landmarks": {"settings": settings, "benchmarks": benchmarks}}
    files.write_json(data / "metrics/evaluate/landmark.json", metrics)


def test_lines_of_each_normaliser(tmp_path: Path, params: dict[str, Any]) -> None:
    evaluated(tmp_path)
    found = landmarks.measured(Results(tmp_path, params))
    (table,) = found.tables
    assert table.benchmark == "bench"
    by_eyes = "68 points, by the eyes' outer corners, all 32 faces"
    assert [line[:2] for line in table.lines[:5]] == [
        (by_eyes, "NME"),
        (by_eyes, "AUC up to 8 %"),
        (by_eyes, "failures above 8 %"),
        (by_eyes, "NME, yaw 0 to 30°"),
        (by_eyes, "NME, yaw unknown"),
    ]
    cell = table.lines[3][2]["landmark"]
    assert (cell.value, round(cell.low, 3), cell.remarks) == (0.05, 0.04, ("30 faces of 5 people",))
    assert table.lines[5][0] == "68 points, by the box, 32 faces"
    assert found.settings == {"limits": [0.08], "normalisers": ["outer", "pupils", "box"]}


def test_the_page_has_them_without_any_pairs(tmp_path: Path, params: dict[str, Any]) -> None:
    evaluated(tmp_path)
    html = page.build(tmp_path, params)
    assert "<h3>Landmarks</h3>" in html
    assert "all 32 faces" in html
    assert "30 faces of 5 people" in html


def test_nothing_where_it_was_not_evaluated(tmp_path: Path, params: dict[str, Any]) -> None:
    found = landmarks.measured(Results(tmp_path, params))
    assert (found.tables, found.pictures, found.settings) == ([], [], {})
    assert "Landmarks" not in page.build(tmp_path, params)
