"""How training went, the clusters, and what each stage cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.report import figures, images
from pipeline.report.gather import Model, Results

MEASURED = (
    "accuracy",
    "auc",
    "eer",
    "nme",
    "auc_7_percent",
    "failures_7_percent",
)  # of validation faces; what else a curve has are loss terms
CHARTED = ("accuracy", "nme")
VALIDATION = "validation/"  # may stand before a measure
VIEWS = {"routing": "routing vectors", "pooled": "pooled features"}
RULES = {
    "classifier": "the trained classifier",
    "kmeans_cosine": "k-means, cosine",
    "kmeans_euclidean": "k-means, euclidean",
}
CAPTIONS = {
    "tsne": "t-SNE of the faces, coloured by attribute",
    "centroids": "Cosines between centroids",
    "gallery": "Clusters with their mean faces",
    "similarity": "Similarity of training faces to the nearest protected person; impostors; threshold",
    "det": "False rejects over false accepts (DET), normal deviates",
    "ced": "Share of faces over their landmark error, up to the largest limit",
    "scores": "Scores of genuine and impostor pairs, each as shares of their number",
    "hardest": "The pairs that are hardest for it",
    "borderline": "Pairs near the threshold, the nearest first: one person or two?",
    "merges": "Identities of one set that may be one person",
    "misplaced": "Images as unlike their identity as strangers are; three of it, three of the likest other",
    "duplicates": "Removed images and the protected images that they are copies of",
    "removed": "Removed faces and whom they matched, the most and the least similar ones",
}


@dataclass
class Picture:
    caption: str
    uri: str


def pictures(folder: Path, names: Sequence[str]) -> list[Picture]:
    """Those of the named pictures, PNG or JPEG, that are there, in this order."""
    found = [folder / f"{name}{suffix}" for name in names for suffix in (".png", ".jpg")]
    return [Picture(CAPTIONS[path.stem], images.file_uri(path)) for path in found if path.exists()]


def words(name: str) -> str:
    """file_name -> File name."""
    text = name.replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Numbers and words of nested mappings as "outer inner" -> value; lists are left out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            found |= flat(value, name)
        elif value is None or isinstance(value, str | int | float):
            found[name] = value
    return found


@dataclass
class Training:
    """How one model was trained."""

    name: str
    story: str
    facts: dict[str, Any]
    loss: str | None = None


@dataclass
class Trainings:
    models: list[Training] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)  # charts, all models in each

    @property
    def columns(self) -> list[str]:
        """Facts that any model has."""
        return list(dict.fromkeys(key for model in self.models for key in model.facts))


def trainings(results: Results) -> Trainings:
    """Curves of every trained net: loss terms one chart a model, validation measures one chart for all."""
    found = Trainings()
    measured: dict[str, dict[str, tuple[list[float], list[float]]]] = {}
    for name, story, metrics in _trained(results):
        curves = [measures_apart(row) for row in metrics.get("curves") or []]
        found.models.append(Training(name, story, training_facts(metrics), loss_chart(name, curves)))
        for key in CHARTED:
            points = points_of(curves, key)
            if points:
                measured.setdefault(key, {})[name] = points
    order = [model.name for model in results.models]
    for key, series in measured.items():
        if any(len(across) > 1 for across, _ in series.values()):
            title = f"Validation {key if key == 'accuracy' else key.upper()}"
            found.validation.append(figures.lines(series, f"validation-{key}", title, "epoch", order))
    return found


def points_of(curves: Sequence[Mapping[str, float]], key: str) -> tuple[list[float], list[float]] | None:
    """(epochs from 1, values) of one number; None where no epoch has it."""
    rows = [(row["epoch"] + 1, row[key]) for row in curves if key in row]
    return ([at for at, _ in rows], [value for _, value in rows]) if rows else None


def measures_apart(row: Mapping[str, float]) -> dict[str, float]:
    """An epoch's numbers by name, whether or not a measure of validation faces says that it is one."""
    return {key.removeprefix(VALIDATION): value for key, value in row.items()}


def training_facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers for the table of models; the faces of several datasets are written as a sum."""
    facts = {key: metrics[key] for key in ("faces", "identities", "epochs") if key in metrics}
    if isinstance(facts.get("faces"), Mapping):
        facts["faces"] = " + ".join(f"{count:,}" for count in facts["faces"].values())
    facts |= flat(metrics.get("teacher_student") or {})
    last = measures_apart(metrics.get("last") or {})
    return facts | {key: last[key] for key in MEASURED if key in last}


def _trained(results: Results) -> list[tuple[str, str, dict[str, Any]]]:
    """(name, what it is, metrics) of every net that was trained."""
    singles = [("scout", "finds people of the benchmarks"), ("landmark", "68 landmarks as heatmaps")]
    everything = [(name, story, results.metrics(name)) for name, story in singles]
    models: list[Model] = [model for model in results.models if model.kind != "foreign"]
    everything += [(m.name, m.story, results.metrics(m.kind, m.name)) for m in models]
    return [entry for entry in everything if entry[2]]


def loss_chart(name: str, curves: Sequence[Mapping[str, float]]) -> str | None:
    """Every loss term over the epochs; terms may come and go."""
    terms = dict.fromkeys(key for row in curves for key in row if key not in ("epoch", "rate", *MEASURED))
    if len(terms) == 2 and "loss" in terms:
        terms = dict.fromkeys(["loss"])  # the only term is the sum itself
    series = {term.replace("_", " "): found for term in terms if (found := points_of(curves, term))}
    if len(curves) < 2 or not series:
        return None
    positive = all(value > 0 for _, up in series.values() for value in up)
    order = ["loss", "recognition"]
    return figures.lines(series, f"loss-{name}", f"{name}: loss", "epoch", order, log=positive)


@dataclass
class Clusters:
    """Clusters of one model's faces, by view (routing vectors, pooled features) and rule of assignment."""

    model: str
    facts: dict[str, Any]
    rows: list[tuple[str, str, dict[str, Any]]]  # view, rule, measure -> (mean, std)
    pictures: list[Picture]

    @property
    def columns(self) -> list[str]:
        first = ("purity", "ami")
        there = {key for _, _, numbers in self.rows for key in numbers}
        return [*(key for key in first if key in there), *sorted(there - {*first})]


def clusters(results: Results) -> list[Clusters]:
    found = []
    for model in results.models:
        metrics = results.metrics("cluster", model.name)
        if metrics:
            views = {view: metrics[view] for view in VIEWS if isinstance(metrics.get(view), Mapping)}
            rows = [
                (VIEWS[view], RULES.get(rule, words(rule)), {key: mean_std(numbers[key]) for key in numbers})
                for view, rules in views.items()
                for rule, numbers in rules.items()
            ]
            facts = flat({key: value for key, value in metrics.items() if key not in views})
            folder = results.path("prepared", "cluster", model.name)
            shown = pictures(folder, ("gallery", "tsne", "centroids"))
            found.append(Clusters(model.name, facts, rows, shown))
    return found


def mean_std(value: Any) -> tuple[float, float | None]:
    """A number, or the mean and the spread of several."""
    return (value["mean"], value.get("std")) if isinstance(value, Mapping) else (value, None)


@dataclass
class Costs:
    """Seconds and memory of every stage."""

    rows: list[tuple[str, float, float | None]]  # stage, seconds, MB
    seconds: float
    peak: float | None
    machine: str


def costs(results: Results) -> Costs | None:
    rows, machines = [], []
    for stage, record in results.runs():
        if "seconds" in record:
            rows.append((stage, float(record["seconds"]), record.get("peak_memory_mb")))
            machines.append(record.get("machine") or {})
    if not rows:
        return None
    peaks = [peak for _, _, peak in rows if peak is not None]
    rows.sort(key=lambda row: -row[1])
    total = sum(seconds for _, seconds, _ in rows)
    return Costs(rows, total, max(peaks, default=None), describe_machine(machines))


def describe_machine(machines: list[dict[str, Any]]) -> str:
    """The machines that stages ran on, each once."""
    told = []
    for facts in machines:
        text = ", ".join(f"{key} {value}" for key, value in facts.items())
        if text and text not in told:
            told.append(text)
    return "; ".join(told)
