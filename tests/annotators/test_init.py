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
            "gender": {"faces": 2, "equal": 0.5, "kappa": 0.0, "confusion": [[1, 0], [1, 0]]},
            "yaw": {
                "faces": 3,
                "equal": pytest.approx(2 / 3),
                "kappa": pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3)),
                "confusion": [[0, 0, 0], [0, 1, 0], [1, 0, 1]],
                "degrees": pytest.approx(17),
            },
        }
    }
    assert annotators.agreement({"a": a}) == {}


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_scikit_learn_s(say, seed):
    from sklearn.metrics import cohen_kappa_score, confusion_matrix

    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, (2, 60))
    b = np.where(rng.random(60) < 0.5, a, b)
    found = annotators.agreement({"a": say(race=a), "b": say(race=b)})["a, b"]["race"]
    assert found["kappa"] == pytest.approx(cohen_kappa_score(a, b))
    assert found["confusion"] == confusion_matrix(a, b, labels=range(5)).tolist()


def test_kappa_at_its_ends(say):
    assert annotators.kappa(np.diag([3, 5])) == pytest.approx(1)
    assert annotators.kappa(np.array([[4, 0], [0, 0]])) is None
    assert annotators.kappa(np.array([[0, 4], [4, 0]])) == pytest.approx(-1)


def test_the_way_back_from_a_cohort(say):
    for number in range(annotators.COHORTS):
        codes = annotators.codes_of(number)
        assert list(codes) == list(ATTRIBUTES)
        columns = {name: [code] for name, code in codes.items()}
        assert annotators.cohort(say(**columns)).tolist() == [number]
    with pytest.raises(ValueError, match="cohort 270: should be 0 to 269"):
        annotators.codes_of(270)


def people(say, count=4000, seed=0):
    """Faces of few cohorts, unevenly spread, some unknown; confidences anything."""
    rng = np.random.default_rng(seed)
    codes = {name: rng.choice(2, count, p=[0.8, 0.2]) for name in ATTRIBUTES}
    codes["gender"] = np.where(rng.random(count) < 0.05, -1, codes["gender"])
    frame = say(**codes)
    for name in ATTRIBUTES:
        sure = rng.uniform(0.4, 1, count).astype(np.float32)
        frame[f"{name}_confidence"] = np.where(frame[name] == -1, 0, sure)
    return frame


def test_a_cohort_is_as_sure_as_the_least_sure_attribute(say):
    frame = people(say, 50)
    slow = [min(row[f"{name}_confidence"] for name in ATTRIBUTES) for _, row in frame.iterrows()]
    np.testing.assert_allclose(annotators.cohort_confidence(frame), slow)


def test_the_balanced_set(say):
    """Every cohort with enough sure faces has so many of them, drawn from all; the others have none."""
    frame = people(say)
    rows = annotators.balanced(frame, 20, 0.5, seed=3)
    assert rows.tolist() == sorted(set(rows.tolist()))
    codes, sure = annotators.cohort(frame), annotators.cohort_confidence(frame)
    enough = {code for code in set(codes.tolist()) - {-1} if ((codes == code) & (sure > 0.5)).sum() >= 20}
    assert 3 < len(enough) < len(set(codes.tolist()) - {-1})
    chosen, counts = np.unique(codes[rows], return_counts=True)
    assert set(chosen.tolist()) == enough
    assert set(counts.tolist()) == {20}
    assert (sure[rows] > 0.5).all()
    assert rows.tolist() == annotators.balanced(frame, 20, 0.5, seed=3).tolist()
    assert rows.tolist() != annotators.balanced(frame, 20, 0.5, seed=4).tolist()
    largest = np.flatnonzero((codes == np.bincount(codes[codes >= 0]).argmax()) & (sure > 0.5))
    taken = np.isin(largest, rows)
    assert taken[: len(taken) // 2].any(), "not the first or the last ones alone"
    assert taken[len(taken) // 2 :].any()


def test_a_balanced_set_of_nobody(say):
    assert annotators.balanced(people(say), 10_000, 0.5, 0).tolist() == []
    assert annotators.balanced(people(say)[:0], 1, 0.5, 0).tolist() == []
