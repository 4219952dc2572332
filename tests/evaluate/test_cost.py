"""FLOPs and parameters: against the published numbers of known nets and by hand."""

import pytest
import torch
from torch import nn

from pipeline import model
from pipeline.evaluate import cost


@pytest.mark.parametrize(
    ("depth", "millions", "giga"), [([3, 4, 14, 3], 43.59, 6.31), ([3, 4, 6, 3], 34.14, 4.46)]
)
def test_published_numbers_of_ir(depth, millions, giga):
    with torch.device("meta"):  # shapes alone: no weights are drawn, nothing is computed
        net = model.build(model.ModelSpec(name="ir", shape={"depth": depth}))
    found = cost.size(net)
    assert round(found["parameters"] / 1e6, 2) == millions
    assert round(found["flops"] / 1e9, 2) == giga
    assert (found["embedding"], found["embedding_bytes"]) == (512, 2048)


def test_by_hand():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, groups=1), nn.Conv2d(8, 8, 3, groups=8))
    image = torch.zeros(1, 3, 9, 9)
    assert cost.macs(net, image) == 8 * 5 * 5 * 3 * 9 + 8 * 3 * 3 * 1 * 9
    assert cost.parameters(net) == 8 * 3 * 9 + 8 + 8 * 9 + 8
    assert cost.macs(nn.Linear(7, 5), torch.zeros(1, 7)) == 35


def test_cost_does_not_touch_the_model(recogniser):
    recogniser.train()
    before = {name: value.clone() for name, value in recogniser.state_dict().items()}
    cost.size(recogniser)
    assert recogniser.training
    assert all(torch.equal(value, before[name]) for name, value in recogniser.state_dict().items())
    assert not recogniser.backbone._forward_pre_hooks


def test_an_onnx_graph_counts_as_its_torch_net(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, stride=2, groups=3),
        nn.Flatten(), nn.Linear(6 * 7 * 7, 5),
    )  # fmt: skip
    names = ("w0", "b0", "w1", "b1", "w3", "b3")
    weights = [
        numpy_helper.from_array(v.detach().numpy(), n) for n, v in zip(names, net.parameters(), strict=True)
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w0", "b0"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w1", "b1"], ["b"], strides=[2, 2], group=3),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "w3", "b3"], ["embedding"], transB=1),
    ]
    given, made = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("image", ["batch", 3, 16, 16]), ("embedding", ["batch", 5]))
    )
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "net", [given], [made], weights)), str(path))
    found = cost.graph_size(path)
    assert found["flops"] == cost.macs(net, torch.zeros(1, 3, 16, 16))
    assert found["parameters"] == cost.parameters(net)


def test_times_say_how_they_were_taken(recogniser, runtime):
    rows = cost.milliseconds(recogniser, [1, 4], 3, runtime)
    assert [row["batch"] for row in rows] == [1, 4]
    for row in rows:
        assert 0 < row["fastest_ms"] <= row["ms"]
        assert (row["threads"], row["device"], row["repeats"]) == (torch.get_num_threads(), "cpu", 3)
