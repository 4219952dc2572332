"""MobileFaceNet: parameters in print, the bottleneck written out, sizes."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.backbones import mobilefacenet
from pipeline.convs import dynamic, plain


def make(size=32, width=0.125, dim=6, conv=plain):
    torch.manual_seed(0)
    return mobilefacenet.build(mobilefacenet.Params(width=width, dim=dim), conv.build(conv.Params()), size)


def test_parameters_are_those_in_print():
    with torch.device("meta"):
        net = make(112, 1.0, 512)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(1.20, abs=0.005)


def test_blocks_are_those_of_the_table():
    with torch.device("meta"):
        net = make(112, 1.0, 512)
    found = [
        [(b.expand.in_channels, b.bn1.num_features, b.bn2.num_features) for b in stage]
        for stage in net.stages
    ]
    assert found == [
        [(64, 128, 64)] * 5,
        [(64, 256, 128)] + [(128, 256, 128)] * 6,
        [(128, 512, 128)] + [(128, 256, 128)] * 2,
    ]


def bn(x, layer):
    mean, var, weight, bias = (
        value.view(1, -1, 1, 1) for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / torch.sqrt(var + layer.eps) * weight + bias


def prelu(x, layer):
    return x.clamp(min=0) + layer.weight.view(1, -1, 1, 1) * x.clamp(max=0)


@pytest.mark.parametrize("index", [0, 1])  # strided, then residual
def test_bottleneck_equals_the_one_written_out(index):
    net = make().double().eval()
    block = net.stages[1][index]
    for layer in (block.bn1, block.bn2, block.filter[1]):
        torch.nn.init.normal_(layer.running_mean, std=0.2)
        torch.nn.init.uniform_(layer.running_var, 0.5, 2.0)
    x = torch.randn(2, block.expand.in_channels, 8, 8, dtype=torch.float64)
    y = prelu(bn(F.conv2d(x, block.expand.weight), block.bn1), block.prelu1)
    stride = 2 if index == 0 else 1
    maps = [
        F.conv2d(y[:, c : c + 1], block.filter[0].weight[c : c + 1], None, stride, 1)
        for c in range(y.shape[1])
    ]
    y = prelu(bn(torch.cat(maps, 1), block.filter[1]), block.prelu2)
    y = bn(F.conv2d(y, block.project.weight), block.bn2)
    expected = y if index == 0 else x + y
    found, routing = block(x)
    torch.testing.assert_close(found, expected)
    assert routing is None


@pytest.mark.parametrize("size", [32, 48, 112])
def test_sizes(size):
    outputs = make(size).eval()(torch.randn(1, 3, size, size))
    sides = [outputs.maps[f"stage{k}"].shape[-1] for k in (1, 2, 3, 4)]
    assert sides == [size // 2, size // 4, size // 8, size // 16]
    assert outputs.embedding.shape == (1, 6)


@pytest.mark.parametrize("size", [16, 40])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="multiples of 16"):
        make(size)


def test_dynamic_convolutions_stand_for_the_dense_ones():
    net = make(conv=dynamic).eval()
    assert net.routing_size == 15 * 4
    outputs = net(torch.randn(2, 3, 32, 32))
    assert outputs.routing.shape == (2, 60)
    kinds = [isinstance(block.expand, dynamic.DynamicConv) for stage in net.stages for block in stage]
    assert all(kinds)


def test_order_of_a_batch_changes_nothing():
    net = make(conv=dynamic).double().eval()
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(net(x.flip(0)).embedding, net(x).embedding.flip(0))


def test_a_black_image_is_finite():
    assert torch.isfinite(make()(torch.zeros(2, 3, 32, 32)).embedding).all()
