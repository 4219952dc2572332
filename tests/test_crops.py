import json

import numpy as np
import pytest

from pipeline import crops, geometry, records
from pipeline.crops import Cropper, Params, SetAside, blurred
from pipeline.detectors import Detection
from pipeline.records import Sample

RNG = np.random.default_rng(0)


class Fixed:
    """Sees the same faces everywhere."""

    absent = "nothing to see"
    shared = True

    def __init__(self, *faces):
        self.faces = [face for face in faces if face is not None]

    def check(self, sample_ids):
        pass

    def detect(self, sample, image):
        return self.faces


def png(height=100, width=120):
    return records.encode(RNG.integers(0, 256, (height, width, 3), np.uint8), 101)


def face(angle=0.0):
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (geometry.template(60) - 30) @ matrix.T + [60, 50]
    return Detection(np.array([30.0, 20.0, 50.0, 60.0]), points)


def test_an_aligned_crop_turns_the_roll_and_moves_every_point():
    """A head that hangs by 20 degrees stands upright in the crop."""
    sixty_eight = RNG.uniform(20, 80, 136).tolist()
    sample = Sample("a", png(), roll=20.0, yaw=7.0, points68=sixty_eight, gender=1)
    cropped = Cropper(Fixed(face(20)), "aligned", 64, quality=101)(sample)[0]
    assert cropped.roll == pytest.approx(0, abs=1e-9)
    assert (cropped.yaw, cropped.gender) == (7.0, 1)
    matrix = geometry.similarity(face(20).points5, geometry.template(64))
    slow = [matrix @ [x, y, 1] for x, y in zip(sixty_eight[::2], sixty_eight[1::2], strict=True)]
    np.testing.assert_allclose(np.reshape(cropped.points68, (68, 2)), slow)
    np.testing.assert_allclose(np.reshape(cropped.points5, (5, 2)), geometry.template(64))
    assert sample.roll == 20.0


def test_an_unaligned_crop_leaves_the_roll():
    cropped = Cropper(Fixed(face(20)), "unaligned", 64)(Sample("a", png(), roll=20.0))[0]
    assert cropped.roll == 20
    assert cropped.yaw is None


def test_a_crop_remembers_its_image_and_does_not_write_it():
    cropped = Cropper(Fixed(face()), "unaligned", 64, margin=0.5)(Sample("a", png(100, 120)))[0]
    assert (cropped.photo, round(cropped.square, 6)) == (100, 90.0)
    assert cropped.row().keys() == Sample("a", b"").row().keys()


def test_resolution_is_counted_in_bins():
    edges = crops.EDGES
    assert list(edges) == sorted(set(edges))
    found = crops.Resolution(64)
    for photo, square in ((15, 3.0), (16, 63.999), (10_000, 63.9)):
        found.add(photo, square)
    found.add(64, 64, faces=5)
    told = found.told()
    bins = [0, *edges]
    count = {key: {bins[at]: n for at, n in enumerate(told[key]) if n} for key in ("photo", "square")}
    assert count == {"photo": {0: 1, 16: 1, 64: 5, edges[-1]: 1}, "square": {0: 1, 64: 6, 56: 1}}
    assert told["enlarged"] == 2
    json.dumps(told)


def test_quality_above_100_loses_nothing():
    sample = Sample("a", png())
    cropped = Cropper(Fixed(face()), "unaligned", 80, quality=101)(sample)[0]
    expected, _ = geometry.unaligned(records.decode(sample.image), face().box, 80, 0.0)
    np.testing.assert_array_equal(records.decode(cropped.image), expected)


@pytest.mark.parametrize(
    ("found", "method", "image", "reason"),
    [
        (None, "aligned", png(), "nothing to see"),
        (Detection(face().box, None), "aligned", png(), "needs landmarks"),
        (Detection(None, face().points5), "unaligned", png(), "needs a box"),
        (Detection(None, np.zeros((5, 2))), "aligned", png(), "on a line"),
        (face(), "aligned", b"", "not an image"),
    ],
)
def test_what_gives_no_crop_says_why(found, method, image, reason):
    (aside,) = Cropper(Fixed(found), method, 64)(Sample("a", image))
    assert isinstance(aside, SetAside)
    assert aside.sample_id == "a"
    assert reason in aside.reason


def small(x):
    return Detection(np.array([x, 40.0, 20.0, 20.0]), geometry.template(20) + np.array([x, 40]))


def test_of_several_faces_one_counts_and_keeps_all_that_is_known():
    sample = Sample("a", png(), identity="Al", name="Al", age=30.0)
    for rule, box in (("largest", face().box), ("central", small(50.0).box)):
        (crop,) = Cropper(Fixed(small(50.0), face()), "unaligned", 64, faces=rule)(sample)
        matrix = geometry.unaligned(records.decode(sample.image), box, 64, 0.0)[1]
        np.testing.assert_allclose(crop.box, geometry.move_box(matrix, box))
        assert (crop.sample_id, crop.identity, crop.age) == ("a", "Al", 30.0)


def test_all_faces_are_samples_of_nobody():
    """The middle one lies on a line: it alone is set aside."""
    line = Detection(np.array([30.0, 20.0, 40.0, 40.0]), np.full((5, 2), 50.0))
    known = {"identity": "Al", "name": "Al", "age": 30.0, "yaw": 4.0, "points68": [1.0] * 136}
    made = Cropper(Fixed(small(10.0), line, face()), "aligned", 64, faces="all")(Sample("a", png(), **known))
    assert [one.sample_id for one in made] == ["a#1", "a#2", "a#3"]
    assert [isinstance(one, SetAside) for one in made] == [False, True, False]
    assert made[0].square > made[2].square
    for crop in (made[0], made[2]):
        assert {getattr(crop, name) for name in known} == {None}
        np.testing.assert_allclose(np.reshape(crop.points5, (5, 2)), geometry.template(64), atol=1e-9)
    (alone,) = Cropper(Fixed(face()), "aligned", 64, faces="all")(Sample("a", png(), **known))
    assert (alone.sample_id, alone.identity, alone.yaw) == ("a", "Al", 4.0)


def test_a_sheet_shows_crops_with_their_landmarks():
    sample = Sample("a", records.encode(np.full((64, 64, 3), 90, np.uint8), 101), points5=[10.0, 20.0] * 5)
    sheet = crops.sheet([sample] * 7)
    assert sheet.shape == (2 * 128, 6 * 128, 3)
    assert sheet[41, 21].tolist() == [0, 255, 0]
    assert sheet[128 + 5, 5].tolist() == [90, 90, 90]
    assert sheet[-1, -1].tolist() == [255, 255, 255]
    assert crops.sheet([]).shape == (128, 128, 3)


def test_a_preset_tells_its_blur_only_where_it_has_one():
    assert Params(method="aligned", image_size=64).about() == {
        "method": "aligned", "image_size": 64, "margin": 0.0, "quality": 95
    }  # fmt: skip
    assert Params(method="as_is", image_size=64).about() == {"method": "as_is", "image_size": 64}
    twin = Params(method="as_is", image_size=64, blur=2.0).about()
    assert twin == {"method": "as_is", "image_size": 64, "quality": 95, "blur": 2.0}
    with pytest.raises(ValueError, match="blur"):
        Params(blur=-1)


def test_a_blur_is_gaussian_and_keeps_what_is_plain():
    point = np.zeros((31, 31, 3), np.uint8)
    point[15, 15] = 255
    found = blurred(point, 2.0)[..., 0].astype(float)
    x = np.arange(31) - 15
    line = np.where(np.abs(x) <= 6, np.exp(-(x**2) / 8), 0)
    line /= line.sum()
    np.testing.assert_allclose(found, 255 * np.outer(line, line), atol=1)
    plain = np.full((9, 9, 3), 77, np.uint8)
    assert (blurred(plain, 3.0) == plain).all()
    assert blurred(point, 0.0) is point
