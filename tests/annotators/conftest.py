import numpy as np
import pandas as pd
import pytest

from pipeline import records

COLUMNS = [name for name in records.SCHEMA.names if name != "image"]


@pytest.fixture
def frame():
    """frame(age=[...], ...) -> the columns that annotators get; what is not given is unknown."""

    def make(**known):
        count = len(next(iter(known.values())))
        table = records.pa.table(
            [
                records.pa.array(known.get(name, [None] * count), records.SCHEMA.field(name).type)
                for name in COLUMNS
            ],
            names=COLUMNS,
        )
        return table.to_pandas()

    return make


@pytest.fixture
def say():
    """say(gender=[0, -1], ...) -> an annotator's answer, with confidence 1."""
    from pipeline.annotators import answer

    def make(degrees=None, confidence=1.0, **codes):
        count = len(next(iter(codes.values())))
        sure = {name: np.full(count, confidence) for name in codes}
        return answer(codes, sure, degrees or {}, pd.RangeIndex(count))

    return make
