"""The numbers of an evaluation that stand in one row of a table."""

from __future__ import annotations

from typing import Any


def of(metrics: dict[str, Any]) -> dict[str, Any]:
    """What a table shows of an evaluation: size, accuracy in percent a protocol, whether it was audited."""
    shown: dict[str, Any] = {key: metrics.get("cost", {}).get(key) for key in ("parameters", "flops")}
    benchmarks = metrics.get("pairs", {}).get("benchmarks", {})
    for benchmark, protocols in benchmarks.items():
        for protocol, values in protocols.items():
            name = protocol if len(benchmarks) == 1 else f"{benchmark}/{protocol}"
            shown[name] = round(100 * values["accuracy"]["mean"], 2)
    for found in metrics.get("templates", {}).get("benchmarks", {}).values():
        for name, values in found.get("verification", {}).items():
            if "accuracy" in values:
                shown[name] = round(100 * values["accuracy"]["mean"], 2)
    shown |= first_ranks(metrics)
    shown["overlap"] = "audited" if metrics.get("auditable", True) else "not auditable"
    return {key: value for key, value in shown.items() if value is not None}


def line(metrics: dict[str, Any]) -> str:
    """The accuracies, and whether they mean what they seem to."""
    shown = of(metrics)
    told = [f"{name} {value}" for name, value in shown.items() if isinstance(value, float)]
    return ", ".join(told if shown["overlap"] == "audited" else [*told, f"overlap {shown['overlap']}"])


def first_ranks(metrics: dict[str, Any]) -> dict[str, float]:
    """Rank 1, percent, of templates in galleries and among all distractors; means where there are several."""
    templates = metrics.get("templates", {}).get("benchmarks", {}).values()
    searches = metrics.get("searches", {}).get("benchmarks", {}).values()
    galleries = [group["mean"]["cmc"] for found in templates for group in found["identification"].values()]
    lists = [ways for found in searches for ways in found["lists"].values() if "among_distractors" in ways]
    among = [ways["among_distractors"]["cmc"][-1] for ways in lists]
    ranks = {
        name: [cmc["rank_1"] for cmc in found if cmc.get("rank_1") is not None]
        for name, found in {"templates_rank_1": galleries, "distractors_rank_1": among}.items()
    }
    return {name: round(100 * sum(values) / len(values), 2) for name, values in ranks.items() if values}
