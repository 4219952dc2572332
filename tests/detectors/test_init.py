"""Which of several faces counts."""

import numpy as np
import pytest

from pipeline.detectors import Detection, choose, maker


def face(x, y, width, height, score=1.0):
    return Detection(np.array([x, y, width, height], float), None, score)


def slow(faces, rule, width, height):
    best, most = [], -np.inf
    for one in faces:
        x, y, w, h = one.box
        away = ((x + w / 2 - (width - 1) / 2) ** 2 + (y + h / 2 - (height - 1) / 2) ** 2) ** 0.5
        weight = {"largest": w * h, "central": -away, "prominent": (w * h) ** 0.5 - away}[rule]
        if weight > most:
            best, most = [one], weight
    return best


@pytest.mark.parametrize("rule", ["largest", "central", "prominent"])
@pytest.mark.parametrize("seed", range(7))
def test_one_counts(seed, rule):
    rng = np.random.default_rng(seed)
    faces = [face(*rng.uniform(1, 200, 4)) for _ in range(rng.integers(1, 9))]
    assert choose(faces, rule, 250, 200) == slow(faces, rule, 250, 200)


def test_the_rules_differ():
    """A large one at the side, a small one in the middle, one in between that is surer than both."""
    large, middle, between = face(0, 0, 110, 110), face(120, 90, 10, 10), face(60, 50, 90, 90, 2.0)
    faces = [middle, large, between]
    assert choose(faces, "largest", 250, 200) == [large]
    assert choose(faces, "central", 250, 200) == [middle]
    assert choose(faces, "prominent", 250, 200) == [between]
    assert choose(faces, "all", 250, 200) == [large, between, middle]
    assert choose([], "all", 250, 200) == choose([], "largest", 250, 200) == []


def test_of_equals_the_first():
    first, second = face(0, 0, 20, 20), face(0, 0, 20, 20, 0.5)
    for rule in ("largest", "central", "prominent"):
        assert choose([first, second], rule, 20, 20)[0] is first
    assert [one.score for one in choose([first, second], "all", 20, 20)] == [1.0, 0.5]


@pytest.mark.parametrize("odd", [(0, 0, -300, -300), (0, 0, -300, 300), (0, 0, np.nan, 9), (np.inf, 0, 9, 9)])
def test_a_box_that_is_none_never_counts_beside_others(odd):
    faces = [face(*odd), face(10, 10, 20, 20), face(40, 40, 30, 30)]
    for rule in ("largest", "central", "prominent"):
        assert choose(faces, rule, 100, 100)[0] is not faces[0]
    assert choose(faces, "all", 100, 100) == [faces[2], faces[1]]
    assert choose([faces[0], faces[0]], "all", 100, 100)[0] is faces[0]


def test_landmarks_stand_for_a_box():
    points = np.array([[10, 10], [40, 10], [25, 20], [12, 50], [38, 50]], float)
    known, small, empty = Detection(None, points), face(0, 0, 20, 20), Detection(None, None)
    assert choose([small, empty, known], "largest", 100, 100) == [known]
    assert choose([empty, known, small], "all", 100, 100) == [known, small, empty]


def test_an_unshared_detector_is_made_for_each_thread(monkeypatch):
    from pipeline.detectors import source

    make = maker("source", {}, None)
    assert make() is make()
    monkeypatch.setattr(source.SourceDetector, "shared", False)
    make = maker("source", {}, None)
    assert make() is not make()
