"""The numbers of an evaluation that stand in one row of a table, and their 95 % intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Number:
    """A share by its column, with its interval where it has one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @staticmethod
    def of(name: str, told: Mapping[str, Any]) -> Number:
        return Number(name, told["mean"], told.get("low"), told.get("high"))


def of(metrics: dict[str, Any]) -> dict[str, Any]:
    """What a table shows of an evaluation: size, accuracy in percent a protocol, whether it was audited."""
    shown: dict[str, Any] = {key: metrics.get("cost", {}).get(key) for key in ("parameters", "flops")}
    shown |= {one.name: percent(one.value) for one in numbers(metrics)}
    shown["overlap"] = "audited" if metrics.get("auditable", True) else "not auditable"
    return {key: value for key, value in shown.items() if value is not None}


def ends(metrics: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Intervals of those numbers of `of` that have one, percent: name -> (low, high)."""
    return {
        one.name: (percent(one.low), percent(one.high))
        for one in numbers(metrics)
        if one.low is not None and one.high is not None
    }


def percent(share: float) -> float:
    return round(100 * share, 2)


def line(metrics: dict[str, Any]) -> str:
    """The accuracies, and whether they mean what they seem to."""
    shown = of(metrics)
    told = [f"{name} {value}" for name, value in shown.items() if isinstance(value, float)]
    return ", ".join(told if shown["overlap"] == "audited" else [*told, f"overlap {shown['overlap']}"])


def numbers(metrics: dict[str, Any]) -> Iterator[Number]:
    """Accuracies of lists of pairs and of templates, first ranks, top 1, landmark errors."""
    benchmarks = metrics.get("pairs", {}).get("benchmarks", {})
    for benchmark, protocols in benchmarks.items():
        for protocol, values in protocols.items():
            name = protocol if len(benchmarks) == 1 else f"{benchmark}/{protocol}"
            yield Number.of(name, values["accuracy"])
    for found in metrics.get("templates", {}).get("benchmarks", {}).values():
        for name, values in found.get("verification", {}).items():
            if "accuracy" in values:
                yield Number.of(name, values["accuracy"])
    yield from first_ranks(metrics)
    for benchmark, found in metrics.get("classification", {}).get("benchmarks", {}).items():
        for top in found.get("top", [])[:1]:
            yield Number(f"{benchmark}_top_{top['k']}", top["share"], top["low"], top["high"])
    yield from landmark_errors(metrics)


def landmark_errors(metrics: dict[str, Any]) -> Iterator[Number]:
    """NME of each benchmark by the first of the normalisers."""
    measured = metrics.get("landmarks", {})
    for benchmark, found in measured.get("benchmarks", {}).items():
        known = found.get("normalisers", {})
        for name in [one for one in measured["settings"]["normalisers"] if one in known][:1]:
            nme = known[name]["nme"]
            if nme["value"] is not None:
                yield Number(f"{benchmark}_nme_{name}", nme["value"], nme["low"], nme["high"])


def first_ranks(metrics: dict[str, Any]) -> Iterator[Number]:
    """Rank 1 of templates in galleries and among all distractors; means where there are several.

    Of several lists there is no interval: they may share people.
    """
    templates = metrics.get("templates", {}).get("benchmarks", {}).values()
    searches = metrics.get("searches", {}).get("benchmarks", {}).values()
    galleries = [group["mean"] for found in templates for group in found["identification"].values()]
    lists = [ways for found in searches for ways in found["lists"].values() if "among_distractors" in ways]
    among = [ways["among_distractors"]["cmc"][-1] for ways in lists]
    kinds = {
        "templates_rank_1": [
            tuple(one.get(key, {}).get("rank_1") for key in ("cmc", "cmc_low", "cmc_high"))
            for one in galleries
        ],
        "distractors_rank_1": [
            (one.get("rank_1"), *(one.get(side, {}).get("rank_1") for side in ("low", "high")))
            for one in among
        ],
    }
    for name, found in kinds.items():
        known = [one for one in found if one[0] is not None]
        if known:
            yield Number(name, sum(one[0] for one in known) / len(known), *(known[0][1:] * (len(known) == 1)))
