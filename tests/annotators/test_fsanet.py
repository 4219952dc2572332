"""FSA-Net's wiring on nets that say what the test wants; its signs on real faces."""

import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import geometry, records
from pipeline.annotators import fsanet
from pipeline.weights import WeightsError
from tests.annotators import nets

SHARED = Path(__file__).parents[3] / "shared/data"


@pytest.fixture
def build(tmp_path):
    def make(one=(10.0, 20.0, 5.0), var=(14.0, 20.0, 9.0), **params):
        first = nets.constant(tmp_path / "one.onnx", (64, 64), one)
        second = nets.constant(tmp_path / "var.onnx", (64, 64), var)
        return fsanet.build(fsanet.Params(weights=first, weights_var=second, **params))

    return make


def test_the_mean_of_both_nets_in_our_signs(build, tmp_path):
    frame, photos = nets.photos(tmp_path / "f", [nets.sample("a", box=[3, 4, 30, 40]), nets.sample("b")])
    said = build(spread=2.0).annotate(frame, photos)
    assert said["yaw_degrees"].tolist() == [-12, -12]
    assert said["pitch_degrees"].tolist() == [20, 20]
    assert said["roll_degrees"].tolist() == [7, 7]
    assert said["yaw"].tolist() == [2, 2]
    np.testing.assert_allclose(said["yaw_confidence"], np.exp(-1), rtol=1e-6)  # 2 degrees from the mean
    np.testing.assert_allclose(said["pitch_confidence"], 1)
    assert (said[["age_group", "gender", "race"]] == -1).all(axis=None)


def test_roll_is_that_of_the_crop(build):
    class Turned:
        def face(self, row):
            from pipeline.annotators import Face

            return Face(nets.picture(), np.array([3.0, 4, 30, 40]), None, 25.0)

    frame, _ = _empty()
    said = build().annotate(frame.reindex([0]), Turned())
    assert said["roll_degrees"].tolist() == [7 + 25]


def _empty():
    import pandas as pd

    return pd.DataFrame({"sample_id": []}), None


def test_nobody_and_no_photos(build, tmp_path):
    frame, photos = nets.photos(tmp_path / "f", [])
    assert build().annotate(frame, photos).empty
    with pytest.raises(ValueError, match="fsanet looks at pixels"):
        build().annotate(frame)


def test_another_net(build, tmp_path):
    net = nets.constant(tmp_path / "net.onnx", (112, 112), [0.0] * 136)
    with pytest.raises(
        WeightsError, match=r"annotators\.fsanet\.weights: .*net\.onnx maps .* FSA-Net \[1, 3, 64"
    ):
        fsanet.build(fsanet.Params(weights=net, weights_var=net))
    fine = nets.constant(tmp_path / "fine.onnx", (64, 64), [0.0] * 3)
    with pytest.raises(WeightsError, match=r"annotators\.fsanet\.weights_var: .*none is absent"):
        fsanet.build(fsanet.Params(weights=fine, weights_var=str(tmp_path / "none")))


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")
def test_signs_on_real_faces():
    """A photograph turned clockwise by 20 degrees has so much more roll; a mirrored one other signs."""
    known = json.loads((SHARED / "lfw_a_boxes_landmarks.json").read_text())
    one, var = (str(SHARED / f"weights/fsanet_{name}.onnx") for name in ("1x1", "var"))
    net = fsanet.build(fsanet.Params(weights=one, weights_var=var))
    turned, mirrored = [], []
    with tarfile.open(SHARED / "lfw_a_gray250_folds1-5_and_unpaired.tar") as archive:
        for member in [archive.next() for _ in range(160)][::10]:
            image = records.decode(archive.extractfile(member).read())
            box = np.array(known[member.name.split("/")[-1]][:4])
            level = look(net, image, box)
            middle = tuple((box[:2] + box[2:] / 2).tolist())
            clockwise = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, -20, 1), (250, 250))
            turned.append(look(net, clockwise, box) - level)
            other = box.copy()
            other[0] = 249 - box[0] - box[2]
            flipped = np.ascontiguousarray(image[:, ::-1])
            mirrored.append(look(net, flipped, other) - level * [-1, 1, -1])
    assert np.mean(turned, 0)[2] == pytest.approx(20, abs=3)
    assert np.abs(mirrored).mean() < 3


def look(net, image, box):
    return net.angles(geometry.unaligned(image, box, 64, net.margin)[0]).mean(0)
