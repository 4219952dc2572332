"""The card of a dataset: what is in it, how good its pictures are, who is on them, what was left out and why.

A card is plain JSON, made once from what ingest, crop, annotate and overlap found; its page is made of it
and of a sheet of its faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline import records
from pipeline.report import balance, blur, datasets, figures, html, images, lists, sections

Facts = dict[str, Any]
FACES, COLUMNS = 48, 12  # of the sheet
EDGES = (2, 3, 6, 11, 21, 51, 101, 201, 501)  # images of an identity: where bins begin, after the first
REASONS, EXAMPLES = 20, 3  # that are listed; samples of each
TOLD_ELSEWHERE = ("dataset", "source", "what", "notes", "count", "set_aside", "images_per_identity")
PROTECTED = "Its faces stay, whoever they are: training and validation faces that are its people are removed."
NOT_SEARCHED = (
    "Not in the last search: no role that is trained on or validated on names it, or overlap has"
    " not run since one does (dvc repro overlap)."
)


def describe(
    name: str,
    dataset: records.Dataset,
    sharpness: blur.Sharpness,
    *,
    entry: Mapping[str, Any],
    ingested: Mapping[str, Any],
    cropped: Mapping[str, Any],
    annotations: Path,
    overlap: Mapping[str, Any] | None,
) -> Facts:
    """The card. `entry` is the catalogue's; `ingested`, `cropped` and `overlap` are metrics of these stages,
    `overlap` None for a benchmark; `dataset` holds the crops, `sharpness` what was measured of them."""
    about, identities = dataset.about, identity_counts(dataset)
    aside, counts = dataset.set_aside(), balance.counts_of(annotations)
    reading, cropping = aside.iloc[: ingested["set_aside"]], aside.iloc[ingested["set_aside"] :]
    return {
        "dataset": name,
        "what": about.get("what"),
        "source": entry["source"],
        "terms": entry.get("terms"),
        "notes": about.get("notes", []),
        "settings": sections.flat({key: about[key] for key in sorted(about) if key not in TOLD_ELSEWHERE}),
        "counts": {
            "read": ingested["samples"] + ingested["set_aside"],
            "faces": len(dataset),
            "identities": len(identities),
            "nobody_known": len(dataset) - int(identities.sum()),
        },
        "lists": list(lists.describe(dataset)),
        "images_per_identity": per_identity(identities),
        "resolution": {**cropped["resolution"], "crop": about.get("image_size")},
        "blur": sharpness.told(),
        "attributes": balance.attributes(counts),
        "groups": balance.groups(counts),
        "cohorts": balance.cohorts(counts),
        "agreement": balance.agreement(annotations.parent / "agreement.json"),
        "set_aside": {"reading": reasons(reading), "cropping": reasons(cropping)},
        "overlap": removed(name, overlap),
    }


def identity_counts(dataset: records.Dataset) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Faces of every identity, in no order; memory grows with identities, not with faces."""
    import pyarrow.compute as pc

    found = pc.value_counts(dataset.table.column("identity").drop_null())
    return np.sort(found.field("counts").to_numpy(zero_copy_only=False).astype(np.int64))


def per_identity(counts: np.ndarray[Any, np.dtype[np.int64]]) -> Facts:
    """How many identities have how many faces."""
    bins = np.bincount(np.digitize(counts, EDGES), minlength=len(EDGES) + 1)
    found: Facts = {"edges": list(EDGES), "identities": bins.tolist(), "single": int((counts == 1).sum())}
    if len(counts):
        found |= {"min": int(counts.min()), "median": float(np.median(counts)), "max": int(counts.max())}
    return found


def reasons(aside: pd.DataFrame) -> Facts:
    """How many were set aside, and for each reason how many and which, most frequent first."""
    counts = datasets.reasons_of(aside["reason"])
    kinds = aside["reason"].map(datasets.plain)
    rows = [
        {
            "reason": str(reason),
            "count": int(count),
            "examples": aside["sample_id"][kinds == reason].iloc[:EXAMPLES].tolist(),
        }
        for reason, count in counts.head(REASONS).items()
    ]
    return {"count": len(aside), "reasons": rows, "other": int(counts.iloc[REASONS:].sum())}


def removed(name: str, overlap: Mapping[str, Any] | None) -> Facts:
    """What overlap took out of it, or why it took nothing."""
    counts = (overlap or {}).get("removed", {}).get(name)
    if counts is None:
        return {"searched": False, "why": PROTECTED if overlap is None else NOT_SEARCHED}
    return {"searched": True, **counts}


def numbers(card: Facts) -> Facts:
    """Those by which two versions of a dataset are compared."""
    counts, aside, resolution = card["counts"], card["set_aside"], card["resolution"]
    return {
        **counts,
        "set_aside": {step: found["count"] for step, found in aside.items()},
        "images_per_identity": {
            key: card["images_per_identity"].get(key) for key in ("min", "median", "max", "single")
        },
        "enlarged": resolution["enlarged"],
        "blur": card["blur"]["quantiles"],
        "evenness": {name: found["evenness"] for name, found in card["attributes"].items()},
        "cohorts": {key: card["cohorts"][key] for key in ("seen", "faces", "evenness")},
    }


def in_a_line(card: Facts) -> str:
    """ "3,200 faces of 200 people, 4 set aside, terms of use not stated"."""
    counts = card["counts"]
    people = f"{counts['identities']:,} people" if counts["identities"] else "nobody known"
    aside = sum(found["count"] for found in card["set_aside"].values())
    terms = "terms of use in it" if card["terms"] else "terms of use not stated"
    return f"{counts['faces']:,} faces of {people}, {aside:,} set aside, {terms}"


def sheet(dataset: records.Dataset, rows: Sequence[int]) -> str | None:
    """Faces from all over `rows`, as a picture; None without any."""
    chosen = [rows[at] for at in images.spread(len(rows), FACES)]
    return images.sheet([dataset.image(row) for row in chosen], COLUMNS) if chosen else None


def page(card: Facts, faces: str | None) -> str:
    """The card as one HTML page, with a sheet of faces."""
    shown = {"sheet": faces, "charts": dict(_charts(card)), "cohort_sizes": cohort_sizes(card["cohorts"])}
    shown["made"] = {"source": card["source"], **card["settings"]}
    return html.render("dataset_card.html.j2", {**card, **shown})


def cohort_sizes(cohorts: Facts) -> dict[str, int]:
    """Faces of a cohort in words -> how many cohorts have so many; only what occurs."""
    low, high = cohorts["edges"], cohorts["edges"][1:]
    words = [
        "no face",
        *(f"{a:,} to {b - 1:,}" for a, b in zip(low, high, strict=False)),
        f"{low[-1]:,} or more",
    ]
    return {word: count for word, count in zip(words, cohorts["cohorts"], strict=True) if count}


def _charts(card: Facts) -> Iterator[tuple[str, str | None]]:
    """Histograms of what was counted, by name; None where nothing was."""
    each, resolution, sharp = card["images_per_identity"], card["resolution"], card["blur"]
    drawn = (
        ("identities", each["identities"], each["edges"], "Images of an identity", "images", "identities"),
        ("photo", resolution["photo"], resolution["edges"], "Images, shorter side", "pixels", "faces"),
        ("square", resolution["square"], resolution["edges"], "What a crop shows of them", "pixels", "faces"),
        ("blur", sharp["faces"], sharp["edges"], "Sharpness of crops", "variance of the Laplacian", "faces"),
    )
    for name, counts, edges, title, across, up in drawn:
        drawn_as = f"{card['dataset']}-{name}"
        yield name, figures.histogram(counts, edges, drawn_as, title, across, up) if sum(counts) else None
