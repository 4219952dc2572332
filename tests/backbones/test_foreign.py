"""A foreign recogniser: against torch, batches, and files that are not what they should be."""

import warnings
from pathlib import Path

import onnx as onnx_format
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn

from pipeline import model
from pipeline.backbones import foreign
from pipeline.evaluate import cost

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
    return foreign.load(foreign.Params(image_size=size, dim=dim), path)


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
    net = foreign.load(foreign.Params(image_size=8, dim=4, colours="bgr"), tmp_path / "m.onnx")
    expected = torch.stack([blue, green, red], 1).flatten(1) @ weight
    found = net(torch.stack([red, green, blue], 1)).embedding
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_no_face_at_all(tmp_path):
    write(tmp_path / "m.onnx", 1)
    assert load(tmp_path / "m.onnx")(torch.zeros(0, 3, 8, 8)).embedding.shape == (0, 4)


def test_normalisation_is_the_divided_one():
    params = foreign.Params(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), divide=255.0)
    pixels = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    found = model.normalise(pixels, *foreign.normalisation(params))
    expected = (pixels.double() / 255 - torch.tensor(params.mean)) / torch.tensor(params.std)
    torch.testing.assert_close(found.double(), expected.permute(0, 3, 1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 16}, r"m\.onnx takes images of shape \[3, 16, 16\].*expected \[3, 8, 8\]"),
        ({"channels": 1}, r"m\.onnx takes images of shape \[1, 8, 8\].*expected \[3, 8, 8\]"),
        ({"outputs": 2}, r"m\.onnx has 1 inputs and 2 outputs \(image, e, flat\)"),
        ({"dim": 5}, r"m\.onnx gives \(1, 5\) for 1 face of 8 px; expected \(1, 4\)"),
    ],
)
def test_a_model_of_another_shape_is_refused(tmp_path, wrong, said):
    write(tmp_path / "m.onnx", **wrong)
    with pytest.raises(foreign.ForeignModelError, match=said):
        load(tmp_path / "m.onnx")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(foreign.ForeignModelError, match=r"m\.onnx is no ONNX model"):
        load(tmp_path / "m.onnx")


def test_a_truncated_file_is_refused(tmp_path):
    write(tmp_path / "m.onnx")
    (tmp_path / "m.onnx").write_bytes((tmp_path / "m.onnx").read_bytes()[:200])
    with pytest.raises(foreign.ForeignModelError, match=r"m\.onnx"):
        load(tmp_path / "m.onnx")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(foreign.ForeignModelError, match=r"m\.onnx does not exist"):
        load(tmp_path / "m.onnx")


def test_it_is_never_trained():
    with pytest.raises(foreign.ForeignModelError, match="not trained but loaded"):
        foreign.build(foreign.Params(), None, 112)


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
        foreign.ForeignModelError, match=r"mobilefacenet_ms1m\.onnx takes images of shape \[3, 112, 112\]"
    ):
        load(REAL, 64, 128)


class Net(nn.Module):
    """A net with a batch norm, whose eval mode differs from its training mode."""

    def __init__(self, dim: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(72, dim))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(image)
        return found


class Pair(Net):
    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        return self.layers(image), image


class OneByOne(Net):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(image.view(1, 3, 8, 8))
        return found


class Mean(Net):
    """An image's embedding depends on the others of its batch."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(image - image.mean(0))
        return found


class Endless(Net):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(image) / 0.0
        return found


class Forgetful(Net):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = nn.functional.dropout(self.layers(image), training=self.training)
        return found


def script(path, kind="traced", made=Net, **options):
    """A TorchScript file; returns the net that it was made of, in eval mode."""
    torch.manual_seed(0)
    net = made(**options)
    net.layers(torch.randn(16, 3, 8, 8))  # running statistics of its own
    if kind == "scripted":
        file = torch.jit.script(net.train())
    elif kind == "in training mode":
        file = torch.jit.trace(net.train(), torch.randn(2, 3, 8, 8), check_trace=False)
    else:
        file = torch.jit.trace(net.eval(), torch.zeros(1, 3, 8, 8))
    torch.jit.save(torch.jit.freeze(file) if kind == "frozen" else file, str(path))
    return net.eval()


@pytest.mark.parametrize("kind", ["traced", "scripted", "frozen"])
@pytest.mark.parametrize("colours", ["rgb", "bgr"])
def test_torchscript_equals_torch_and_stays_in_eval_mode(tmp_path, kind, colours):
    ours = script(tmp_path / "m.any", kind)
    net = foreign.load(foreign.Params(image_size=8, dim=4, colours=colours), tmp_path / "m.any").train()
    image = torch.randn(5, 3, 8, 8)
    expected = ours(image.flip(1) if colours == "bgr" else image)
    found = net(image).embedding
    torch.testing.assert_close(found, expected.detach(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(net(image).embedding, found)
    assert not found.requires_grad
    assert net(image[:0]).embedding.shape == (0, 4)


@pytest.mark.parametrize(("kind", "counted"), [("traced", 56 + 4 + 292), ("frozen", None)])
def test_the_cost_of_torchscript(tmp_path, kind, counted):
    ours = script(tmp_path / "net.pt", kind)
    described = model.ModelSpec(
        name="theirs", kind="foreign", backbone="foreign", shape={"image_size": 8, "dim": 4}, size=8
    )
    model.save_foreign(tmp_path / "m", described, tmp_path / "net.pt")
    assert (tmp_path / "m" / "model.pt").read_bytes() == (tmp_path / "net.pt").read_bytes()
    recogniser = model.load(tmp_path / "m").recogniser
    assert not recogniser.training
    found = cost.size(recogniser)
    assert found["parameters"] == counted
    assert found["flops"] == cost.macs(ours, torch.zeros(1, 3, 8, 8)) == 2 * 36 * 27 + 72 * 4


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"made": Pair}, r"m\.pt gives tuple of 2; a recogniser gives one embedding an image"),
        ({"made": OneByOne}, r"m\.pt failed on images of shape \(2, 3, 8, 8\): .*"),
        ({"dim": 5}, r"m\.pt gives \(1, 5\) for 1 face of 8 px; expected \(1, 4\)"),
        ({"made": Endless}, r"m\.pt gives embeddings that are not finite"),
        ({"made": Mean}, r"m\.pt gives other embeddings for the same images alone"),
        ({"kind": "in training mode"}, r"m\.pt gives other embeddings .* traced in training mode\?"),
        (
            {"kind": "in training mode", "made": Forgetful},
            r"m\.pt gives other embeddings .* a second time; was it traced in training mode\?",
        ),
    ],
)
def test_torchscript_of_another_kind_is_refused(tmp_path, made, said):
    script(tmp_path / "m.pt", **made)
    with pytest.raises(foreign.ForeignModelError, match=said):
        load(tmp_path / "m.pt")


def test_torchscript_of_another_size_is_refused(tmp_path):
    script(tmp_path / "m.pt")
    with pytest.raises(foreign.ForeignModelError, match=r"m\.pt failed on images of shape \(1, 3, 9, 9\)"):
        load(tmp_path / "m.pt", size=9)


def test_weights_without_a_net_are_refused(tmp_path):
    torch.save(Net().state_dict(), tmp_path / "m.pt")
    with pytest.raises(foreign.ForeignModelError, match=r"m\.pt is no TorchScript .*is it a state dict\?"):
        load(tmp_path / "m.pt")


def test_the_cost_of_quantised_torchscript_is_not_told(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 4)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, torch.qint8)
        torch.jit.save(torch.jit.trace(small, torch.zeros(1, 3, 8, 8)), str(tmp_path / "m.pt"))
    described = model.ModelSpec(name="theirs", kind="foreign", backbone="foreign", size=8)
    found = cost.size(model.Recogniser(described, load(tmp_path / "m.pt")))
    assert (found["parameters"], found["flops"], found["embedding"]) == (None, None, 4)
