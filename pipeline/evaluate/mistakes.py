"""What was found inside the datasets as files: tables, pictures, and the mapping that a training applies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records
from pipeline.evaluate import figures
from pipeline.evaluate.within import Inside
from pipeline.records import Dataset

TEXT, NUMBER = pa.string(), pa.float64()
MERGED = pa.schema([("dataset", TEXT), ("identity", TEXT), ("into", TEXT)])
MERGES = pa.schema([*MERGED, ("alike", TEXT), ("similarity", NUMBER), ("threshold", NUMBER)])
MISPLACED = pa.schema(
    [
        *(("dataset", TEXT), ("sample_id", TEXT), ("identity", TEXT)),
        *(("similarity", NUMBER), ("threshold", NUMBER), ("other", TEXT), ("other_similarity", NUMBER)),
    ]
)
SHOWN, EACH = 16, 3  # rows of a picture, and images of each person


def applied(inside: Inside, merge: bool) -> pa.Table:
    """What trainings read: identities that they take for a part of another one; none unless `merge`."""
    rows = [{name: row[name] for name in MERGED.names} for row in inside.merges] if merge else []
    return pa.Table.from_pylist(sorted(rows, key=lambda row: (row["dataset"], row["identity"])), MERGED)


def write(folder: Path, inside: Inside, datasets: Mapping[str, Path]) -> None:
    """merges.parquet and misplaced.parquet, the surest first, and a picture of each that has rows."""
    records.write_parquet(folder / "merges.parquet", pa.Table.from_pylist(inside.merges, MERGES))
    records.write_parquet(folder / "misplaced.parquet", pa.Table.from_pylist(inside.misplaced, MISPLACED))
    opened = {name: Dataset(at) for name, at in datasets.items()}
    if inside.merges:
        sheet = [_pair(opened, row) for row in inside.merges[:SHOWN]]
        figures.sheet(sheet, folder / "merges.png")
    if inside.misplaced:
        figures.sheet([_alone(opened, row) for row in inside.misplaced[:SHOWN]], folder / "misplaced.png")


def _pair(opened: Mapping[str, Dataset], row: Mapping[str, Any]) -> Any:
    """The two that are alike, and whose part they are in the end where that is a third."""
    data, told = opened[row["dataset"]], f"{row['identity']} = {row['alike']}, {row['similarity']:.3f}"
    told += f", both {row['into']}" if row["into"] != row["alike"] else ""
    left, right = (figures.faces_of(data, row[key], EACH) for key in ("identity", "alike"))
    return told, [*left, None, *right]


def _alone(opened: Mapping[str, Dataset], row: Mapping[str, Any]) -> Any:
    """The image, its identity, and the likest other one."""
    data = opened[row["dataset"]]
    own, other = (figures.faces_of(data, row[key], EACH) for key in ("identity", "other"))
    own_told, other_told = f"{row['similarity']:.3f} to its own", f"{row['other_similarity']:.3f}"
    told = f"{row['sample_id']}: {own_told}, {other_told} to {row['other']}"
    return told, [*figures.faces_of(data, row["sample_id"], 1), None, *own, None, *other]
