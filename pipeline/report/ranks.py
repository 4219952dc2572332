"""Searches as charts, a line a model with its band, and how two models differ in searches and in splits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline import files
from pipeline.report import figures
from pipeline.report.gather import Results

PROTOCOLS = ("templates", "searches")
AXES = {"in_gallery": "rank", "among_distractors": "distractors (rank 1)"}


def charts(results: Results) -> Iterator[tuple[str, str]]:
    """(title, chart) of each list: CMC in a gallery, rank 1 among more and more distractors."""
    lines: dict[tuple[str, str], dict[str, figures.Band]] = {}
    for model in results.evaluated():
        for protocol in PROTOCOLS:
            path = results.path("prepared", "evaluate", model.name, f"{protocol}_cmc.json")
            for title, way, curve in _curves(results, files.read_json(path) if path.exists() else {}):
                scaled = [[v if v is None else 100 * v for v in curve[k]] for k in ("share", "low", "high")]
                lines.setdefault((title, way), {})[model.name] = (curve["at"], *scaled)
    order = [model.name for model in results.models]
    for (title, way), series in sorted(lines.items()):
        yield title, figures.bands(series, f"cmc-{way}-{title}", title, AXES[way], "mates found, %", order)


def _curves(results: Results, found: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(title, kind of search, curve) of one model's lists that have several points."""
    for benchmark, ways in found.items():
        for way, lists in ways.items():
            for name, curve in lists.items():
                words = name.replace("_", " ")
                title = words if len(results.benchmarks) < 2 else f"{benchmark}: {words}"
                if len(curve["at"]) > 1:
                    yield title, way, curve


def differences(results: Results, first: str, second: str) -> list[dict[str, Any]]:
    """Second minus first of every rank, TPIR and rate of splits that probes and impostors suffice for."""
    from pipeline.evaluate import paired

    tables = [paired.read_draws(results.path("prepared", "evaluate", model)) for model in (first, second)]
    found = paired.drawn([(tables[0], tables[1])])
    several = len(results.benchmarks) > 1
    for row in found:
        words = row["protocol"].replace("_", " ")
        row["title"] = f"{row['benchmark']}: {words}" if several else words
    return [row for row in found if row["supported"]]
