"""Pairs whose similarity is near the threshold: a list for a person to decide, and the decisions to copy.

    near    |<c, c'> - t| <= band

t is the threshold that the pair is held against: that of mutual matches where each is the other's nearest.
Pairs that were decided, and people who are removed by name or with another part of themselves, are not asked
about again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import decisions, files, records
from pipeline.evaluate import figures
from pipeline.evaluate.figures import faces_of
from pipeline.evaluate.overlap import Faces, kind_name
from pipeline.evaluate.removals import Found
from pipeline.evaluate.within import MERGED
from pipeline.records import Dataset

TEXT = ("dataset", "who", "benchmark", "matched", "kind")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in TEXT]
    + [("similarity", pa.float64()), ("threshold", pa.float64()), ("goes", pa.bool_())]
)
SHOWN, EACH = 24, 3  # pairs in the picture, and images of each side
LISTED = 500  # entries to copy
HEAD = """\
# Pairs near the threshold, the closest first (their pictures: borderline.png). To decide one, copy its line
# to {file} with `accept` (one person: it goes) or `reject` (two people: it stays).
"""


def near(found: Found, every: Mapping[str, Faces], band: float) -> list[dict[str, Any]]:
    """Pairs within `band` of their threshold, the nearest first; every decided or named one left out."""
    named = {
        (row["dataset"], row["identity"] or row["sample_id"])
        for row in found.rows
        if row["reason"] in ("name", MERGED)
    }
    pairs = []
    for (dataset, kind), match in found.matches.items():
        bound, labels = found.bounds[kind], every[dataset].units.label
        limit = np.where(match.mutual & np.isfinite(bound.mutual), bound.mutual, bound.match)
        for i in np.flatnonzero(np.abs(match.similarity - limit) <= band):
            pair = (dataset, labels[match.unit[i]], match.benchmark[i], match.matched[i])
            if pair in found.verdicts.decided or pair[:2] in named:
                continue
            numbers = (kind_name(kind), float(match.similarity[i]), float(limit[i]))
            goes = bool(match.similarity[i] >= limit[i])
            pairs.append(dict(zip(SCHEMA.names, (*pair, *numbers, goes), strict=True)))
    return sorted(pairs, key=lambda row: (abs(row["similarity"] - row["threshold"]), *map(row.get, TEXT)))


def write(folder: Path, pairs: Sequence[Mapping[str, Any]], datasets: Mapping[str, Path], to: str) -> None:
    """borderline.parquet, and where there are pairs, borderline.yaml and borderline.png."""
    records.write_parquet(folder / "borderline.parquet", pa.Table.from_pylist(list(pairs), SCHEMA))
    if not pairs:
        return
    files.write_text(
        folder / "borderline.yaml",
        HEAD.format(file=Path(to) / decisions.FILE) + "".join(map(_line, pairs[:LISTED])),
    )
    opened = {name: Dataset(at) for name, at in datasets.items()}
    rows = []
    for number, pair in enumerate(pairs[:SHOWN], 1):
        own = faces_of(opened[pair["dataset"]], pair["who"], EACH)
        other = faces_of(opened[pair["benchmark"]], pair["matched"], EACH)
        rows.append((f"{number}. {pair['who']} ? {pair['matched']}, {told(pair)}", [*own, None, *other]))
    figures.sheet(rows, folder / "borderline.png")


def told(pair: Mapping[str, Any]) -> str:
    """ "0.612 of 0.605, goes"."""
    return f"{pair['similarity']:.3f} of {pair['threshold']:.3f}, {'goes' if pair['goes'] else 'stays'}"


def _line(pair: Mapping[str, Any]) -> str:
    """An entry of decisions.yaml that is still to be decided, and what it rests on."""
    import yaml

    entry = {key: pair[key] for key in ("dataset", "who", "benchmark", "matched")} | {"verdict": "undecided"}
    flow = yaml.safe_dump([entry], default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return f"- {flow.strip()[1:-1]}  # {told(pair)}\n"
