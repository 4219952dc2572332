"""What justifies the removals: impostors and best matches as histograms, removed faces and their matches.

reasons.parquet: whom of which protected set every removed face is, how similar, above what threshold; of what
goes for mistakes inside a set, which other identity of that set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import files, records
from pipeline.evaluate import figures, tail
from pipeline.evaluate.duplicates import REASON as DUPLICATE
from pipeline.evaluate.overlap import COLUMNS, kind_name
from pipeline.evaluate.removals import INSIDE, Found
from pipeline.records import Dataset, Image

REASONS = pa.schema(list(zip(COLUMNS, [pa.string()] * 6 + [pa.float64()] * 2, strict=True)))
SHOWN, EACH = 12, 3  # removed people or faces in the picture, and images of each


def write(folder: Path, found: Found, datasets: Mapping[str, Path]) -> dict[str, Any]:
    """reasons.parquet, similarity.json, two pictures; returns the thresholds and what they let expect."""
    impostors, candidates, thresholds = {}, {}, {}
    bounds = {kind: bound.mutual for kind, bound in found.bounds.items()}
    mutual = {kind: value if np.isfinite(value) else None for kind, value in bounds.items()}
    for kind, (limit, scores) in found.limits.items():
        name = kind_name(kind)
        mine = {dataset: match for (dataset, other), match in found.matches.items() if other == kind}
        impostors[name] = {
            "histogram": scores.histogram.tolist(),
            "threshold": limit.value,
            "mutual": mutual[kind],
            "rate": limit.rate,
        }
        candidates[name] = {
            dataset: tail.histogram(match.similarity).tolist() for dataset, match in mine.items()
        }
        compared = {dataset: match.compared for dataset, match in mine.items()}
        expected = {dataset: limit.rate * count for dataset, count in compared.items()}
        thresholds[name] = {
            **limit.about(),
            "mutual": mutual[kind],
            "comparisons": compared,
            "expected_false_matches": expected,
        }
    document = {"impostors": impostors, "candidates": candidates, "thresholds": thresholds, "bins": [-1, 1]}
    files.write_json(folder / "similarity.json", document)
    records.write_parquet(folder / "reasons.parquet", pa.Table.from_pylist(found.rows, REASONS))
    figures.similarity(impostors, candidates, folder / "similarity.png")
    opened = {name: Dataset(at) for name, at in datasets.items()}
    figures.sheet(removed(found.rows, opened), folder / "removed.png")
    if copies := copied(found.rows, opened):
        figures.sheet(copies, folder / "duplicates.png")
    return {"thresholds": thresholds}


def removed(
    rows: Sequence[Mapping[str, Any]], opened: Mapping[str, Dataset]
) -> list[tuple[str, list[Image | None]]]:
    """The most and the least similar removals by embedding: removed faces, a gap, faces of the match."""
    people: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        if row["reason"] not in ("name", DUPLICATE, *INSIDE):
            people.setdefault((row["dataset"], row["identity"] or row["sample_id"]), row)
    return [
        _side_by_side(opened, row, row["identity"] or row["sample_id"], EACH)
        for row in _ends(list(people.values()))
    ]


def copied(
    rows: Sequence[Mapping[str, Any]], opened: Mapping[str, Dataset]
) -> list[tuple[str, list[Image | None]]]:
    """The most and the least similar images removed as near-duplicates, beside what they are copies of."""
    mine = [row for row in rows if row["reason"] == DUPLICATE]
    return [_side_by_side(opened, row, row["sample_id"], 1) for row in _ends(mine)]


def _ends(rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """SHOWN rows at most: those of the highest and of the lowest similarity."""
    ranked = sorted(rows, key=lambda row: -row["similarity"])
    return ranked if len(ranked) <= SHOWN else ranked[: SHOWN // 2] + ranked[-SHOWN // 2 :]


def _side_by_side(
    opened: Mapping[str, Dataset], row: Mapping[str, Any], who: str, each: int
) -> tuple[str, list[Image | None]]:
    own, matched = (
        figures.faces_of(opened[row["dataset"]], who, each),
        figures.faces_of(opened[row["benchmark"]], row["matched"], each),
    )
    return f"{who} = {row['matched']}, {row['similarity']:.3f}", [*own, None, *matched]
