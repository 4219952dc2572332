"""Learning rates against torch's own schedulers; which parameters decay."""

import numpy as np
import pytest
import torch
from torch import nn, optim

from pipeline.train.schedule import Params, Schedule, build, rate


def by_torch(make, steps=40):
    optimiser = optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimiser)
    rates = []
    for _ in range(steps):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    return rates


def test_cosine_and_steps_against_torch():
    cosine = [rate(k / 40, lr=0.1, warmup=0.0, decay="cosine") for k in range(40)]
    theirs = by_torch(lambda o: optim.lr_scheduler.CosineAnnealingLR(o, 40))
    np.testing.assert_allclose(cosine, theirs, atol=1e-12)
    steps = [rate(k / 40, lr=0.1, warmup=0.0, decay="steps", steps=(0.5, 0.75), gamma=0.1) for k in range(40)]
    np.testing.assert_allclose(steps, by_torch(lambda o: optim.lr_scheduler.MultiStepLR(o, [20, 30], 0.1)))


def test_warm_up_rises_in_a_line_and_meets_the_decay():
    schedule = Schedule(lr=0.2, warmup=0.25, decay="cosine")
    assert [schedule.rate(p) for p in (0.0, 0.125, 0.25)] == pytest.approx([0.0, 0.1, 0.2])
    assert schedule.rate(0.625) == pytest.approx(0.1)
    assert schedule.rate(1.0) == pytest.approx(0.0, abs=1e-12)
    assert Schedule(lr=0.2, decay="constant").rate(0.9) == 0.2


def test_what_is_not_decayed():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1))
    net[2].weight.no_decay = True

    def decays(**more):
        groups = Schedule(weight_decay=0.5, **more).optimise(net.parameters()).groups
        return {id(p): group.weight_decay for group in groups for p in group.parameters}

    everything, by_shape = decays(), decays(decay_1d=False)
    for parameter in net.parameters():
        spared = parameter is net[2].weight
        assert everything[id(parameter)] == (0.0 if spared else 0.5)
        assert by_shape[id(parameter)] == (0.0 if spared or parameter.ndim == 1 else 0.5)


def test_mistakes_are_told():
    frozen = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter wants a gradient"):
        Schedule().optimise(frozen.parameters())
    with pytest.raises(ValueError, match="no optimiser 'lion'"):
        Schedule(optimiser="lion").optimise(nn.Linear(2, 2).parameters())
    with pytest.raises(ValueError, match=r"warmup is 1\.0"):
        Schedule(warmup=1.0)
    with pytest.raises(ValueError, match="they rise"):
        Schedule(decay="steps", steps=(0.7, 0.5))


def test_build_passes_every_param_on():
    params = Params(optimiser="adam", lr=0.3, decay="steps", steps=(0.5,), gamma=0.2, clip=1.0, warmup=0.1)
    schedule = build(params)
    assert {name: getattr(params, name) for name in vars(schedule)} == vars(schedule)
