"""Errors of cohorts as tables, a line a cohort, a column a model; false matches between cohorts as maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.report.datasets import ATTRIBUTES, TITLES
from pipeline.report.gather import Results
from pipeline.report.identification import Cell, Table, few

RATES = {"fmr": ("FMR", "impostors"), "fnmr": ("FNMR", "genuine pairs")}


@dataclass(frozen=True)
class Map:
    """False-match rates of one model between the cohorts of one attribute; None where there is no pair."""

    benchmark: str
    model: str
    attribute: str
    names: list[str]
    rates: list[list[float | None]]

    @property
    def highest(self) -> float:
        return max((rate for row in self.rates for rate in row if rate is not None), default=0.0)


def name_of(attribute: str, code: str | int) -> str:
    """A cohort in words: `all`, or an attribute's code."""
    return str(code) if code == "all" else ATTRIBUTES[attribute][int(code)]


def tables(results: Results) -> list[Table]:
    """Every benchmark that has numbers: cohorts of each attribute, then the difference of yaw."""
    found: dict[str, dict[tuple[str, str], dict[str, Cell]]] = {}
    for model, benchmark, numbers in _measured(results):
        lines = found.setdefault(benchmark, {})
        for key, cell in cells(numbers):
            lines.setdefault(key, {})[model] = cell
    return [
        Table(benchmark, [(*key, row) for key, row in lines.items()]) for benchmark, lines in found.items()
    ]


def _measured(results: Results) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(model, benchmark, numbers) of all that was measured."""
    for model in results.evaluated():
        metrics = results.metrics("evaluate", model.name).get("fairness", {})
        for benchmark, numbers in metrics.get("benchmarks", {}).items():
            if "attributes" in numbers:
                yield model.name, benchmark, numbers


def cells(numbers: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Cell]]:
    """((attribute, rate and cohort), number) of one model on one benchmark."""
    for attribute, values in numbers["attributes"].items():
        title = TITLES[attribute]
        for rate in RATES:
            for code, row in values["cohorts"].items():
                cell = _cell(row, rate, _worst(values[rate], code))
                yield (title, f"{RATES[rate][0]}, {name_of(attribute, code)}"), cell
    for rate in RATES:
        for bin_, row in numbers["yaw_apart"].items():
            yield ("yaw apart", f"{RATES[rate][0]}, {bin_.replace('..', '-')}°"), _cell(row, rate, [])


def _cell(row: Mapping[str, Any], rate: str, remarks: list[str]) -> Cell:
    doubts = few(bool(row[f"{rate}_supported"]), "errors")
    return Cell(row[rate], row.get(f"{rate}_low"), row.get(f"{rate}_high"), [*remarks, *doubts])


def _worst(apart: Mapping[str, Any] | None, code: str) -> list[str]:
    """What is said of the worst cohort: how many times the best one's rate it has."""
    if apart is None or apart["worst"] != code or apart["ratio"] is None:
        return []
    return [f"worst, {apart['ratio']:.1f} times the best"]


def maps(results: Results) -> list[Map]:
    """One a model, benchmark and attribute of more than two cohorts."""
    found = []
    for model in dict.fromkeys(model for model, _, _ in _measured(results)):
        path = results.path("prepared", "evaluate", model, "cross_matches.parquet")
        if path.exists():
            frame = pd.read_parquet(path)
            for (benchmark, attribute), rows in frame.groupby(["benchmark", "attribute"], sort=False):
                found.append(_map(str(benchmark), model, str(attribute), rows))
    return [one for one in found if len(one.names) > 2]


def _map(benchmark: str, model: str, attribute: str, rows: pd.DataFrame) -> Map:
    known: dict[tuple[int, int], float] = {
        (int(row["first"]), int(row["second"])): float(row["fmr"])
        for row in rows.to_dict("records")
        if row["impostors"] > 0
    }
    codes = sorted({code for pair in zip(rows["first"], rows["second"], strict=True) for code in pair})
    rates = [[known.get((min(a, b), max(a, b))) for b in codes] for a in codes]
    return Map(benchmark, model, attribute, [name_of(attribute, code) for code in codes], rates)
