"""A table of annotations beside the data."""

import numpy as np
import pandas as pd
import pytest

from pipeline import annotators
from pipeline.annotators import given
from tests.annotators import nets


@pytest.fixture
def look(tmp_path):
    """look(table) -> what is said of the faces a, b, c."""
    frame, photos = nets.photos(tmp_path / "crops", [nets.sample(name) for name in "abc"])
    photos.raw = tmp_path

    def make(table=None):
        if table is not None:
            pd.DataFrame(table).to_parquet(tmp_path / "annotations.parquet")
        return given.build(given.Params()).annotate(frame, photos)

    return make


def test_what_was_annotated_before_comes_back(look, say):
    """In another order, with one more; as it was, to the bit."""
    rng = np.random.default_rng(0)
    codes = {name: rng.integers(-1, size, 4) for name, size in annotators.SIZES.items()}
    said = say(degrees={"yaw": [1.5, -80, np.nan, 3]}, confidence=0.7, **codes)
    found = look(said.assign(sample_id=["c", "b", "z", "a"], cohort=3))
    pd.testing.assert_frame_equal(found, said.iloc[[3, 1, 0]].reset_index(drop=True))


def test_what_a_table_does_not_tell_is_unknown(look):
    found = look({"sample_id": ["b"], "gender": [1]})
    assert found["gender"].tolist() == [-1, 1, -1]
    assert found["gender_confidence"].tolist() == [0, 1, 0]
    assert (found["race"] == -1).all()
    assert found["yaw_degrees"].isna().all()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, r"annotations\.parquet does not exist: annotator `given` reads it"),
        ({"name": ["a"]}, "has no column sample_id, only name"),
        ({"sample_id": ["a", "b", "a"]}, "has 'a' twice"),
        ({"sample_id": ["a", "b"], "race": [0, 5]}, "race of 'b' is 5, should be -1 to 4"),
    ],
)
def test_what_is_wrong_with_a_table(look, table, told):
    with pytest.raises(given.AnnotationsError, match=told):
        look(table)
