import numpy as np

from pipeline.detectors import source
from pipeline.geometry import five_of_68
from pipeline.records import Sample

IMAGE = np.zeros((8, 8, 3), np.uint8)
RNG = np.random.default_rng(0)


def detect(**known):
    return source.build(source.Params(), None).detect(Sample("a", b"", **known), IMAGE)


def one(**known):
    (face,) = detect(**known)
    return face


def test_what_the_sample_knows():
    points = RNG.normal(size=10).tolist()
    face = one(box=[1, 2, 3, 4], points5=points, points68=RNG.normal(size=136).tolist())
    assert face.box.tolist() == [1, 2, 3, 4]
    assert face.points5.ravel().tolist() == points
    assert face.points5.shape == (5, 2)
    assert face.score == 1


def test_five_points_come_from_68_where_only_those_are_there():
    points = RNG.normal(size=136)
    face = one(points68=points.tolist())
    assert face.box is None
    np.testing.assert_array_equal(face.points5, five_of_68(points))


def test_nothing_known_is_no_face():
    assert detect() == []
    assert one(box=[1, 2, 3, 4]).points5 is None
