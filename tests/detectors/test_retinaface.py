"""RetinaFace on MobileNet x0.25: priors and decoding against loops, the net on faces."""

import json
import math
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import records
from pipeline.detectors import _retinaface, retinaface
from pipeline.records import Sample
from pipeline.weights import WeightsError

SHARED = Path(__file__).parents[3] / "shared/data"
WEIGHTS = SHARED / "weights/retinaface_mobilenet025.pth"
SHA256 = "ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1"
real = [pytest.mark.real, pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")]
RELEASES = ["retinaface", "face_1mb"]


def slow_priors(height, width, sides):
    found = []
    for stride, of_stride in zip((8, 16, 32), sides, strict=True):
        for row in range(math.ceil(height / stride)):
            for column in range(math.ceil(width / stride)):
                found += [[(column + 0.5) * stride, (row + 0.5) * stride, side] for side in of_stride]
    return found


@pytest.mark.parametrize(("height", "width"), [(32, 64), (33, 70), (1, 1)])
def test_priors(height, width):
    official = {
        "retinaface": [(16, 32), (64, 128), (256, 512)],
        "face_1mb": [(10, 20), (32, 64), (128, 256)],
    }
    for release, sides in official.items():
        np.testing.assert_array_equal(
            retinaface.priors(height, width, release), slow_priors(height, width, sides)
        )


def test_decoding():
    rng = np.random.default_rng(0)
    boxes, points = rng.normal(size=(7, 4)), rng.normal(size=(7, 10))
    anchors = np.abs(rng.normal(size=(7, 3))) * 100
    corners, marks = retinaface.decode(boxes, points, anchors)
    for row in range(7):
        (x, y, side), (dx, dy, dw, dh) = anchors[row], boxes[row]
        cx, cy = x + dx * 0.1 * side, y + dy * 0.1 * side
        w, h = side * math.exp(dw * 0.2), side * math.exp(dh * 0.2)
        np.testing.assert_allclose(corners[row], [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2])
        for k in range(5):
            expected = [x + points[row, 2 * k] * 0.1 * side, y + points[row, 2 * k + 1] * 0.1 * side]
            np.testing.assert_allclose(marks[row, k], expected)


@pytest.mark.parametrize("release", RELEASES)
def test_the_net_gives_a_row_a_prior(release):
    torch.manual_seed(0)
    net = _retinaface.Net(retinaface.SLOPE[release]).eval()
    with torch.no_grad():
        boxes, scores, points = net(torch.randn(2, 3, 50, 70))
    rows = len(retinaface.priors(50, 70, release))
    assert (boxes.shape, scores.shape, points.shape) == ((2, rows, 4), (2, rows, 2), (2, rows, 10))
    torch.testing.assert_close(scores.sum(-1), torch.ones(2, rows))
    slopes = {module.negative_slope for module in net.modules() if isinstance(module, torch.nn.LeakyReLU)}
    assert slopes == {retinaface.SLOPE[release]}


@pytest.fixture
def any_net():
    torch.manual_seed(0)
    return _retinaface.Net(0.1)


def test_nothing_sure_is_no_face(any_net):
    found = retinaface.RetinaFace(any_net, "retinaface", 0.999, 0.4, 640)
    for shape in ((90, 60, 3), (1, 1, 3)):
        assert found.detect(Sample("a", b""), np.zeros(shape, np.uint8)) == []


def test_weights_are_checked(tmp_path, any_net):
    state = {f"module.{name}": value for name, value in any_net.state_dict().items()}
    torch.save(state, tmp_path / "net.pth")
    given = {"weights": str(tmp_path / "net.pth")}
    assert retinaface.build(retinaface.Params(**given), Path()).shared
    with pytest.raises(WeightsError, match=r"detectors\.retinaface\.weights: .*net\.pth has the checksum"):
        retinaface.build(retinaface.Params(**given, sha256=SHA256), Path())
    torch.save({"weight": torch.zeros(2)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"holds no RetinaFace on MobileNet x0\.25: it lacks BboxHead"):
        retinaface.build(retinaface.Params(**given), Path())


@pytest.fixture(scope="module")
def faces():
    known = json.loads((SHARED / "lfw_a_boxes_landmarks.json").read_text())
    with tarfile.open(SHARED / "lfw_a_gray250_folds1-5_and_unpaired.tar") as archive:
        members = [archive.next() for _ in range(200)][::20]
        images = [records.decode(archive.extractfile(member).read()) for member in members]
    names = [member.name.split("/")[-1] for member in members]
    return [(image, np.array(known[name])) for image, name in zip(images, names, strict=True)]


class TestOnRealFaces:
    pytestmark = real

    def detector(self, **params):
        return retinaface.build(retinaface.Params(weights=str(WEIGHTS), sha256=SHA256, **params), Path())

    def test_agrees_with_yunet(self, faces):
        """Landmarks of two detectors differ by a few hundredths of a face's width."""
        found, apart = self.detector(release="face_1mb"), []
        for image, known in faces:
            face = found.detect(Sample("a", b""), image)[0]
            apart.append(np.abs(face.points5.ravel() - known[5:]).max() / known[2])
        assert np.median(apart) < 0.08

    def test_the_other_release_s_priors_do_not_fit_these_weights(self, faces):
        found = self.detector(release="retinaface", score=0.02)
        apart = [
            np.abs(found.detect(Sample("a", b""), image)[0].points5.ravel() - known[5:]).max() / known[2]
            for image, known in faces
        ]
        assert np.median(apart) > 0.5
