"""What overlap removed of each dataset, what chance alone removes, and, in a synthetic world, the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from pipeline import records
from pipeline.report.gather import ROLES, Results
from pipeline.report.sections import Picture, flat, pictures
from pipeline.synthetic import world

VALIDATION = "validation"
UNSURE = 24  # pairs in the table: those of the picture
SETTINGS = ("model", "false match rate", "mutual rate", "held out")
REASONS = {"by_name": "By name", "by_embedding": "By embedding", "by_mutual": "Each other's nearest"}
SELDOM = {
    "by_duplicate": "Copied images",
    "by_accepted": "By your decision",
    "by_merged": "With a merged identity",
    "by_misplaced": "Misplaced",
}  # shown where there are any


@dataclass
class Truth:
    """A synthetic set against who is planted in it; people where they are known, else single faces."""

    unit: str  # people or faces
    planted: int
    found: int  # of the planted ones: nothing of them is left
    false: int  # nobody planted, and nothing is left
    images: int = 0  # single ones of people not planted who stay


@dataclass
class Cleaned:
    """One dataset: what it is for, how much of it was removed, and how much of that is chance or wrong."""

    dataset: str
    roles: list[str]
    counts: Mapping[str, int]
    expected: float | None = None  # people and single faces that chance removes at the false-match rate
    supported: bool | None = None  # there are impostors enough to measure that rate
    truth: Truth | None = None

    @property
    def trained_on(self) -> bool:
        return self.roles != [VALIDATION]


@dataclass
class Overlap:
    """What was removed, and why."""

    cleaned: list[Cleaned]
    rate: float | str | None  # false matches of one comparison; none: nobody was looked for
    mutual_rate: float | None  # the same where two people are each other's nearest
    thresholds: Mapping[str, Mapping[str, Any]]  # kind of comparison -> numbers
    settings: dict[str, Any]
    pictures: list[Picture] = field(default_factory=list)
    unsure: list[dict[str, Any]] = field(default_factory=list)  # pairs near their threshold, the first ones
    unsure_in_all: int = 0
    decided: list[dict[str, Any]] = field(default_factory=list)
    inside: dict[str, dict[str, Any]] = field(default_factory=dict)  # mistakes of a set, by dataset
    inside_pictures: list[Picture] = field(default_factory=list)

    def removed(self, what: str, trained_on: bool) -> int:
        """Faces or people removed of what is trained on, or of the validation set; misplaced faces apart."""
        mine = [row.counts for row in self.cleaned if row.trained_on == trained_on]
        return sum(counts[f"removed_{what}"] for counts in mine) - (
            self.misplaced(trained_on) if what == "faces" else 0
        )

    def misplaced(self, trained_on: bool) -> int:
        """Faces that went for a mistake inside their set, whoever is protected."""
        return sum(row.counts.get("by_misplaced", 0) for row in self.cleaned if row.trained_on == trained_on)

    @property
    def reasons(self) -> dict[str, str]:
        """Why faces went: key of the counts -> heading."""
        return REASONS | {
            key: text for key, text in SELDOM.items() if any(row.counts.get(key) for row in self.cleaned)
        }

    @property
    def true(self) -> bool:
        """Whether the truth is known of any dataset."""
        return any(row.truth for row in self.cleaned)

    @property
    def leaks(self) -> list[Cleaned]:
        """The sets that are trained on though test people whom a synthetic world planted there stay."""
        known = [row for row in self.cleaned if row.trained_on and row.truth]
        return [row for row in known if row.truth and row.truth.found < row.truth.planted]


def overlap(results: Results) -> Overlap | None:
    """The section; None where the stage has not run."""
    metrics = results.metrics("overlap")
    if not metrics:
        return None
    settings = {key: value for key, value in flat(metrics).items() if key in SETTINGS}
    cleaned = [_cleaned(results, *item) for item in metrics.get("removed", {}).items()]
    cleaned.sort(key=lambda row: [ROLES.index(role) for role in row.roles])
    rates = (metrics.get("false_match_rate"), metrics.get("mutual_rate"))
    found = Overlap(cleaned, *rates, metrics.get("thresholds", {}), settings)
    found.unsure_in_all = int(metrics.get("borderline", 0))
    found.unsure = unsure(results)
    found.decided = list(metrics.get("decisions", {}).get("pairs", ()))
    some = found.removed("faces", True) + found.removed("faces", False)
    gone = ("removed", "duplicates") if some else ()
    found.pictures = pictures(results.path("prepared", "overlap", "evidence"), ("similarity", *gone))
    evidence = results.path("prepared", "overlap", "evidence")
    found.pictures += pictures(evidence, ("borderline",))
    found.inside = {name: about for name, about in metrics.get("inside", {}).items() if about}
    found.inside_pictures = pictures(evidence, ("merges", "misplaced"))
    return found


def unsure(results: Results) -> list[dict[str, Any]]:
    """The first UNSURE pairs that a person might decide, the nearest to their threshold first."""
    path = results.path("prepared", "overlap", "evidence", "borderline.parquet")
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = pd.read_parquet(path).head(UNSURE).to_dict("records")  # type: ignore[assignment]
    return rows


def _cleaned(results: Results, dataset: str, counts: Mapping[str, Any]) -> Cleaned:
    return Cleaned(
        dataset,
        list(counts.get("roles") or results.roles.get(dataset, [])),
        counts,
        counts.get("expected_false_removals"),
        counts.get("supported"),
        truth(results, dataset),
    )


def truth(results: Results, dataset: str) -> Truth | None:
    """Found and planted ones of a part of the synthetic world; None of any other dataset."""
    sizes = results.params.get("sizes", {}).get(results.params.get("size"), {}).get("world")
    folder = results.path("prepared", "crop", dataset)
    exclusions = results.path("prepared", "overlap", "exclusions.parquet")
    if not sizes or not (folder / "dataset.json").exists() or not exclusions.exists():
        return None
    data = records.Dataset(folder)
    if data.about.get("part") not in world.PARTS:
        return None
    table = pd.read_parquet(exclusions, columns=["dataset", "sample_id"])
    gone = set(table.loc[table["dataset"] == dataset, "sample_id"])
    return compare(data.frame(["sample_id", "identity"]), gone, {ours for ours, _ in world.planted(sizes)})


def compare(frame: pd.DataFrame, gone: set[str], planted: set[str]) -> Truth:
    """`gone` are the removed sample ids; synthetic ones begin with who is on the image, labelled or not."""
    who = frame["sample_id"].str.partition("/")[0]
    known = bool(frame["identity"].notna().any())
    removed = frame["sample_id"].isin(gone).groupby(who if known else frame["sample_id"]).agg(["all", "sum"])
    real = removed.index.str.partition("/").get_level_values(0).isin(planted)
    return Truth(
        "people" if known else "faces",
        planted=int(real.sum()),
        found=int((real & removed["all"]).sum()),
        false=int((~real & removed["all"]).sum()),
        images=int(removed["sum"][~real & ~removed["all"]].sum()),
    )
