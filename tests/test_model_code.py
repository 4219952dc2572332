"""code.json: digests of all the code that runs a model's weights, and of no other."""

import json

import pytest
import torch

from pipeline import model, plugin
from pipeline.backbones import foreign
from pipeline.model import ModelSpec
from tests.test_model import landmark, spec

__all__ = ["landmark"]


def code_of(folder):
    return json.loads((folder / "code.json").read_text())


def test_of_a_recogniser_with_a_landmark_net(landmark, tmp_path):
    described = spec(landmark=True)
    net = model.build(described, landmark[0])
    model.save(tmp_path / "m", described, net, model.build_head(described), ["ann", "bob", "cy"])
    names = {"backbones": "ir", "convs": "dynamic_group", "heads": "cosface", "landmarks": "fan"}
    pairs = [(f, n) for f, name in names.items() for n in (name, "__init__")]
    pairs.append(("convs", "plain"))  # some of its convolutions are plain ones
    assert code_of(tmp_path / "m") == {f"{f}/{n}": plugin.meaning(f, n) for f, n in pairs}


def test_without_a_head_and_of_a_landmark_net(landmark, tmp_path):
    described = spec(head=None)
    model.save(tmp_path / "m", described, model.build(described))
    assert {name.split("/")[0] for name in code_of(tmp_path / "m")} == {"backbones", "convs"}
    assert set(code_of(landmark[0])) == {"landmarks/fan", "landmarks/__init__"}


def test_of_a_foreign_model(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "load", lambda params, weights: torch.nn.Identity())
    (tmp_path / "net.onnx").write_bytes(b"net")
    described = ModelSpec(name="f", kind="foreign", backbone="foreign")
    model.save_foreign(tmp_path / "f", described, tmp_path / "net.onnx")
    found = code_of(tmp_path / "f")
    assert found["backbones/foreign"] == plugin.meaning("backbones", "foreign")
    assert {name.split("/")[0] for name in found} == {"backbones"}


@pytest.mark.parametrize("shared", ["convs", "heads", "landmarks"])
def test_an_edit_of_what_siblings_share_changes_it(tmp_path, monkeypatch, shared):
    before = plugin.meanings(**{shared: plugin.names(shared)[0]})
    folder = tmp_path / shared
    folder.mkdir()
    for path in (plugin.ROOT / shared).glob("*.py"):
        more = "\nCHANGED = True\n" if path.stem == "__init__" else ""
        (folder / path.name).write_text(path.read_text() + more)
    monkeypatch.setattr(plugin, "ROOT", tmp_path)
    after = plugin.meanings(**{shared: plugin.names(shared)[0]})
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {f"{shared}/__init__"}
