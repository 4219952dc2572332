"""A foreign ONNX recogniser: against torch, batches, and files that are not what they should be."""

from pathlib import Path

import onnx as onnx_format
import pytest
import torch
from onnx import TensorProto, helper

from pipeline import model
from pipeline.backbones import onnx

REAL = Path("../shared/data/weights/mobilefacenet_ms1m.onnx")


def write(path, batch="n", size=8, dim=4, outputs=1, channels=3, seed=0):
    """embedding = flatten(image) @ weight, as an ONNX file; returns the weight."""
    weight = torch.randn(channels * size * size, dim, generator=torch.Generator().manual_seed(seed))
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["e"]),
    ]
    outs = [helper.make_tensor_value_info("e", TensorProto.FLOAT, [batch, dim])]
    if outputs == 2:
        outs.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, [batch, channels * size * size]))
    shape = helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, channels, size, size])
    constant = helper.make_tensor("w", TensorProto.FLOAT, weight.shape, weight.flatten().tolist())
    graph = helper.make_graph(nodes, "g", [shape], outs, [constant])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx_format.save(made, str(path))
    return weight


def load(path, size=8, dim=4):
    return onnx.load(onnx.Params(size=size, dim=dim), path)


@pytest.mark.parametrize("batch", ["n", 1, 3])  # a free batch, one face at a time, blocks of three
def test_equals_torch_whatever_the_files_batch(tmp_path, batch):
    weight = write(tmp_path / "m.onnx", batch)
    image = torch.randn(5, 3, 8, 8)
    outputs = load(tmp_path / "m.onnx")(image)
    torch.testing.assert_close(outputs.embedding, image.flatten(1) @ weight, atol=1e-4, rtol=1e-4)
    assert outputs.routing is None


def test_channels_last_memory_and_order_change_nothing(tmp_path):
    write(tmp_path / "m.onnx", 2)
    net, image = load(tmp_path / "m.onnx"), torch.randn(5, 3, 8, 8)
    expected = net(image).embedding
    torch.testing.assert_close(net(image.to(memory_format=torch.channels_last)).embedding, expected)
    torch.testing.assert_close(net(image.flip(0)).embedding.flip(0), expected)


def test_a_file_that_wants_bgr_gets_it(tmp_path):
    weight = write(tmp_path / "m.onnx")
    red, green, blue = torch.randn(3, 5, 8, 8)
    net = onnx.load(onnx.Params(size=8, dim=4, colours="bgr"), tmp_path / "m.onnx")
    expected = torch.stack([blue, green, red], 1).flatten(1) @ weight
    found = net(torch.stack([red, green, blue], 1)).embedding
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_no_face_at_all(tmp_path):
    write(tmp_path / "m.onnx", 1)
    assert load(tmp_path / "m.onnx")(torch.zeros(0, 3, 8, 8)).embedding.shape == (0, 4)


def test_normalisation_is_the_divided_one():
    params = onnx.Params(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), divide=255.0)
    pixels = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    found = model.normalise(pixels, *onnx.normalisation(params))
    expected = (pixels.double() / 255 - torch.tensor(params.mean)) / torch.tensor(params.std)
    torch.testing.assert_close(found.double(), expected.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 16}, r"m\.onnx takes images of shape \[3, 16, 16\].*expected \[3, 8, 8\]"),
        ({"channels": 1}, r"m\.onnx takes images of shape \[1, 8, 8\].*expected \[3, 8, 8\]"),
        ({"outputs": 2}, r"m\.onnx has 1 inputs and 2 outputs \(image, e, flat\)"),
        ({"dim": 5}, r"m\.onnx gives \(1, 5\) for one face; expected \(1, 4\)"),
    ],
)
def test_a_model_of_another_shape_is_refused(tmp_path, wrong, said):
    write(tmp_path / "m.onnx", **wrong)
    with pytest.raises(onnx.ForeignModelError, match=said):
        load(tmp_path / "m.onnx")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(onnx.ForeignModelError, match=r"m\.onnx is no ONNX model"):
        load(tmp_path / "m.onnx")


def test_a_truncated_file_is_refused(tmp_path):
    write(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes((tmp_path / "m.onnx").read_bytes()[:200])
    with pytest.raises(onnx.ForeignModelError, match=r"m\.onnx"):
        load(tmp_path / "m.onnx")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(onnx.ForeignModelError, match=r"m\.onnx does not exist"):
        load(tmp_path / "m.onnx")


def test_it_is_never_trained():
    with pytest.raises(onnx.ForeignModelError, match="not trained but loaded"):
        onnx.build(onnx.Params(), None, 112)


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not here")
def test_the_real_one_embeds_and_refuses_another_size():
    net = load(REAL, 112, 128)
    image = torch.randn(3, 3, 112, 112)
    embedding = net(image).embedding
    assert embedding.shape == (3, 128)
    assert torch.isfinite(embedding).all()
    torch.testing.assert_close(net(image[1:2]).embedding[0], embedding[1])
    with pytest.raises(
        onnx.ForeignModelError, match=r"mobilefacenet_ms1m\.onnx takes images of shape \[3, 112, 112\]"
    ):
        load(REAL, 64, 128)
