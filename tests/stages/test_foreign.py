"""Taking a foreign model in: a folder that needs the original no more, or nothing at all."""

import subprocess
import sys

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from pipeline import model
from pipeline.backbones.foreign import ForeignModelError
from stages import foreign
from tests.stages.fakes import FakeRun

PRESET = {"image_size": 8, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "divide": 255.0, "dim": 192}


def take_in(weights):
    params = {
        "foreign": {"teacher": {"weights": str(weights), "preset": "p"}},
        "backbones": {"foreign": {"p": PRESET}},
    }
    foreign.main(FakeRun("teacher", params))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A file whose embedding is the flattened image."""
    monkeypatch.chdir(tmp_path)
    shapes = {"image": [1, 3, 8, 8], "e": [1, 192]}
    image, e = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    )
    graph = helper.make_graph([helper.make_node("Flatten", ["image"], ["e"])], "g", [image], [e])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(tmp_path / "theirs.onnx"))
    return tmp_path / "theirs.onnx"


def test_the_folder_needs_the_original_no_more(weights, tmp_path):
    take_in(weights)
    weights.unlink()
    loaded = model.load(tmp_path / "data/models/teacher")
    assert (loaded.spec.kind, loaded.spec.size, loaded.recogniser.dim) == ("foreign", 8, 192)
    assert not loaded.spec.auditable
    assert loaded.head is None
    pixels = torch.randint(0, 256, (3, 8, 8, 3), dtype=torch.uint8)
    found = loaded.recogniser(model.normalise(pixels, loaded.spec.mean, loaded.spec.std)).embedding
    expected = (pixels / 255 - torch.tensor(PRESET["mean"])) / torch.tensor(PRESET["std"])
    torch.testing.assert_close(found, expected.permute(0, 3, 1, 2).flatten(1), atol=1e-5, rtol=1e-5)


def test_twice_gives_the_same_bytes(weights, tmp_path):
    take_in(weights)
    folder = tmp_path / "data/models/teacher"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    take_in(weights)
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_broken_file_leaves_nothing_behind(weights, tmp_path):
    weights.write_bytes(b"no model")
    with pytest.raises(ForeignModelError, match=r"theirs\.onnx"):
        take_in(weights)
    assert not (tmp_path / "data").exists()


def test_faces_of_another_size_are_refused(weights, tmp_path):
    take_in(weights)
    loaded = model.load(tmp_path / "data/models/teacher")
    with pytest.raises(ValueError, match="'teacher' takes 8x8 faces, got 64x64"):
        loaded.recogniser(torch.zeros(1, 3, 64, 64))


def test_onnxruntime_is_imported_late():
    code = "import sys, stages.foreign; print('onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
