"""What a table beside the data says of its samples: annotations made elsewhere, or before.

    annotations.parquet: sample_id, and any of `annotators.COLUMNS` (codes, *_confidence, *_degrees)

Columns that are absent are unknown; a code without a confidence is sure. A sample that the table lacks is
unknown; of a sample that it has twice, of a code that does not exist it is an error that names it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline import records
from pipeline.annotators import ANGLES, ATTRIBUTES, SIZES, UNKNOWN, Photos, answer
from pipeline.strict import Inside, Strict


class Params(Strict):
    """Which table."""

    path: Inside = "annotations.parquet"  # in the dataset's folder


class AnnotationsError(ValueError):
    """A table that can't be read as annotations."""


class Given:
    """Looks samples up by their id."""

    def __init__(self, path: str) -> None:
        self.path = path

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame:
        if photos is None:
            raise ValueError("given reads a table of the dataset's folder: it needs the photos")
        path = photos.raw / self.path
        if not path.is_file():
            raise AnnotationsError(f"{path} does not exist: annotator `given` reads it")
        table = records.read_parquet(path)
        if "sample_id" not in table:
            raise AnnotationsError(f"{path} has no column sample_id, only {', '.join(map(str, table))}")
        if table["sample_id"].duplicated().any():
            twice = table["sample_id"][table["sample_id"].duplicated()].iloc[0]
            raise AnnotationsError(f"{path} has {twice!r} twice")
        for name in set(ATTRIBUTES) & set(table):
            wrong = ~table[name].fillna(UNKNOWN).isin(range(UNKNOWN, SIZES[name]))
            if wrong.any():
                row = table[wrong].iloc[0]
                told = f"{path}: {name} of {row['sample_id']!r} is {row[name]}"
                raise AnnotationsError(f"{told}, should be -1 to {SIZES[name] - 1}")
        table = table.set_index("sample_id").reindex(frame["sample_id"])
        codes = {name: table[name].fillna(UNKNOWN).to_numpy(np.int8) for name in ATTRIBUTES if name in table}
        sure = {
            name: table.get(f"{name}_confidence", pd.Series(1.0, table.index)).fillna(0).to_numpy(np.float32)
            for name in codes
        }
        degrees = {
            name: table[f"{name}_degrees"].to_numpy(np.float32)
            for name in ANGLES
            if f"{name}_degrees" in table
        }
        return answer(codes, sure, degrees, frame.index)


def build(params: Params) -> Given:
    return Given(params.path)
