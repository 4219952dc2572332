"""Dynamic convolution against a loop over samples and experts."""

import pytest
import torch

from pipeline import convs
from pipeline.convs import dynamic
from pipeline.convs.plain import PlainConv
from tests.convs.routed import conv_by_hand, router_by_hand, with_statistics


def make(temperature=1.0, stride=1, kernel=3):
    torch.manual_seed(0)
    factory = dynamic.build(dynamic.Params(temperature=temperature))
    conv = factory.conv(8, 12, kernel, stride, kernel // 2, from_end=3).double()
    return with_statistics(factory.router(8, from_end=3)), conv


@pytest.mark.parametrize(
    "side", [3, 16]
)  # both forms: mixed outputs on small maps, mixed kernels on large ones
@pytest.mark.parametrize(("stride", "kernel"), [(1, 3), (2, 3), (1, 1)])
def test_equals_loops(side, stride, kernel):
    router, conv = make(stride=stride, kernel=kernel)
    x = torch.randn(5, 8, side, side, dtype=torch.float64)
    a = router(x)
    torch.testing.assert_close(a, router_by_hand(router, x, groups=1))
    torch.testing.assert_close(conv(x, a), conv_by_hand(conv.bank, x, a, stride, kernel // 2))


@pytest.mark.parametrize("groups", [1, 4])
def test_both_forms_agree_in_value_and_gradient(groups):
    torch.manual_seed(1)
    found = []
    x0, bank0 = torch.randn(3, 8, 6, 6).double(), torch.randn(groups, 2, 4, 8 // groups, 3, 3).double()
    a0 = torch.rand(3, groups * 2).double()
    for form in (convs.mix_kernels, convs.mix_outputs):
        x, bank, a = (value.clone().requires_grad_() for value in (x0, bank0, a0))
        y = form(x, bank, a, 2, 1)
        y.pow(3).sum().backward()
        found.append((y, x.grad, bank.grad, a.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_order_of_a_batch_changes_nothing():
    router, conv = make()
    x = torch.randn(6, 8, 8, 8, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(conv(x[order], router(x[order])), conv(x, router(x))[order])


def test_each_sample_has_its_own_kernel():
    router, conv = make()
    x = torch.randn(2, 8, 8, 8, dtype=torch.float64)
    swapped = conv(x, router(x).flip(0))
    assert (swapped - conv(x, router(x))).abs().max() > 1e-3


def test_low_temperature_picks_one_expert_and_high_mixes_all():
    x = torch.randn(4, 8, 8, 8, dtype=torch.float64)
    router, conv = make(temperature=1e-6)
    a = router(x)
    torch.testing.assert_close(a.max(1).values, torch.ones(4, dtype=torch.float64))
    for sample in range(4):
        kernel = conv.bank[0, a[sample].argmax()]
        expected = torch.nn.functional.conv2d(x[sample : sample + 1], kernel, None, 1, 1)
        torch.testing.assert_close(conv(x, a)[sample : sample + 1], expected)
    router, conv = make(temperature=1e9)
    torch.testing.assert_close(router(x), torch.full((4, 4), 0.25, dtype=torch.float64))


def test_only_the_last_stages_are_dynamic():
    factory = dynamic.build(dynamic.Params(last_stages=2))
    assert factory.router(8, from_end=3) is None
    assert isinstance(factory.conv(8, 8, 3, 1, 1, from_end=3), PlainConv)
    assert factory.router(8, from_end=2).size == 4
    assert isinstance(factory.conv(8, 8, 3, 1, 1, from_end=2), dynamic.DynamicConv)


def test_temperature_must_be_above_zero():
    with pytest.raises(ValueError, match="temperature"):
        dynamic.Params(temperature=0.0)
