"""What justifies the removals: impostors and best matches as histograms, removed faces and their matches.

reasons.parquet: whom of which protected set every removed face is, how similar, above what threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import files, records
from pipeline.evaluate import figures, tail
from pipeline.evaluate.overlap import COLUMNS, Bound, Kind, Match, Measured, kind_name
from pipeline.records import Dataset, Image

REASONS = pa.schema(list(zip(COLUMNS, [pa.string()] * 6 + [pa.float64()] * 2, strict=True)))
SHOWN, EACH = 12, 3  # removed people or faces in the picture, and images of each


def write(
    folder: Path,
    limits: Mapping[Kind, Measured],
    matches: Mapping[tuple[str, Kind], Match],
    bounds: Mapping[Kind, Bound],
    rows: Sequence[Mapping[str, Any]],
    datasets: Mapping[str, Path],
) -> dict[str, Any]:
    """reasons.parquet, similarity.json, two pictures; returns the thresholds and what they let expect."""
    impostors, candidates, thresholds = {}, {}, {}
    mutual = {kind: bound.mutual if np.isfinite(bound.mutual) else None for kind, bound in bounds.items()}
    for kind, (limit, scores) in limits.items():
        name = kind_name(kind)
        mine = {dataset: match for (dataset, other), match in matches.items() if other == kind}
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
    records.write_parquet(folder / "reasons.parquet", pa.Table.from_pylist(rows, REASONS))
    figures.similarity(impostors, candidates, folder / "similarity.png")
    figures.sheet(removed(rows, datasets), folder / "removed.png")
    return {"thresholds": thresholds}


def removed(
    rows: Sequence[Mapping[str, Any]], datasets: Mapping[str, Path]
) -> list[tuple[str, list[Image | None]]]:
    """The most and the least similar removals by embedding: removed faces, a gap, faces of the match."""
    people: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        if row["reason"] != "name":
            people.setdefault((row["dataset"], row["identity"] or row["sample_id"]), row)
    ranked = sorted(people.values(), key=lambda row: -row["similarity"])
    shown = ranked if len(ranked) <= SHOWN else ranked[: SHOWN // 2] + ranked[-SHOWN // 2 :]
    opened = {name: Dataset(folder) for name, folder in datasets.items()}
    pictures = []
    for row in shown:
        who = row["identity"] or row["sample_id"]
        own, matched = _faces(opened[row["dataset"]], who), _faces(opened[row["benchmark"]], row["matched"])
        pictures.append((f"{who} = {row['matched']}, {row['similarity']:.3f}", [*own, None, *matched]))
    return pictures


def _faces(data: Dataset, who: str) -> list[Image | None]:
    """EACH faces of an identity, or the one with this sample id; gaps where there are fewer."""
    frame = data.frame(["sample_id", "identity"])
    rows = np.flatnonzero((frame["sample_id"] == who) | (frame["identity"] == who))[:EACH]
    return [*(data.image(int(row)) for row in rows), *[None] * (EACH - len(rows))]
