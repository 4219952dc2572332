"""How long the lists are by which the faces of a dataset are compared; read a batch of rows at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records

PAIRED = {"pairs": "pairs", "template_pairs": "pairs of templates"}  # tables, and what they are lists of


def describe(dataset: records.Dataset) -> Iterator[dict[str, Any]]:
    """Every list: its name, what it is of, and its numbers."""
    members = counts_of(dataset.folder / "templates.parquet", "template")
    if members:
        numbers = {"templates": len(members), "images": sum(members.values())}
        yield {"list": "templates", "kind": "templates", **numbers}
    for table, kind in PAIRED.items():
        pairs = counts_of(dataset.folder / f"{table}.parquet", "protocol", "same")
        for name in sorted({name for name, _ in pairs}):
            numbers = {"genuine": pairs[name, True], "impostor": pairs[name, False]}
            yield {"list": name, "kind": kind, **numbers}
    roles = counts_of(dataset.folder / "searches.parquet", "protocol", "role")
    for name in sorted({name for name, _ in roles}):
        numbers = {role: count for (search, role), count in sorted(roles.items()) if search == name}
        yield {"list": name, "kind": "search", **numbers}
    faces = counts_of(dataset.folder / "splits.parquet", "protocol", "split")
    for name in sorted({name for name, _ in faces}):
        numbers = {"splits": len(sizes := [count for (each, _), count in faces.items() if each == name])}
        yield {
            "list": name,
            "kind": "all pairs of splits",
            **numbers,
            "faces": round(sum(sizes) / len(sizes)),
        }


def counts_of(path: Path, *columns: str) -> Counter[tuple[Any, ...]]:
    """Rows by what stands in these columns; none where there is no such table."""
    import pyarrow.parquet as pq

    found: Counter[tuple[Any, ...]] = Counter()
    if path.exists():
        for batch in pq.ParquetFile(path).iter_batches(columns=list(columns)):
            counted = pa.Table.from_batches([batch]).group_by(list(columns)).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                found[tuple(row[column] for column in columns)] += row["count_all"]
    return found
