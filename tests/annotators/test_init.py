from itertools import product

import numpy as np
import pandas as pd
import pytest

from pipeline import annotators
from pipeline.annotators import ATTRIBUTES, COLUMNS, SIZES


def test_every_cohort_has_a_number_of_its_own(say):
    everyone = list(
        product(*(range(SIZES[name]) for name in ("age_group", "gender", "race", "pitch", "yaw")))
    )
    columns = dict(zip(("age_group", "gender", "race", "pitch", "yaw"), np.array(everyone).T, strict=True))
    assert annotators.cohort(say(**columns)).tolist() == list(range(270))


def test_a_cohort_by_hand(say):
    codes = {"age_group": [2, 2], "gender": [1, 1], "race": [3, 3], "pitch": [0, 0], "yaw": [1, -1]}
    assert annotators.cohort(say(**codes)).tolist() == [2 * 90 + 1 * 45 + 3 * 9 + 0 * 3 + 1, -1]


def test_codes_that_do_not_exist(say):
    codes = {name: [5 if name == "race" else 0] for name in ATTRIBUTES}
    with pytest.raises(ValueError, match="race: codes 5 to 5, should be -1 to 4"):
        annotators.cohort(say(**codes))


@pytest.mark.parametrize(
    ("degrees", "code"), [(-90, 0), (-30.1, 0), (-30, 2), (0, 2), (30, 2), (30.1, 1), (90, 1), (np.nan, -1)]
)
def test_angle_bins(degrees, code):
    assert annotators.angle_bin(np.array([degrees], np.float32)).tolist() == [code]


@pytest.mark.parametrize(
    ("years", "group"), [(0, 0), (19.9, 0), (20, 1), (49.9, 1), (50, 2), (120, 2), (np.nan, -1)]
)
def test_age_groups(years, group):
    assert annotators.age_group(np.array([years], np.float32)).tolist() == [group]


def test_the_first_that_knows_counts(say):
    first = say(gender=[0, -1, -1], yaw=[1, -1, -1], degrees={"yaw": [40, np.nan, np.nan]}, confidence=0.7)
    second = say(gender=[1, 1, -1], yaw=[0, 0, -1], degrees={"yaw": [-50, -60, np.nan]}, confidence=0.9)
    best = annotators.combine({"a": first, "b": second}, first.index)
    assert list(best.columns) == [*COLUMNS, "cohort"]
    assert best["gender"].tolist() == [0, 1, -1]
    np.testing.assert_allclose(best["gender_confidence"], [0.7, 0.9, 0], atol=1e-6)
    assert best["yaw"].tolist() == [1, 0, -1]
    np.testing.assert_array_equal(best["yaw_degrees"], [40, -60, np.nan])
    assert best["cohort"].tolist() == [-1, -1, -1]
    assert {str(best[name].dtype) for name in ATTRIBUTES} == {"int8"}
    assert {str(best[f"{name}_confidence"].dtype) for name in ATTRIBUTES} == {"float32"}


def test_nobody_says_anything():
    best = annotators.combine({}, pd.RangeIndex(2))
    assert best["cohort"].tolist() == [-1, -1]
    assert annotators.combine({}, pd.RangeIndex(0)).empty


def test_agreement_counts_only_faces_that_both_know(say):
    a = say(gender=[0, 1, -1, 1], yaw=[1, 2, 2, -1], degrees={"yaw": [40, 0, 10, np.nan]})
    b = say(gender=[0, 0, 1, -1], yaw=[1, 0, 2, 2], degrees={"yaw": [50, -40, 11, 0]})
    found = annotators.agreement({"a": a, "b": b})
    assert found == {
        "a, b": {
            "gender": {"faces": 2, "equal": 0.5},
            "yaw": {"faces": 3, "equal": pytest.approx(2 / 3), "degrees": pytest.approx(17)},
        }
    }
    assert annotators.agreement({"a": a}) == {}
