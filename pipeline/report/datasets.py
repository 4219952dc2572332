"""The datasets of a run: how many faces and people, what was set aside and why, faces to look at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pipeline import records
from pipeline.report import images
from pipeline.report.gather import Results

UNKNOWN = "unknown"
# attribute -> code -> name, in the order in which a reader expects them
ATTRIBUTES: Mapping[str, Mapping[int, str]] = {
    "age_group": {0: "0-19 years", 1: "20-49 years", 2: "50+ years"},
    "gender": {0: "female", 1: "male"},
    "race": {0: "Black", 1: "E/SE Asian", 2: "Indian", 3: "Latino", 4: "Middle E./White"},
    "pitch": {0: "below -30°", 2: "within 30°", 1: "above 30°"},
    "yaw": {0: "below -30°", 2: "within 30°", 1: "above 30°"},
}
TITLES = {"age_group": "age", "gender": "gender", "race": "race", "pitch": "pitch", "yaw": "yaw"}
REASONS = 6  # rows of the table of reasons


@dataclass
class Described:
    """One dataset as the page shows it."""

    name: str
    roles: list[str]
    faces: int
    identities: int | None  # None: nobody knows who is on the images
    per_identity: str
    read: int | None  # images of the source
    set_aside: int
    reasons: list[tuple[str, int]] = field(default_factory=list)
    pairs: list[tuple[str, int, int]] = field(default_factory=list)  # list, genuine, impostor
    sheet: str | None = None
    attributes: dict[str, dict[str, int]] = field(default_factory=dict)  # attribute -> name -> faces


def describe(results: Results) -> list[Described]:
    """Every dataset that a role or the benchmarks name and that has been cropped."""
    found = []
    for group, name, roles in [
        *(("prepared", name, roles) for name, roles in results.roles.items()),
        *(("benchmarks", name, ["benchmark"]) for name in results.benchmarks),
    ]:
        folder = results.path(group, "crop", name)
        if (folder / "dataset.json").exists():
            found.append(_describe(results, group, name, roles, records.Dataset(folder)))
    return found


def _describe(
    results: Results, group: str, name: str, roles: list[str], dataset: records.Dataset
) -> Described:
    people = dataset.frame(["identity"])["identity"].dropna().value_counts()
    reasons = reasons_of(dataset.set_aside()["reason"])
    aside = int(reasons.sum())
    lists = dataset.pairs()
    return Described(
        name=name,
        roles=roles,
        faces=len(dataset),
        identities=len(people) or None,
        per_identity=_spread(people.to_numpy()) if len(people) else "",
        read=len(dataset) + aside,
        set_aside=aside,
        reasons=[(str(reason), int(count)) for reason, count in reasons.head(REASONS).items()],
        pairs=[
            (str(title), int(part["same"].sum()), int((~part["same"]).sum()))
            for title, part in lists.groupby("protocol", sort=True)
        ],
        sheet=images.sample_sheet(dataset),
        attributes=_attributes(results, group, name),
    )


def reasons_of(told: pd.Series[str]) -> pd.Series[int]:
    """Reason -> count of what was set aside, most frequent first."""
    counts = told.map(plain).value_counts()
    return counts.sort_index().sort_values(ascending=False, kind="stable")


def plain(reason: str) -> str:
    """A reason without what differs from sample to sample, so that equal reasons are counted together."""
    return re.sub(r"\d+(?:\.\d+)?", "…", str(reason)).strip()


def _spread(counts: np.ndarray[Any, Any]) -> str:
    low, middle, high = int(counts.min()), float(np.median(counts)), int(counts.max())
    return f"{low}" if low == high else f"{middle:g} ({low}-{high})"


def _attributes(results: Results, group: str, name: str) -> dict[str, dict[str, int]]:
    """Faces by each attribute of which anything is known."""
    path = results.path(group, "annotate", name, "annotations.parquet")
    if not path.exists():
        return {}
    table = pd.read_parquet(path)
    counts = {
        TITLES[attribute]: histogram(table[attribute], names)
        for attribute, names in ATTRIBUTES.items()
        if attribute in table
    }
    return {title: bars for title, bars in counts.items() if set(bars) - {UNKNOWN}}


def histogram(codes: pd.Series[Any], names: Mapping[int, str]) -> dict[str, int]:
    """Name -> count in the order of `names`, `unknown` last; empty names only if nothing is known."""
    found, counts = np.unique(codes.to_numpy(), return_counts=True)
    return named(dict(zip(found.tolist(), counts.tolist(), strict=True)), names)


def named(counts: Mapping[int, int], names: Mapping[int, str]) -> dict[str, int]:
    """The same of counts by code; a code without a name is unknown."""
    bars = {label: counts.get(code, 0) for code, label in names.items()}
    unknown = sum(counts.values()) - sum(bars.values())
    if not any(bars.values()):
        return {UNKNOWN: unknown}
    return {**bars, **({UNKNOWN: unknown} if unknown else {})}
