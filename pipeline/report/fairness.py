"""Errors of cohorts as tables, a line a cohort, a column a model; false matches between cohorts as maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.evaluate.curves import FLAGGED
from pipeline.report.datasets import ATTRIBUTES, TITLES
from pipeline.report.gather import Results
from pipeline.report.identification import Cell, Table, few

ALL = "all"  # the row of every pair, whatever the cohorts
RATES = {"fmr": "FMR", "fnmr": "FNMR"}
BINNED = {  # what pairs are binned by, in words and its unit
    "yaw_apart": ("yaw apart", "°"),
    "age_gap": ("age gap", " years"),
    "sharpness": ("sharpness of the blurrier face", ""),
}
WORTH_SAYING = 1.1  # the worst cohort's rate by the best one's, from which it is pointed out


@dataclass(frozen=True)
class Crossing:
    """Pairs of one face of each of two cohorts."""

    fmr: float
    impostors: int

    @property
    def supported(self) -> bool:
        return round(self.fmr * self.impostors) >= FLAGGED


@dataclass(frozen=True)
class Map:
    """False-match rates of one model between the cohorts of one attribute; None where there is no pair."""

    benchmark: str
    model: str
    attribute: str
    names: list[str]
    cells: list[list[Crossing | None]]

    @property
    def highest(self) -> float:
        """Of the cells that are told from errors enough: what the darkest colour stands for."""
        return max((cell.fmr for row in self.cells for cell in row if cell and cell.supported), default=0.0)


def name_of(attribute: str, code: str | int) -> str:
    """A cohort in words, of an attribute's code."""
    return ATTRIBUTES[attribute][int(code)]


def tables(results: Results) -> list[Table]:
    """Every benchmark that has numbers: cohorts of each attribute, then the difference of yaw."""
    found: dict[str, dict[tuple[str, str], dict[str, Cell]]] = {}
    for model, benchmark, numbers in measured(results):
        lines = found.setdefault(benchmark, {})
        for key, cell in cells(numbers):
            lines.setdefault(key, {})[model] = cell
    return [
        Table(benchmark, [(*key, row) for key, row in lines.items()]) for benchmark, lines in found.items()
    ]


def measured(results: Results) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(model, benchmark, numbers) of all that was measured."""
    for model in results.evaluated():
        metrics = results.metrics("evaluate", model.name).get("fairness", {})
        for benchmark, numbers in metrics.get("benchmarks", {}).items():
            if "attributes" in numbers:
                yield model.name, benchmark, numbers


def cells(numbers: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Cell]]:
    """((attribute, rate and cohort), number) of one model on one benchmark."""
    for values in list(numbers["attributes"].values())[:1]:  # `all` is the same in each
        for rate, title in RATES.items():
            yield ("everybody", title), _cell(values["cohorts"][ALL], rate, [])
    for attribute, values in numbers["attributes"].items():
        for rate, title in RATES.items():
            for code, row in values["cohorts"].items():
                if code != ALL:
                    cell = _cell(row, rate, _worst(values[rate], code))
                    yield (TITLES[attribute], f"{title}, {name_of(attribute, code)}"), cell
    for key, (words, unit) in BINNED.items():
        for rate, title in RATES.items():
            for bin_, row in rising(numbers.get(key, {})):
                yield (
                    (words, f"{title}, {bin_.replace('..', '-')}{unit if '..' in bin_ else ''}"),
                    _cell(row, rate, []),
                )


def rising(bins: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Bins by where they begin, as a metrics file sorts them by letters; pairs without a value come last."""

    def begins(item: tuple[str, Any]) -> float:
        low, dots, _ = item[0].partition("..")
        return float(low) if dots else float("inf")

    return sorted(bins.items(), key=begins)


def _cell(row: Mapping[str, Any], rate: str, remarks: list[str]) -> Cell:
    doubts = few(bool(row[f"{rate}_supported"]), "errors")
    if row[rate] is not None and row.get(f"{rate}_low", 0.0) is None:
        doubts = few(False, "people")
    return Cell(row[rate], row.get(f"{rate}_low"), row.get(f"{rate}_high"), [*remarks, *doubts])


def _worst(apart: Mapping[str, Any] | None, code: str) -> list[str]:
    """What is said of the worst cohort: how many times the best one's rate it has, if errors tell."""
    if apart is None or apart["worst"] != code:
        return []
    if apart["ratio"] is None or not apart["supported"]:
        return ["worst, by too few errors to say how much"]
    if apart["ratio"] < WORTH_SAYING:
        return []
    noise = "" if apart.get("apart", True) else ", within the noise"  # their intervals meet
    return [f"worst, {apart['ratio']:.1f} times the best{noise}"]


def maps(results: Results) -> list[Map]:
    """One a model, benchmark and attribute of more than two cohorts."""
    found = []
    for model in dict.fromkeys(model for model, _, _ in measured(results)):
        path = results.path("prepared", "evaluate", model, "cross_matches.parquet")
        if path.exists():
            frame = pd.read_parquet(path)
            for (benchmark, attribute), rows in frame.groupby(["benchmark", "attribute"], sort=False):
                found.append(_map(str(benchmark), model, str(attribute), rows))
    return [one for one in found if len(one.names) > 2]


def _map(benchmark: str, model: str, attribute: str, rows: pd.DataFrame) -> Map:
    known = {
        (int(row["first"]), int(row["second"])): Crossing(float(row["fmr"]), int(row["impostors"]))
        for row in rows.to_dict("records")
        if row["impostors"] > 0
    }
    codes = sorted({code for pair in zip(rows["first"], rows["second"], strict=True) for code in pair})
    cells = [[known.get((min(a, b), max(a, b))) for b in codes] for a in codes]
    return Map(benchmark, model, attribute, [name_of(attribute, code) for code in codes], cells)
