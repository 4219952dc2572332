"""False non-matches over what pairs are binned by (pose, age gap, blur) as charts, every model in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.report import figures
from pipeline.report.fairness import BINNED, measured, rising
from pipeline.report.gather import Results

UNITS = {"°": ", degrees", " years": ", years", "": ""}


def charts(results: Results) -> Iterator[tuple[str, str, str]]:
    """(benchmark, what, chart) of each quantity; a bin without genuine pairs has no point."""
    found: dict[tuple[str, str], dict[str, dict[str, figures.Point]]] = {}
    for model, benchmark, numbers in measured(results):
        for key in BINNED:
            points = {name.replace("..", "-"): _point(row) for name, row in rising(numbers.get(key, {}))}
            known = {name: point for name, point in points.items() if point is not None}
            if known:
                found.setdefault((benchmark, key), {})[model] = known
    order = [model.name for model in results.models]
    for (benchmark, key), series in found.items():
        words, unit = BINNED[key]
        title = words if len(results.benchmarks) < 2 else f"{benchmark}: {words}"
        x = words + UNITS[unit]
        yield benchmark, words, figures.binned(series, f"errors-{title}", title, x, "FNMR, %", order)


def _point(row: Mapping[str, Any]) -> figures.Point | None:
    if row["fnmr"] is None:
        return None
    low, high = (row.get(f"fnmr_{side}") for side in ("low", "high"))
    return 100 * row["fnmr"], low if low is None else 100 * low, high if high is None else 100 * high
