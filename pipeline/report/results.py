"""Accuracy, size and speed of the models, side by side; differences are paired, intervals over people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline import files
from pipeline.report import figures, ranks
from pipeline.report.gather import Model, Results, comparisons
from pipeline.report.sections import Picture, pictures

VERIFIED = ("scores", "det", "hardest")
NOT_AUDITABLE = "overlap not auditable"


@dataclass(frozen=True)
class Score:
    """One model on one list of pairs."""

    benchmark: str
    protocol: str
    title: str
    model: str
    numbers: Mapping[str, Any]

    @property
    def accuracy(self) -> Mapping[str, Any]:
        return dict(self.numbers["accuracy"])

    @property
    def point(self) -> figures.Point:
        """Accuracy in percent with its interval."""
        mean, low, high = (percent(self.accuracy.get(key)) for key in ("mean", "low", "high"))
        return mean, low, high


@dataclass
class Row:
    """One model in the table of sizes and speeds."""

    model: Model
    auditable: bool
    cost: Mapping[str, Any] = field(default_factory=dict)
    times: list[Mapping[str, Any]] = field(default_factory=list)
    exported: Mapping[str, Any] = field(default_factory=dict)  # its ONNX file, if there is one
    mean: float | None = None  # accuracy over all lists, percent
    share: float | None = None  # parameters, as a share of its teacher's

    def time(self, batch: int) -> float | None:
        """Milliseconds an image at this batch size, the fastest of the repeats: others tell of other work."""
        found = (time.get("fastest_ms", time["ms"]) for time in self.times if time["batch"] == batch)
        return next(map(float, found), None)

    @property
    def where(self) -> str:
        """What the times were taken on."""
        told = [
            f"{t['threads']} thread{'s' if t['threads'] != 1 else ''}, {t['device']}" for t in self.times[:1]
        ]
        return "".join(told)


def percent(value: float | None) -> Any:
    return None if value is None else 100 * value


def title_of(results: Results, benchmark: str, protocol: str) -> str:
    """What a list is called; its benchmark is named where there are several."""
    words = protocol.replace("_", " ")
    return words if len(results.benchmarks) < 2 or protocol == benchmark else f"{benchmark}: {words}"


def scores(results: Results) -> list[Score]:
    """Every result of every evaluated model, in the order benchmark, list, model."""
    found = []
    for model in results.evaluated():
        pairs = results.metrics("evaluate", model.name).get("pairs", {})
        for benchmark, lists in pairs.get("benchmarks", {}).items():
            for name, numbers in lists.items():
                title = title_of(results, benchmark, name)
                found.append(Score(benchmark, name, title, model.name, numbers))
    order = {name: place for place, name in enumerate(results.benchmarks)}
    return sorted(found, key=lambda score: (order.get(score.benchmark, len(order)), score.protocol))


def by_list(found: Sequence[Score]) -> dict[str, dict[str, Score]]:
    """Title of a list -> model -> score."""
    table: dict[str, dict[str, Score]] = {}
    for score in found:
        table.setdefault(score.title, {})[score.model] = score
    return table


def rows(results: Results) -> list[Row]:
    """Every model of the params, evaluated or not."""
    found = scores(results)
    table = []
    for model in results.models:
        metrics = results.metrics("evaluate", model.name)
        mine = [score.point[0] for score in found if score.model == model.name]
        times = results.run("evaluate", model.name).get("cost", {}).get("milliseconds", [])
        mean = sum(mine) / len(mine) if mine else None
        exported = results.metrics("export", model.name)
        auditable, cost = metrics.get("auditable", True), metrics.get("cost", {})
        table.append(Row(model, auditable, cost, times, exported, mean))
    sizes = {row.model.name: row.cost.get("parameters") for row in table}
    for row in table:
        own, teachers = sizes[row.model.name], sizes.get(row.model.teacher or "")
        row.share = own / teachers if own and teachers else None
    return table


def batches(table: Sequence[Row]) -> list[int]:
    """The batch sizes at which any model was timed."""
    return sorted({time["batch"] for row in table for time in row.times})


def not_auditable(results: Results) -> dict[str, str]:
    """Model -> why its results can't be audited for overlap with the benchmarks."""
    found = {}
    for model in results.evaluated():
        metrics = results.metrics("evaluate", model.name)
        if not metrics.get("auditable", True):
            found[model.name] = str(metrics.get("audit") or NOT_AUDITABLE)
    return found


def label(results: Results, model: str) -> str:
    """A model's name in a chart, and what a reader must know of its results."""
    auditable = results.metrics("evaluate", model).get("auditable", True)
    return model if auditable else f"{model} ({NOT_AUDITABLE})"


def labels(results: Results) -> list[str]:
    return [label(results, model.name) for model in results.models]


def accuracy_chart(results: Results, table: Mapping[str, Mapping[str, Score]]) -> str:
    groups = {
        title: {label(results, name): score.point for name, score in row.items()}
        for title, row in table.items()
    }
    return figures.intervals(groups, "accuracy", "Accuracy", "accuracy, % (95 % interval)", labels(results))


def trade_chart(results: Results, table: Sequence[Row]) -> str | None:
    """Accuracy against speed and size; None where fewer than two models have all three."""
    common = [size for size in batches(table) if sum(row.time(size) is not None for row in table) > 1]
    if not common:
        return None
    batch = common[-1]
    models = {
        label(results, row.model.name): (time, row.mean, float(row.cost["parameters"]))
        for row in table
        if (time := row.time(batch)) is not None and row.mean is not None and row.cost.get("parameters")
    }
    if len(models) < 2:
        return None
    x = f"ms an image in batches of {batch}, {next(row.where for row in table if row.times)}"
    return figures.trade(models, "trade", "Accuracy, speed and size", x)


def roc_charts(results: Results) -> Iterator[tuple[str, str]]:
    """(title, chart) of each list of pairs, then of pairs of templates and of splits; every model in it."""
    for protocol in ("pairs", "templates", "blufr"):
        yield from _roc_charts(results, f"{protocol}_roc.json")


def verified(results: Results) -> dict[str, list[Picture]]:
    """Of each model its DET, its scores and the pairs that are hardest for it."""
    found = {
        model.name: pictures(results.path("prepared", "evaluate", model.name), VERIFIED)
        for model in results.evaluated()
    }
    return {name: shown for name, shown in found.items() if shown}


def _roc_charts(results: Results, file: str) -> Iterator[tuple[str, str]]:
    curves: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for model in results.evaluated():
        path = results.path("prepared", "evaluate", model.name, file)
        if not path.exists():
            continue
        for benchmark, lists in files.read_json(path).items():
            for protocol, curve in lists.items():
                title = title_of(results, benchmark, protocol)
                name = label(results, model.name)
                curves.setdefault(title, {})[name] = (curve["far"], curve["tar"])
    for title, lines in sorted(curves.items()):
        yield title, figures.roc(lines, f"roc-{title}", title, labels(results))


@dataclass(frozen=True)
class Comparison:
    """Second minus first, list by list."""

    first: str
    second: str
    why: str
    rows: list[dict[str, Any]]
    chart: str


def differences(results: Results) -> list[Comparison]:
    """Each student against the same net trained alone, and against its teacher, on the same pairs."""
    from pipeline.evaluate import paired

    found = []
    for first, second, why in comparisons(results.evaluated()):
        ours, theirs = _pairs(results, first.name), _pairs(results, second.name)
        if ours is None or theirs is None:
            continue
        lists = paired.means(ours, theirs) + paired.compare(ours, theirs, fars=_fars(results))
        for row in lists:
            row["title"] = title_of(results, row["benchmark"], row["protocol"])
            row["point"] = tuple(percent(row[key]) for key in ("difference", "low", "high"))
        found_rows = [measure for row in lists for measure in _measures(row)]
        found_rows += ranks.differences(results, first.name, second.name)
        label = f"{second.name} minus {first.name}"
        chart = figures.intervals(
            {row["title"]: {label: row["point"]} for row in lists},
            f"paired-{second.name}-{first.name}",
            label,
            "difference of accuracy, points",
            zero=True,
        )
        found.append(Comparison(first.name, second.name, why, found_rows, chart))
    return found


def _fars(results: Results) -> list[float]:
    """False accept rates at which lists of pairs were scored."""
    found = (results.metrics("evaluate", model.name).get("pairs", {}) for model in results.evaluated())
    return next((pairs["settings"]["fars"] for pairs in found if pairs.get("settings", {}).get("fars")), [])


def _measures(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A list's difference of accuracy, then those of its true accept rates that its impostors support."""
    yield {**row, "measure": "accuracy", "supported": True}
    for tar in row.get("tars", []):
        if tar["supported"]:
            yield {**row, **tar, "measure": f"TAR at FAR {tar['far']:g}"}


def _pairs(results: Results, model: str) -> pd.DataFrame | None:
    path = results.path("prepared", "evaluate", model, "scores.parquet")
    return pd.read_parquet(path) if path.exists() else None


def settings(results: Results, protocol: str) -> dict[str, Any]:
    """How a protocol's lists were scored, from the first model whose were."""
    for model in results.evaluated():
        found = results.metrics("evaluate", model.name).get(protocol, {}).get("settings")
        if found:
            return {key.replace("_", " "): value for key, value in found.items() if value is not None}
    return {}


def tars(row: Mapping[str, Score]) -> list[dict[str, Any]]:
    """One list's lines of the table of true accept rates: a false accept rate, model -> what was measured."""
    rates = dict.fromkeys(tar["far"] for score in row.values() for tar in score.numbers.get("tar_at_far", []))
    return [
        {
            "far": far,
            "models": {
                name: tar
                for name, score in row.items()
                for tar in score.numbers.get("tar_at_far", [])
                if tar["far"] == far
            },
        }
        for far in rates
    ]
