"""Optimisers against the formula in float64 and against torch.optim, to the bit; late gradients; resume."""

import numpy as np
import pytest
import torch
from torch import nn, optim

from pipeline.train.optimiser import Group, Optimiser


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(4), nn.Conv2d(4, 2, 3)).to(
        memory_format=torch.channels_last
    )


def grads(model, step):
    torch.manual_seed(step)
    model.zero_grad()
    model(torch.randn(2, 3, 8, 8)).square().mean().backward()


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_against_the_formula(name):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(5, dtype=torch.float64))
    x, v, s = weight.detach().numpy().copy(), np.zeros(5), np.zeros(5)
    optimiser = Optimiser(name, [Group([weight], 0.01)], 0.9)
    for step in range(1, 5):
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step(0.1 / step)
        gradient = 2 * x + 0.01 * x
        if name == "sgd":
            v = 0.9 * v + gradient
            x = x - 0.1 / step * v
        else:
            v, s = 0.9 * v + 0.1 * gradient, 0.999 * s + 0.001 * gradient**2
            x = x - 0.1 / step * (v / (1 - 0.9**step)) / (np.sqrt(s / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(weight.detach().numpy(), x, rtol=1e-9)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_to_the_bit_against_torch(name):
    mine, theirs = net(), net()
    optimiser = Optimiser(name, [Group(list(mine.parameters()), 0.01)], 0.9)
    if name == "sgd":
        reference = optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01, fused=True)
    else:
        reference = optim.Adam(theirs.parameters(), lr=0.1, weight_decay=0.01, fused=True)
    for step in range(4):
        grads(mine, step)
        grads(theirs, step)
        optimiser.step(0.1)
        reference.step()
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_late_gradient_and_none_at_all(name):
    early, late, never = (nn.Parameter(torch.ones(2)) for _ in range(3))
    optimiser = Optimiser(name, [Group([early, late, never], 0.1)], 0.9)
    for step in range(4):
        optimiser.zero_grad()
        loss = early.sum() + (late.sum() if step >= 2 else 0.0)
        loss.backward()
        before = late.detach().clone()
        optimiser.step(0.1)
        assert torch.equal(late, before) == (step < 2)
    assert never.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_resumed_to_the_bit(name, tmp_path):
    whole, part = net(), net()
    runs = {m: Optimiser(name, [Group(list(m.parameters()), 0.01)], 0.9) for m in (whole, part)}
    for model, optimiser in runs.items():
        for step in range(3):
            grads(model, step)
            optimiser.step(0.1)
    torch.save([part.state_dict(), runs[part].state_dict()], tmp_path / "state.pt")
    again = net()
    weights, state = torch.load(tmp_path / "state.pt", weights_only=True)
    again.load_state_dict(weights)
    resumed = Optimiser(name, [Group(list(again.parameters()), 0.01)], 0.9)
    resumed.load_state_dict(state)
    for model, optimiser in ((whole, runs[whole]), (again, resumed)):
        for step in range(3, 6):
            grads(model, step)
            optimiser.step(0.1)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_an_unknown_one_is_told():
    with pytest.raises(ValueError, match="no optimiser 'lion'; there are"):
        Optimiser("lion", [], 0.9)


def test_sgd_without_momentum_keeps_no_state():
    mine, theirs = net(), net()
    optimiser = Optimiser("sgd", [Group(list(mine.parameters()), 0.01)], 0.0)
    reference = optim.SGD(theirs.parameters(), lr=0.1, weight_decay=0.01)
    for step in range(3):
        grads(mine, step)
        grads(theirs, step)
        optimiser.step(0.1)
        reference.step()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)
    assert all(state == {} for state in optimiser.state_dict())


def test_a_gradient_of_other_strides_is_brought_to_the_parameters():
    given = [nn.Parameter(torch.ones(2, 3, 4, 4)) for _ in range(2)]
    for parameter in given:
        parameter.grad = torch.arange(96.0).view(2, 3, 4, 4)
    given[1].grad = given[1].grad.contiguous(memory_format=torch.channels_last)
    for parameter in given:
        Optimiser("sgd", [Group([parameter], 0.0)], 0.9).step(0.1)
    assert torch.equal(*given)
