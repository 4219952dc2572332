"""What a protocol's result leaves in the folder of an evaluation: tables, points of curves, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from pipeline import files, records
from pipeline.evaluate import figures, verification
from pipeline.protocols import Result
from pipeline.records import Dataset

LANDMARKS = "landmarks"  # the protocol of landmark nets; all others are of recognisers


def write(out: Path, protocol: str, result: Result, datasets: Mapping[str, Dataset]) -> None:
    """Files of one protocol, each named after it or after its table."""
    for table, frame in result.tables.items():
        rows = pa.Table.from_pandas(frame, preserve_index=False)
        records.write_parquet(out / f"{table}.parquet", rows.replace_schema_metadata())
    if result.curves:
        files.write_json(out / f"{protocol}_roc.json", result.curves)
        figures.roc(result.curves, out / f"{protocol}_roc.png")
    if result.cmc:
        files.write_json(out / f"{protocol}_cmc.json", result.cmc)
        figures.cmc(result.cmc, out / f"{protocol}_cmc.png")
    if not result.tables:
        return
    if protocol == "pairs":
        verification.draw(out, result.tables["scores"], result.curves, datasets)
    elif protocol == "fairness":
        figures.errors(result.metrics["benchmarks"], out / "errors.png")
    elif protocol == LANDMARKS:
        told = result.metrics["settings"]
        errors, limit = result.tables["landmark_errors"], max(told["limits"])
        figures.cumulative(errors, told["normalisers"], limit, out / "ced.png")
