"""Cohorts in the report: the lines, what is said of the worst one, maps of false matches, the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import files
from pipeline.report import errors, fairness, page
from pipeline.report.gather import Results

PARAMS = {
    "data": {"benchmarks": ["bench"]},
    "train": {"alone": {"backbone": "ir", "shape": "s", "conv": "plain", "head": "cosface", "margin": "m"}},
    "after": {"evaluate": ["alone"]},
}


def row(fmr: float, fnmr: float | None, supported: bool = True) -> dict[str, Any]:
    ends = {"fmr_low": fmr / 2, "fmr_high": fmr * 2, "fnmr_low": fnmr, "fnmr_high": fnmr}
    rates = {"fmr": fmr, "fnmr": fnmr, "fmr_supported": supported, "fnmr_supported": supported}
    return {"impostors": 100, "genuine": 0 if fnmr is None else 9, **rates, **ends}


def numbers() -> dict[str, Any]:
    races = {
        "0": row(0.04, 0.1),
        "1": row(0.01, None),
        "4": row(0.02, 0.3, supported=False),
        "all": row(0.01, 0.2),
    }
    apart = {"worst": "0", "best": "1", "ratio": 4.0, "apart": True, "supported": True}
    attributes = {"race": {"cohorts": races, "fmr": apart, "fnmr": None}}
    return {
        "far": 0.01,
        "threshold": 0.5,
        "pairs": 9,
        "attributes": attributes,
        "yaw_apart": {"0..30": row(0.1, 0.2)},
        "age_gap": {"0..5": row(0.1, 0.3), "10..20": row(0.1, 0.4), "5..10": row(0.1, None)},  # as in JSON
    }


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = {"bench": numbers(), "other": {"note": "no list of pairs"}}
    metrics = {"fairness": {"settings": {"far": 0.01}, "benchmarks": found}}
    files.write_json(tmp_path / "metrics/evaluate/alone.json", metrics)
    folder = tmp_path / "prepared/evaluate/alone"
    folder.mkdir(parents=True)
    pairs = [
        (0, 0, 0.04, 1000),
        (0, 1, 0.03, 9),
        (0, 4, None, 0),
        (1, 1, 0.01, 9),
        (1, 4, 0.0, 9),
        (4, 4, 0.02, 9),
    ]
    frame = pd.DataFrame(pairs, columns=["first", "second", "fmr", "impostors"])
    two = pd.DataFrame([(0, 0, 0.1, 9), (0, 1, 0.1, 9), (1, 1, 0.1, 9)], columns=frame.columns)
    both = pd.concat([frame.assign(attribute="race"), two.assign(attribute="gender")])
    both.assign(benchmark="bench").to_parquet(folder / "cross_matches.parquet")
    return Results(tmp_path, PARAMS)


def test_lines_of_cohorts(results: Results) -> None:
    (table,) = fairness.tables(results)
    races = ("Black", "E/SE Asian", "Middle E./White")
    assert [(title, measure) for title, measure, _ in table.lines] == [
        *(("everybody", rate) for rate in ("FMR", "FNMR")),
        *(("race", f"{rate}, {who}") for rate in ("FMR", "FNMR") for who in races),
        *(("yaw apart", f"{rate}, 0-30°") for rate in ("FMR", "FNMR")),
        *(
            ("age gap", f"{rate}, {gap} years")
            for rate in ("FMR", "FNMR")
            for gap in ("0-5", "5-10", "10-20")
        ),
    ]
    cells = {measure: row["alone"] for _, measure, row in table.lines}
    worst = cells["FMR, Black"]
    assert (worst.value, worst.low, worst.high) == (0.04, 0.02, 0.08)
    assert worst.remarks == ["worst, 4.0 times the best"]
    assert cells["FMR, Middle E./White"].remarks == ["few errors"]
    assert cells["FNMR, E/SE Asian"].value is None


@pytest.mark.parametrize(
    ("ratio", "supported", "remark"),
    [
        (4.0, False, ["worst, by too few errors to say how much"]),
        (None, False, ["worst, by too few errors to say how much"]),
        (1.04, True, []),
    ],
)
def test_the_worst_cohort_is_named_as_far_as_errors_tell(
    ratio: float | None, supported: bool, remark: list[str]
) -> None:
    told = numbers()
    told["attributes"]["race"]["fmr"] |= {"ratio": ratio, "supported": supported}
    cells = {measure: cell for (_, measure), cell in fairness.cells(told)}
    assert cells["FMR, Black"].remarks == remark


@pytest.mark.parametrize(
    ("apart", "noise"), [(True, ""), (False, ", within the noise"), (None, ", within the noise")]
)
def test_a_worst_cohort_whose_interval_meets_the_best_ones_is_within_the_noise(
    apart: bool | None, noise: str
) -> None:
    told = numbers()
    told["attributes"]["race"]["fmr"] |= {"apart": apart}
    cells = {measure: cell for (_, measure), cell in fairness.cells(told)}
    assert cells["FMR, Black"].remarks == [f"worst, 4.0 times the best{noise}"]


def test_a_cohort_without_an_interval_has_few_people() -> None:
    told = numbers()
    told["attributes"]["race"]["cohorts"]["1"] |= {"fmr_low": None, "fmr_high": None}
    cells = {measure: cell for (_, measure), cell in fairness.cells(told)}
    assert cells["FMR, E/SE Asian"].remarks == ["few people"]


def test_maps_are_symmetric_and_leave_out_what_has_two_cohorts(results: Results) -> None:
    (found,) = fairness.maps(results)
    assert (found.model, found.attribute) == ("alone", "race")
    assert found.names == ["Black", "E/SE Asian", "Middle E./White"]
    rates = [[cell and cell.fmr for cell in row] for row in found.cells]
    assert rates == [[0.04, 0.03, None], [0.03, 0.01, 0.0], [None, 0.0, 0.02]]
    assert found.highest == 0.04  # of 1,000 pairs; 0.03 are of 9
    assert not found.cells[0][1].supported


def test_charts_over_what_pairs_are_binned_by(results: Results) -> None:
    found = list(errors.charts(results))
    assert [(benchmark, what) for benchmark, what, _ in found] == [
        ("bench", "yaw apart"),
        ("bench", "age gap"),
    ]
    assert found[1][2].index(">0-5<") < found[1][2].index(">10-20<")
    assert "5-10" not in found[1][2]  # no genuine pair
    assert "age gap, years" in found[1][2]


def test_the_page_shows_them(data: Path, html: str, params: dict[str, Any], results: Results) -> None:
    assert "Errors of cohorts" not in html
    place = results.root / "metrics/evaluate/alone.json"
    files.write_json(place, files.read_json(data / "metrics/evaluate/alone.json") | files.read_json(place))
    shown = page.build(results.root, params)
    words = (
        "<h3>Errors of cohorts</h3>",
        "False non-matches over age gap on bench",
        "worst, 4.0 times the best",
        "rgb(200 60 40 / 0.6)",
    )
    for each in (*words, "How the cohorts were scored"):
        assert each in shown
