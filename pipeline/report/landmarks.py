"""The landmark net on benchmarks, where it was evaluated: a table a benchmark, the cumulative errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.report.gather import Results
from pipeline.report.identification import Cell, Table
from pipeline.report.sections import Picture, pictures

NET = "landmark"
WORDS = {"outer": "by the eyes' outer corners", "pupils": "by the pupils", "box": "by the box"}


@dataclass
class Measured:
    """What is told of the net; nothing where it was not evaluated."""

    tables: list[Table]
    pictures: list[Picture]
    settings: dict[str, Any]


def measured(results: Results) -> Measured:
    found = results.metrics("evaluate", NET).get("landmarks", {})
    asked = found.get("settings", {})
    tables = [
        Table(benchmark, [(title, measure, {NET: cell}) for title, measure, cell in _lines(told, asked)])
        for benchmark, told in found.get("benchmarks", {}).items()
        if "normalisers" in told
    ]
    shown = pictures(results.path("prepared", "evaluate", NET), ("ced",)) if tables else []
    settings = {key.replace("_", " "): value for key, value in found.get("settings", {}).items()}
    return Measured(tables, shown, {key: value for key, value in settings.items() if value is not None})


def _lines(told: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[tuple[str, str, Cell]]:
    """(normaliser, measure, cell): error, AUC and failures, then the error of each bin of yaw."""
    for name in [one for one in asked["normalisers"] if one in told["normalisers"]]:
        numbers = told["normalisers"][name]
        faces = f"{numbers['faces']:,} faces" if numbers["left_out"] else f"all {numbers['faces']:,} faces"
        title = f"{told['points']} points, {WORDS[name]}, {faces}"
        yield title, "NME", _cell(numbers["nme"])
        for limit in (f"{100 * one:g}" for one in asked["limits"]):
            yield title, f"AUC up to {limit} %", _cell(numbers[f"auc_{limit}_percent"])
            yield title, f"failures above {limit} %", _cell(numbers[f"failures_{limit}_percent"])
        for group, one in numbers["by_yaw"].items():
            where = f"yaw {group.replace('..', ' to ')}" + ("°" if ".." in group else "")
            remarks = (f"{one['faces']:,} faces of {one['people']:,} people",)
            yield title, f"NME, {where}", _cell(one["nme"], remarks)


def _cell(number: Mapping[str, Any], remarks: tuple[str, ...] = ()) -> Cell:
    return Cell(number["value"], number["low"], number["high"], remarks)
