"""IR: parameter counts in print, the block written out, maps and routing."""

import pytest
import torch
import torch.nn.functional as F

from pipeline import plugin
from pipeline.backbones import ir
from pipeline.convs import dynamic, dynamic_group, plain
from tests.nets import shaken

TINY = {"depth": [1, 2], "width": [4, 4, 8], "dim": 6}


def make(size=16, conv="plain", **params):
    torch.manual_seed(0)
    module = plugin.load("convs", conv)
    return ir.build(ir.Params(**{**TINY, **params}), module.build(module.Params()), size)


def bn(x, layer):
    shape = (1, -1) + (1,) * (x.dim() - 2)
    mean, var, weight, bias = (
        value.view(shape) for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return (x - mean) / torch.sqrt(var + layer.eps) * weight + bias


def prelu(x, layer):
    return torch.where(x > 0, x, x * layer.weight.view(1, -1, 1, 1))


@pytest.mark.parametrize(
    ("depth", "conv", "millions"),
    [
        ((2, 2, 2, 2), plain, 24.03),
        ((3, 4, 6, 3), plain, 34.14),
        ((3, 4, 14, 3), plain, 43.59),
    ],
)
def test_parameters_are_those_in_print(depth, conv, millions):
    with torch.device("meta"):
        net = ir.build(ir.Params(depth=depth), conv.build(conv.Params()), 112)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize(("conv", "routing"), [(plain, 0), (dynamic, 24), (dynamic_group, 96)])
def test_routing_size_of_ir18(conv, routing):
    with torch.device("meta"):
        assert ir.build(ir.Params(), conv.build(conv.Params()), 112).routing_size == routing


def test_equals_the_net_written_out():
    net = shaken(make()).double()
    x = image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    x = prelu(bn(F.conv2d(x, net.stem[0].weight, padding=1), net.stem[1]), net.stem[2])
    for stage in net.stages:
        for index, block in enumerate(stage):
            stride = 2 if index == 0 else 1
            y = F.conv2d(bn(x, block.bn1), block.conv1.weight, padding=1)
            y = F.conv2d(prelu(bn(y, block.bn2), block.prelu), block.conv2.weight, stride=stride, padding=1)
            if index == 0:
                x = bn(F.conv2d(x, block.shortcut[0].weight, stride=2), block.shortcut[1])
            x = x + bn(y, block.bn3)
    flat = bn(x, net.bn).flatten(1)
    expected = bn(flat @ net.fc.weight.T + net.fc.bias, net.features)
    outputs = net(image)
    torch.testing.assert_close(outputs.embedding, expected)
    torch.testing.assert_close(outputs.maps["stage2"], x)


def test_last_weight_stays_one():
    net = make()
    assert not net.features.weight.requires_grad
    assert net.features.weight.eq(1).all()
    assert net.features.bias.requires_grad


def test_both_convolutions_of_a_block_use_the_routing_of_its_input():
    net = shaken(make(conv="dynamic")).double()
    seen = []
    for block in (b for stage in net.stages for b in stage):
        block.router.register_forward_hook(lambda _, given, out: seen.append(("router", given[0], out)))
        for conv in (block.conv1, block.conv2):
            conv.register_forward_hook(lambda _, given, out: seen.append(("conv", None, given[1])))
    outputs = net(torch.randn(2, 3, 16, 16, dtype=torch.float64))
    assert [kind for kind, _, _ in seen] == ["router", "conv", "conv"] * 3
    for k in range(3):
        assert seen[3 * k + 1][2] is seen[3 * k][2]
        assert seen[3 * k + 2][2] is seen[3 * k][2]
    torch.testing.assert_close(
        outputs.routing, torch.cat([out for kind, _, out in seen if kind == "router"], 1)
    )
    assert seen[3][1] is outputs.maps["stage1"]


@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize("size", [37, 64])
def test_any_size(size, stem_stride):
    outputs = make(size=size, stem_stride=stem_stride).eval()(torch.randn(1, 3, size, size))
    side = -(-size // stem_stride)
    for name in ("stage1", "stage2"):
        side = -(-side // 2)
        assert outputs.maps[name].shape[-2:] == (side, side)
    assert outputs.embedding.shape == (1, 6)
    assert outputs.routing is None


def test_side_maps_are_stacked_on_the_image():
    torch.manual_seed(0)
    net = ir.build(ir.Params(**TINY), plain.build(plain.Params()), 16, channels=5).eval()
    image, side = torch.randn(2, 3, 16, 16), torch.randn(2, 2, 16, 16)
    torch.testing.assert_close(net(image, side).embedding, net(torch.cat([image, side], 1)).embedding)
    assert (net(image, side).embedding - net(image, 0 * side).embedding).abs().max() > 1e-6


def test_order_of_a_batch_changes_nothing():
    net = shaken(make(conv="dynamic_group")).double()
    x = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    torch.testing.assert_close(net(x.flip(0)).embedding, net(x).embedding.flip(0))


def test_a_black_image_gives_finite_values_and_gradients():
    net = make(conv="dynamic_group")
    net(torch.zeros(2, 3, 16, 16)).embedding.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_width_must_name_the_stem_and_every_stage():
    with pytest.raises(ValueError, match=r"3 numbers for 2 stages of depth, got 2"):
        ir.Params(depth=[1, 1], width=[4, 4])


def test_projection_is_a_strided_1x1_convolution():
    project = ir.Projection(5, 7, 2)
    x = torch.randn(2, 5, 9, 8)
    strided = F.conv2d(x, project.weight, stride=2)
    assert torch.allclose(project(x), strided, atol=1e-6)


def test_narrow_nets_survive_backward_on_large_faces_in_channels_last():
    net = ir.build(
        ir.Params(depth=[1, 1, 1, 1], width=[8, 8, 16, 40, 80], dim=16, stem_stride=2), plain.Plain(), 112
    )
    images = torch.randn(4, 112, 112, 3).permute(0, 3, 1, 2)
    net(images).embedding.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in net.parameters())
