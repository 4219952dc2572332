"""Dynamic group convolution against a loop over samples, groups and experts."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.convs import dynamic_group
from pipeline.convs.plain import PlainConv
from tests.convs.routed import conv_by_hand, router_by_hand, with_statistics


def make(temperature=1.0, stride=1, groups=4):
    torch.manual_seed(0)
    factory = dynamic_group.build(dynamic_group.Params(temperature=temperature, groups=groups, experts=3))
    conv = factory.conv(8, 6, 3, stride, 1, from_end=3).double()
    return with_statistics(factory.router(8, from_end=3)), conv


@pytest.mark.parametrize("side", [3, 16])  # both forms
@pytest.mark.parametrize("stride", [1, 2])
def test_equals_loops(side, stride):
    router, conv = make(stride=stride)
    x = torch.randn(5, 8, side, side, dtype=torch.float64)
    a = router(x)
    assert a.shape == (5, 12)
    torch.testing.assert_close(a, router_by_hand(router, x, groups=4))
    doubled = conv_by_hand(conv.bank, x, a, stride, 1)
    assert doubled.shape[1] == 12
    torch.testing.assert_close(conv(x, a), F.conv2d(doubled, conv.squeeze.weight))


def test_order_of_a_batch_changes_nothing():
    router, conv = make()
    x = torch.randn(6, 8, 8, 8, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(conv(x[order], router(x[order])), conv(x, router(x))[order])


def test_each_group_sums_to_one_and_sees_its_own_channels():
    router, conv = make()
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    a = router(x)
    torch.testing.assert_close(a.view(2, 4, 3).sum(2), torch.ones(2, 4, dtype=torch.float64))
    conv.squeeze = torch.nn.Identity()
    changed = x.clone()
    changed[:, :2] += 1.0
    moved = (conv(changed, a) - conv(x, a)).abs().amax((0, 2, 3))
    assert (moved[:3] > 0).all()
    assert (moved[3:] == 0).all()


def test_one_group_is_dynamic_convolution_with_doubled_outputs():
    router, conv = make(groups=1)
    x = torch.randn(3, 8, 8, 8, dtype=torch.float64)
    assert conv.bank.shape == (1, 3, 12, 8, 3, 3)
    doubled = conv_by_hand(conv.bank, x, router(x), 1, 1)
    torch.testing.assert_close(conv(x, router(x)), F.conv2d(doubled, conv.squeeze.weight))


@pytest.mark.parametrize("temperature", [1e-6, 1e9])
def test_extreme_temperatures_are_finite(temperature):
    router, conv = make(temperature=temperature)
    x = torch.randn(4, 8, 8, 8, dtype=torch.float64, requires_grad=True)
    conv(x, router(x)).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(conv.bank.grad).all()


def test_channels_that_groups_do_not_divide_are_refused():
    factory = dynamic_group.build(dynamic_group.Params(groups=4))
    with pytest.raises(ValueError, match="multiples of 4"):
        factory.conv(10, 8, 3, 1, 1, from_end=1)
    with pytest.raises(ValueError, match="multiples of 4"):
        factory.conv(8, 9, 3, 1, 1, from_end=1)


def test_only_the_last_stages_are_dynamic():
    factory = dynamic_group.build(dynamic_group.Params(last_stages=3))
    assert factory.router(8, from_end=4) is None
    assert isinstance(factory.conv(8, 8, 3, 1, 1, from_end=4), PlainConv)
    assert factory.router(8, from_end=3).size == 16
