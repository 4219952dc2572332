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
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.PReLU(6), nn.Conv2d(6, 6, 3, stride=2, groups=3),
        nn.Flatten(), nn.Linear(6 * 7 * 7, 5),
    )  # fmt: skip
    path = tmp_path / "net.onnx"
    torch.onnx.export(net.eval(), (torch.zeros(1, 3, 16, 16),), str(path), dynamo=False)
    found = cost.graph_size(path)
    assert found["flops"] == cost.macs(net, torch.zeros(1, 3, 16, 16))
    assert found["parameters"] == cost.parameters(net)


def test_times_say_how_they_were_taken(recogniser, runtime):
    rows = cost.milliseconds(recogniser, [1, 4], 3, runtime)
    assert [row["batch"] for row in rows] == [1, 4]
    for row in rows:
        assert 0 < row["fastest_ms"] <= row["ms"]
        assert (row["threads"], row["device"], row["repeats"]) == (torch.get_num_threads(), "cpu", 3)
