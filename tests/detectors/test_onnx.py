"""ONNX detectors: layouts against loops, on graphs that say what the test wants; what is wrong is told."""

import numpy as np
import onnx as format_
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.detectors import onnx
from pipeline.records import Sample
from pipeline.weights import WeightsError

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (60, 100, 3), np.uint8)


def graph(path, outputs, side=64, batch=1, extra_input=False):
    """An ONNX file whose outputs (name -> array) do not depend on its image."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, side, side])
    inputs = [image] + [helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])] * extra_input
    nodes, constants, told = [], [], []
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), f"{name}_value"))
        nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
        told.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(np.shape(value))))
    made = helper.make_model(
        helper.make_graph(nodes, "g", inputs, told, constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    format_.save(made, path)
    return str(path)


def build(weights, **params):
    return onnx.build(onnx.Params(weights=weights, **params), None)


def scrfd_outputs(strides, anchors, side, batched=False):
    rows = [anchors * (side // stride) ** 2 for stride in strides]
    found = {}
    for kind, width in (("score", 1), ("box", 4), ("mark", 10)):
        for stride, count in zip(strides, rows, strict=True):
            value = RNG.uniform(0, 1, (count, width))
            found[f"{kind}{stride}"] = value[None] if batched else value
    return found


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize(
    ("strides", "anchors", "side"), [((8, 16, 32), 2, 64), ((8, 16, 32, 64, 128), 1, 128)]
)
def test_scrfd_against_loops(tmp_path, strides, anchors, side, batched):
    outputs = scrfd_outputs(strides, anchors, side, batched)
    found = build(graph(tmp_path / "net.onnx", outputs, side), score=0.9, overlap=1.0)
    faces = found.detect(Sample("a", b""), IMAGE)
    grow = 100 / side
    expected = []
    for stride in strides:
        scores, boxes, marks = (np.squeeze(outputs[f"{kind}{stride}"]) for kind in ("score", "box", "mark"))
        row = 0
        for y in range(side // stride):
            for x in range(side // stride):
                for _ in range(anchors):
                    s = np.atleast_1d(scores)[row]
                    if np.float32(s) >= 0.9:
                        left, top, right, bottom = np.reshape(boxes, (-1, 4))[row] * stride
                        box = [x * stride - left, y * stride - top, left + right, top + bottom]
                        points = np.reshape(marks, (-1, 5, 2))[row] * stride + [x * stride, y * stride]
                        expected.append((s, np.array(box) * grow, points * grow))
                    row += 1
    expected.sort(key=lambda one: -one[0])
    assert len(faces) == len(expected) > 0
    for face, (score, box, points) in zip(faces, expected, strict=True):
        assert face.score == pytest.approx(score, abs=1e-6)
        # 100 x 60 pixels become 64 x 38 (or 128 x 76): the height shrinks a little more than the width
        np.testing.assert_allclose(face.box[[0, 2]], box[[0, 2]], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(face.box[[1, 3]], box[[1, 3]], rtol=0.02, atol=1e-4)
        np.testing.assert_allclose(face.points5[:, 0], points[:, 0], rtol=1e-4, atol=1e-4)


FACE = {
    "boxes": [[8, 16, 24, 36], [9, 16, 24, 36]],
    "scores": [0.9, 0.8],
    "marks": RNG.uniform(0, 64, (2, 10)),
}


def test_a_decoded_layout(tmp_path):
    """Two boxes of one face: the surer one stays. 100 x 60 pixels lie in 64 x 38."""
    faces = build(graph(tmp_path / "net.onnx", FACE), layout="decoded").detect(Sample("a", b""), IMAGE)
    assert [face.score for face in faces] == [pytest.approx(0.9)]
    grow = np.array([100 / 64, 60 / 38])
    np.testing.assert_allclose(faces[0].box, [8 * grow[0], 16 * grow[1], 16 * grow[0], 20 * grow[1]])
    np.testing.assert_allclose(faces[0].points5, FACE["marks"][0].reshape(5, 2) * grow, rtol=1e-6)


def test_layouts_of_one_face_say_the_same(tmp_path):
    boxes, marks = np.array(FACE["boxes"], float), FACE["marks"]
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    shuffled = {"m": marks[None] / 64, "s": np.array(FACE["scores"])[None, :, None], "b": sides[None] / 64}
    plain = build(graph(tmp_path / "a.onnx", FACE), layout="decoded")
    other = build(
        graph(tmp_path / "b.onnx", {"x": [1.0], **shuffled}),
        layout="decoded", outputs=["b", "s", "m"], units="share", corners=False,
    )  # fmt: skip
    (one,), (two,) = (found.detect(Sample("a", b""), IMAGE) for found in (plain, other))
    np.testing.assert_allclose(one.box, two.box, rtol=1e-5)
    np.testing.assert_allclose(one.points5, two.points5, rtol=1e-5)


def test_the_image_is_laid_at_the_top_left_and_normalised(tmp_path):
    for colour in ("rgb", "bgr"):
        found = build(graph(tmp_path / "n.onnx", FACE), layout="decoded", mean=10.0, std=2.0, colour=colour)
        image = np.zeros((32, 64, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
        fed, grow = found._fed(image)
        assert fed.shape == (1, 3, 64, 64)
        assert fed[0, :, 3, 3].tolist() == ([0, 5, 10] if colour == "rgb" else [10, 5, 0])
        assert fed[0, :, 40, 3].tolist() == [-5, -5, -5]
        assert grow.tolist() == [1, 1]


def test_a_free_input_takes_its_size_from_params(tmp_path):
    path = graph(tmp_path / "n.onnx", FACE, side="s", batch="b")
    assert build(path, layout="decoded", image_size=96).size == (96, 96)


def test_no_face(tmp_path):
    none = {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "marks": np.zeros((0, 10))}
    found = build(graph(tmp_path / "n.onnx", none), layout="decoded")
    assert found.detect(Sample("a", b""), np.zeros((1, 1, 3), np.uint8)) == []


SIX = {f"o{i}": [[0.0]] for i in range(6)}


@pytest.mark.parametrize(
    ("outputs", "made", "params", "told"),
    [
        (
            FACE,
            {},
            {},
            r"has 3 outputs, layout scrfd has 9 or 15; it has image \[1, 3, 64, 64\], boxes \[2, 4\]",
        ),
        (SIX, {}, {}, r"has 6 outputs, layout scrfd has 9 or 15 \(those of 6 or 10 give no landmarks\)"),
        (SIX, {}, {"layout": "decoded"}, r"has 6 outputs, layout decoded has 3 \(name them: `outputs`\)"),
        (FACE, {}, {"layout": "decoded", "outputs": ["boxes", "points", "marks"]}, "has no outputs .*points"),
        (FACE, {"extra_input": True}, {"layout": "decoded"}, "should have one input"),
        (FACE, {"batch": 8}, {"layout": "decoded"}, "takes 8 images at a time, should take one"),
    ],
)
def test_a_file_of_another_layout(tmp_path, outputs, made, params, told):
    with pytest.raises(WeightsError, match=rf"detectors\.onnx\.weights: .*net\.onnx {told}"):
        build(graph(tmp_path / "net.onnx", outputs, **made), **params)


def test_outputs_of_other_shapes(tmp_path):
    other = FACE | {"marks": RNG.uniform(0, 64, (2, 136))}
    found = build(graph(tmp_path / "net.onnx", other), layout="decoded")
    with pytest.raises(WeightsError, match=r"gives marks of shape \(2, 136\), expected \(2, 10\)"):
        found.detect(Sample("a", b""), IMAGE)
    wrong = scrfd_outputs((8, 16, 32), 1, 64)
    found = build(graph(tmp_path / "net.onnx", wrong))
    with pytest.raises(WeightsError, match=r"gives score8 of shape \(64, 1\), expected \(128, 1\)"):
        found.detect(Sample("a", b""), IMAGE)
