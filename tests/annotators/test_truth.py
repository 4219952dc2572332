import numpy as np

from pipeline.annotators import COLUMNS, truth


def annotate(frame, **known):
    return truth.build(truth.Params()).annotate(frame(**known))


def test_what_is_known_is_coded_and_sure(frame):
    found = annotate(
        frame,
        age=[12, 35, 70],
        gender=[0, 1, 1],
        race=[0, 4, 2],
        yaw=[-45, 0, 31],
        pitch=[10, -31, 40],
        roll=[1, 2, 3],
    )
    assert list(found.columns) == list(COLUMNS)
    assert found["age_group"].tolist() == [0, 1, 2]
    assert found["gender"].tolist() == [0, 1, 1]
    assert found["race"].tolist() == [0, 4, 2]
    assert found["yaw"].tolist() == [0, 2, 1]
    assert found["pitch"].tolist() == [2, 0, 1]
    assert found["roll_degrees"].tolist() == [1, 2, 3]
    assert (found[[c for c in COLUMNS if c.endswith("confidence")]] == 1).all(axis=None)


def test_what_is_not_known_is_not_made_up(frame):
    found = annotate(frame, age=[None, 20], gender=[1, None])
    assert found["age_group"].tolist() == [-1, 1]
    assert found["gender"].tolist() == [1, -1]
    assert found["race"].tolist() == found["yaw"].tolist() == [-1, -1]
    assert found["gender_confidence"].tolist() == [1, 0]
    assert np.isnan(found["yaw_degrees"]).all()


def test_the_order_of_rows_does_not_matter(frame):
    ages = list(range(0, 90, 7))
    forward, backward = annotate(frame, age=ages), annotate(frame, age=ages[::-1])
    assert forward["age_group"].tolist() == backward["age_group"].tolist()[::-1]


def test_no_faces(frame):
    assert annotate(frame, age=[]).empty
