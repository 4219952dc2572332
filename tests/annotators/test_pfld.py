"""PFLD's landmarks go to the photo and then to perspective-n-point; the net agrees with YuNet."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline import geometry, records
from pipeline.annotators import pfld, pose
from pipeline.weights import WeightsError
from tests.annotators import nets

SHARED = Path(__file__).parents[3] / "shared/data"
BOX = np.array([10.0, 20.0, 40.0, 50.0])


@pytest.fixture
def head():
    """68 points of a head turned by 30 degrees, in shares of the chip; the rigid ones count."""
    points = np.full((68, 2), 0.5)
    theta = np.array([[np.radians(30), 0.1, 0.05, 0, 0, 0]])
    model = np.array(list(pose.MODEL68.values()), float) * [1, -1, 1]
    model = (model - model.mean(0)) / np.sqrt((model - model.mean(0))[:, :2].var(0).sum())
    points[list(pose.MODEL68)] = pose.project(theta, model, 20.0)[0] * 0.2 + 0.5
    return points


def test_landmarks_in_pixels_of_the_photo(tmp_path, head):
    net = pfld.landmarker(nets.constant(tmp_path / "n.onnx", (112, 112), head.ravel()), margin=0.1)
    found = net.points(nets.picture(), BOX)
    side = 50 * 1.1
    corner = [10 + 20 - side / 2, 20 + 25 - side / 2]
    np.testing.assert_allclose(found, head * side + corner, atol=1e-4)


def test_angles_are_pose_s(tmp_path, head):
    path = nets.constant(tmp_path / "n.onnx", (112, 112), head.ravel())
    frame, photos = nets.photos(tmp_path / "f", [nets.sample("a", box=BOX), nets.sample("b")])
    said = pfld.build(pfld.Params(weights=path, tilt=180.0)).annotate(frame, photos)
    np.testing.assert_allclose(said["yaw_degrees"], 30, atol=0.5)
    np.testing.assert_allclose(said["pitch_degrees"], np.degrees(0.1), atol=0.5)
    np.testing.assert_allclose(said["roll_degrees"], np.degrees(0.05), atol=0.5)
    assert (said["yaw_confidence"] > 0.99).all()


def test_nobody_and_no_photos(tmp_path, head):
    net = pfld.build(pfld.Params(weights=nets.constant(tmp_path / "n.onnx", (112, 112), head.ravel())))
    frame, photos = nets.photos(tmp_path / "f", [])
    assert net.annotate(frame, photos).empty
    with pytest.raises(ValueError, match="pfld looks at pixels"):
        net.annotate(frame)


def test_another_net(tmp_path):
    net = nets.constant(tmp_path / "net.onnx", (64, 64), [0.0] * 3)
    with pytest.raises(WeightsError, match=r"annotators\.pfld\.weights: .*net\.onnx maps .* PFLD"):
        pfld.build(pfld.Params(weights=net))


@pytest.mark.real
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")
def test_agrees_with_yunet_on_real_faces():
    """Of the five points, as a share of the distance of the eyes; docs/results.md has all of LFW-a."""
    known = json.loads((SHARED / "lfw_a_boxes_landmarks.json").read_text())
    net, errors = pfld.landmarker(str(SHARED / "weights/pfld_68pt.onnx")), []
    with tarfile.open(SHARED / "lfw_a_gray250_folds1-5_and_unpaired.tar") as archive:
        for member in [archive.next() for _ in range(200)][::10]:
            numbers = np.array(known[member.name.split("/")[-1]])
            found = net.points(records.decode(archive.extractfile(member).read()), numbers[:4])
            wanted = numbers[5:].reshape(5, 2)
            apart = np.linalg.norm(geometry.five_of_68(found) - wanted, axis=1)
            errors.append(apart.mean() / np.linalg.norm(wanted[0] - wanted[1]))
    assert np.mean(errors) < 0.12
