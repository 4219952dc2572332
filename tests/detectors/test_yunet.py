import json
import re
import tarfile
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from pipeline import records
from pipeline.detectors import DetectorError, choose, yunet
from pipeline.records import Sample

SHARED = Path(__file__).parents[3] / "shared/data"
WEIGHTS = [SHARED / f"weights/ShiqiYu_libfacedetection.train__yunet_n_{n}_{n}.onnx" for n in (320, 640)]
real = [pytest.mark.real, pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is absent")]


def build(weights=WEIGHTS[0], **params):
    return yunet.build(yunet.Params(weights=str(weights), **params), Path())


def prominent(net, image):
    (face,) = choose(net.detect(Sample("a", b""), image), "prominent", image.shape[1], image.shape[0])
    return face


def test_weights_that_are_none(tmp_path):
    (tmp_path / "empty").touch()
    (tmp_path / "page.onnx").write_text("<html>")
    for name in ("empty", "gone.onnx", "page.onnx"):
        with pytest.raises(DetectorError, match=rf"detectors\.yunet\.weights: .*{name} is no YuNet detector"):
            build(tmp_path / name)


def test_another_net_is_no_yunet(tmp_path):
    """OpenCV loads any net, and says what it lacks only when it looks for a face: in one line, ours."""
    image, embedding = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 320, 320])
        for name in ("image", "embedding")
    )
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["image"], ["embedding"])], "recogniser", [image], [embedding]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "recogniser.onnx")
    with pytest.raises(DetectorError) as told:
        build(tmp_path / "recogniser.onnx")
    said = str(told.value)
    assert re.search(
        r"recogniser\.onnx is no YuNet detector: OpenCV says '.*outputs.*'; expected a yunet_\*", said
    )
    assert "\n" not in said


@pytest.fixture(scope="module")
def faces():
    """30 LFW-a images with the detections that came with them, 15 numbers each."""
    known = json.loads((SHARED / "lfw_a_boxes_landmarks.json").read_text())
    with tarfile.open(SHARED / "lfw_a_gray250_folds1-5_and_unpaired.tar") as archive:
        members = [archive.next() for _ in range(300)][::10]
        images = [records.decode(archive.extractfile(member).read()) for member in members]
    names = [member.name.split("/")[-1] for member in members]
    return [(image, np.array(known[name])) for image, name in zip(images, names, strict=True)]


class TestOnRealFaces:
    pytestmark = real

    @pytest.mark.parametrize("weights", WEIGHTS)
    def test_agrees_with_the_given_detections(self, faces, weights):
        """Largest difference measured: 0.005 pixels, what rounding to two digits leaves."""
        net = build(weights)
        for image, known in faces:
            face = prominent(net, image)
            assert np.abs(face.box - known[:4]).max() < 0.5
            assert np.abs(face.points5.ravel() - known[5:]).max() < 0.5

    def test_a_large_photograph_is_searched_in_a_copy_of_640_pixels(self, faces):
        """The same face as in the copy, eight times as large, and near where it truly is (YuNet wavers)."""
        image, known = faces[0]
        large = cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
        copy = cv2.resize(large, (640, 640), interpolation=cv2.INTER_AREA)
        face, small = (prominent(build(), seen) for seen in (large, copy))
        np.testing.assert_allclose(face.points5, (small.points5 + 0.5) * 3.125 - 0.5, atol=1e-6)
        np.testing.assert_allclose(face.box[2:], small.box[2:] * 3.125, atol=1e-6)
        assert np.abs(face.points5.ravel() - known[5:] * 8).max() < 0.05 * known[2] * 8

    def test_the_order_of_images_does_not_matter(self, faces):
        net = build()
        first = [prominent(net, image).points5 for image, _ in faces[:4]]
        net.detect(Sample("a", b""), np.zeros((33, 500, 3), np.uint8))
        again = [prominent(net, image).points5 for image, _ in faces[3::-1]]
        np.testing.assert_array_equal(first, again[::-1])

    def test_no_face(self):
        assert build().detect(Sample("a", b""), np.full((200, 300, 3), 90, np.uint8)) == []
        assert build().detect(Sample("a", b""), np.zeros((1, 1, 3), np.uint8)) == []

    def test_every_face_is_found(self, faces):
        """Two photographs side by side: the faces of both."""
        (one, known), (other, expected) = faces[0], faces[1]
        both = build().detect(Sample("a", b""), np.hstack([one, other]))
        assert len(both) >= 2, "and whoever stands behind them"
        for box in (known[:4], expected[:4] + np.array([250, 0, 0, 0])):
            assert min(np.abs(face.box - box).max() for face in both) < 6
