"""Exports against torch: every backbone, convolution and landmark net, any batch, the same bytes."""

import os
import subprocess
import sys
from functools import cache

import numpy as np
import onnx as onnx_format
import onnxruntime
import pytest
import torch
import torch.nn.functional as F

from pipeline import export, model
from pipeline.evaluate import cost
from pipeline.landmarks import fan
from tests.nets import shaken

SHAPES = {
    "ir": ({"depth": [1, 1, 1], "width": [8, 8, 8, 8], "dim": 16}, 16),
    "mobilefacenet": ({"width": 0.0625, "dim": 16}, 32),
}
CONVS = ("plain", "dynamic", "dynamic_group")
NEAR = 1e-6  # of unit embeddings: float32, and ONNX Runtime adds in another order


def make(backbone="ir", conv="plain", **changes):
    torch.manual_seed(0)
    shape, size = SHAPES[backbone]
    spec = model.ModelSpec(name="x", backbone=backbone, shape=shape, size=size, conv=conv, **changes)
    return shaken(model.build(spec))


@cache
def exported(backbone="ir", conv="plain"):
    """A net with a normalisation of its own, and its file; tests only read them."""
    net = make(backbone, conv, mean=(120.0, 110.0, 100.0), std=(60.0, 61.0, 62.0))
    return net, export.to_onnx(net)


def with_landmarks(tmp_path, **changes):
    """A recogniser whose landmark net was trained with another normalisation than its own."""
    shape = {"stacks": 2, "width": 4, "depth": 1}
    spec = model.ModelSpec(
        name="landmark", kind="landmark", backbone="fan", shape=shape, size=16, mean=100.0, std=60.0
    )
    torch.manual_seed(1)
    model.save(tmp_path / "landmark", spec, shaken(fan.build(fan.Params(**shape))))
    torch.manual_seed(0)
    shape, size = SHAPES["ir"]
    described = model.ModelSpec(name="x", shape=shape, size=size, **changes)
    return shaken(model.build(described, tmp_path / "landmark"))


def pixels(count, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=generator)


def session(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])


def run(data, faces):
    """What somebody does who has the file alone: cast, move the channels, run."""
    image = np.ascontiguousarray(faces.numpy().transpose(0, 3, 1, 2).astype(np.float32))
    return session(data).run(["embedding"], {"image": image})[0]


def torch_embeddings(net, faces):
    spec = net.spec
    with torch.no_grad():
        return net(model.normalise(faces, spec.mean, spec.std)).embedding


def assert_same(net, data, count):
    faces = pixels(count, net.spec.size, count)
    found, expected = torch.from_numpy(run(data, faces)), torch_embeddings(net, faces)
    assert found.shape == (count, net.dim)
    assert (F.normalize(found) - F.normalize(expected)).abs().max() < NEAR
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("backbone", SHAPES)
@pytest.mark.parametrize("conv", CONVS)
def test_equals_torch_at_any_batch(backbone, conv):
    net, data = exported(backbone, conv)
    for count in (1, 2, 5, 33):
        assert_same(net, data, count)


def test_the_landmark_net_is_in_the_graph(tmp_path):
    net = with_landmarks(tmp_path)
    data = export.to_onnx(net)
    for count in (1, 5):
        assert_same(net, data, count)
    with torch.no_grad():
        net.side.scores[-1].weight.mul_(-3.0)
    faces = pixels(4, 16)
    assert (torch.from_numpy(run(data, faces)) - torch_embeddings(net, faces)).abs().max() > 1e-4


def test_one_face_does_not_depend_on_its_batch():
    data, faces = exported("ir", "dynamic_group")[1], pixels(6, 16)
    together = run(data, faces)
    alone = np.concatenate([run(data, face[None]) for face in faces])
    np.testing.assert_allclose(together, alone, atol=1e-5 * np.abs(alone).max())


def test_input_and_output_are_one_each_with_a_free_batch():
    (image,) = (opened := session(exported()[1])).get_inputs()
    (embedding,) = opened.get_outputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(float)", ["batch", 3, 16, 16])
    assert (embedding.name, embedding.type, embedding.shape) == ("embedding", "tensor(float)", ["batch", 16])


def test_black_white_and_equal_faces_are_finite():
    data = exported("mobilefacenet", "dynamic")[1]
    faces = torch.stack([torch.zeros(32, 32, 3), torch.full((32, 32, 3), 255.0)]).to(torch.uint8)
    found = run(data, faces[[0, 1, 0]])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], found[2], rtol=1e-5)


def test_training_mode_and_memory_layout_change_no_byte():
    first = export.to_onnx(make("ir", "dynamic"))
    assert export.to_onnx(make("ir", "dynamic").train().to(memory_format=torch.channels_last)) == first


def test_another_process_gives_the_same_bytes():
    code = (
        "import hashlib; from tests.test_export import make; from pipeline import export;"
        "print(hashlib.sha256(export.to_onnx(make('ir', 'dynamic_group'), {'b': '1', 'a': '2'})).hexdigest())"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(seen) == 1


def test_it_says_of_itself_what_it_is_told_and_nothing_of_the_code():
    proto = onnx_format.load_from_string(export.to_onnx(make(), {"model": "x", "input": "RGB"}))
    assert {entry.key: entry.value for entry in proto.metadata_props} == {"model": "x", "input": "RGB"}
    assert b".py" not in proto.SerializeToString()


@pytest.mark.parametrize("conv", CONVS)
def test_its_size_can_be_counted(tmp_path, conv):
    net, data = exported("ir", conv)
    (tmp_path / "m.onnx").write_bytes(data)
    counted, ours = cost.graph_size(tmp_path / "m.onnx"), cost.size(net)
    if conv == "plain":
        assert counted["flops"] == ours["flops"]
    else:
        assert ours["flops"] < counted["flops"] < 4.5 * ours["flops"], "all experts are computed"


def checked(net, tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    return export.check(net, path, pixels(export.MANY + 3, net.spec.size))


@pytest.mark.parametrize("conv", CONVS)
def test_our_own_backbone_takes_it_in(tmp_path, conv):
    """Embeddings, and so the scores of pairs, are those of the torch model."""
    net, data = exported("ir", conv)
    found = checked(net, tmp_path, data)
    assert set(found) == {1, export.MANY}
    assert max(found.values()) < NEAR
    faces = pixels(10, 16)
    theirs, ours = (
        export.unit(each, faces)
        for each in (export.taken_in(tmp_path / "model.onnx", net.spec, net.dim), net)
    )
    torch.testing.assert_close(theirs @ theirs.T, ours @ ours.T, atol=NEAR, rtol=0)


def test_another_model_is_told(tmp_path):
    other = make()
    with torch.no_grad():
        other.backbone.fc.weight[0, 0] += 0.05
    with pytest.raises(export.ExportError, match=r"export of model 'x' is another model.*more than 1e-05"):
        checked(other, tmp_path, export.to_onnx(make()))


class Counting(torch.nn.Module):
    """What a trace can't know: it does as it is asked by the size of the batch."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        y = self.inner(x)
        return y + len(x) * 0.1 * torch.arange(y.shape[1])


def test_a_graph_that_fixes_the_batch_of_its_trace_is_told(tmp_path):
    net = make()
    net.backbone.fc = Counting(net.backbone.fc)
    with pytest.raises(export.ExportError, match="1 at a time"):
        checked(net, tmp_path, export.to_onnx(net))


def test_numbers_that_are_none_are_no_small_difference(tmp_path):
    net = make()
    data = export.to_onnx(net)
    with torch.no_grad():
        net.backbone.fc.weight[0, 0] = float("nan")
    with pytest.raises(export.ExportError, match="nan"):
        checked(net, tmp_path, data)


def test_a_foreign_model_is_refused(tmp_path):
    net, data = exported()
    checked(net, tmp_path, data)
    again = export.taken_in(tmp_path / "model.onnx", net.spec, net.dim)
    with pytest.raises(export.ExportError, match="'x' is foreign: take the file"):
        export.to_onnx(again)
