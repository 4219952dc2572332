"""FAN: targets and loss against loops, decoding, mirroring, and learning two faces by heart."""

import math

import numpy as np
import pytest
import torch

from pipeline import landmarks
from pipeline.landmarks import MIRROR68, fan


def make(**params):
    torch.manual_seed(0)
    return fan.build(fan.Params(**{"width": 8, "depth": 2, **params}))


def gaussian(point, size, side, sigma):
    """Pixel by pixel."""
    out = np.zeros((side, side))
    x, y = ((v + 0.5) * side / size - 0.5 for v in point)
    for v in range(side):
        for u in range(side):
            out[v, u] = math.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * sigma**2))
    return out


def test_targets_equal_loops():
    points = torch.tensor([[[10.0, 20.0], [0.0, 31.0], [-4.0, 3.0], [math.nan, 3.0]]], dtype=torch.float64)
    found = fan.targets(points, 32, 16, 1.5).numpy()[0]
    for k in range(2):
        np.testing.assert_allclose(found[k], gaussian(points[0, k].tolist(), 32, 16, 1.5), atol=1e-12)
    assert (found[2:] == 0).all()


def test_loss_equals_loops_and_leaves_unknown_points_out():
    torch.manual_seed(0)
    points = torch.tensor(
        [[[10.0, 20.0], [math.nan, 0.0], [7.0, 7.5]], [[40.0, 1.0], [3.0, 3.0], [30.0, 2.0]]]
    )
    scores = torch.randn(2, 3, 8, 8, requires_grad=True)
    terms = []
    for b, k in ((0, 0), (0, 2), (1, 1), (1, 2)):
        target = gaussian(points[b, k].tolist(), 32, 8, 1.0)
        value = scores[b, k].detach().double().numpy()
        log_share = value - np.log(np.exp(value).sum())
        terms.append(-(target / target.sum() * log_share).sum())
    loss = fan.cross_entropy(scores, points, 32, 1.0)
    assert loss.item() == pytest.approx(np.mean(terms), rel=1e-5)
    loss.backward()
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[0, 1] == 0).all()
    assert (scores.grad[1, 0] == 0).all()


def test_loss_is_summed_over_stacks():
    net, points = make(), torch.rand(2, 68, 2) * 64
    scores = net(torch.randn(2, 3, 64, 64))
    assert len(scores) == 2
    one = [fan.cross_entropy(score, points, 64, net.sigma) for score in scores]
    torch.testing.assert_close(net.loss(scores, points, 64), one[0] + one[1])


def test_no_known_point_costs_nothing():
    scores = torch.randn(1, 2, 4, 4, requires_grad=True)
    loss = fan.cross_entropy(scores, torch.full((1, 2, 2), math.nan), 8, 1.0)
    loss.backward()
    assert loss.item() == 0
    assert (scores.grad == 0).all()


@pytest.mark.parametrize("size", [64, 112])
def test_decode_finds_what_the_loss_asks_for(size):
    torch.manual_seed(0)
    points = 8 + torch.rand(3, 68, 2) * (size - 16)
    scores = fan.targets(points, size, size // 2, 1.0).clamp(min=1e-30).log()
    error = (fan.decode(scores, size) - points).norm(dim=-1)
    assert error.max() < 0.02  # image pixels: the window cuts the Gaussian's tail


def test_decode_is_not_moved_by_a_far_second_peak():
    scores = fan.targets(torch.tensor([[[20.0, 30.0]]]), 64, 32, 1.0).clamp(min=1e-30).log()
    other = fan.targets(torch.tensor([[[50.0, 10.0]]]), 64, 32, 1.0).clamp(min=1e-30).log()
    both = torch.maximum(scores, other - 0.5)
    torch.testing.assert_close(fan.decode(both, 64), fan.decode(scores, 64), atol=0.02, rtol=0)


def test_mirror_is_its_own_inverse():
    order = torch.tensor(MIRROR68)
    assert sorted(MIRROR68) == list(range(68))
    assert order[order].tolist() == list(range(68))
    points = torch.rand(2, 68, 2) * 64
    torch.testing.assert_close(landmarks.mirror_points(landmarks.mirror_points(points, 64), 64), points)


def test_mirror_pairs_left_and_right():
    pairs = [
        (0, 16),
        (8, 8),
        (17, 26),
        (31, 35),
        (36, 45),
        (37, 44),
        (41, 46),
        (48, 54),
        (60, 64),
        (61, 63),
        (67, 65),
    ]
    for left, right in pairs:
        assert MIRROR68[left] == right


def test_flip_average_averages_and_commutes_with_the_mirror():
    net = make(depth=1, stacks=1).double().eval()
    image = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    order = list(MIRROR68)
    found = landmarks.flip_average(net, image)
    mean = (net(image)[-1] + net(image.flip(-1))[-1].flip(-1)[:, order]) / 2
    torch.testing.assert_close(found, mean)
    torch.testing.assert_close(landmarks.flip_average(net, image.flip(-1)), found.flip(-1)[:, order])


def test_heatmaps_of_a_perfect_net_have_peak_one():
    scores = fan.targets(torch.tensor([[[20.5, 30.5]]]), 64, 32, 1.0).clamp(min=1e-30).log()
    assert landmarks.heatmaps(scores, 1.0).max().item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(("stride", "side"), [(2, 32), (4, 16)])
def test_shapes(stride, side):
    net = make(stride=stride)
    assert [tuple(s.shape) for s in net(torch.randn(1, 3, 64, 64))] == [(1, 68, side, side)] * 2
    maps = landmarks.side_maps(net, torch.randn(1, 3, 64, 64))
    assert maps.shape == (1, 51, 64, 64)


def test_learns_two_faces_by_heart():
    net = make(width=16, depth=1, stacks=1)
    image = torch.randn(2, 3, 32, 32)
    points = 3 + torch.rand(2, 68, 2) * 26
    optimiser = torch.optim.Adam(net.parameters(), 3e-2)
    for _ in range(40):
        optimiser.zero_grad()
        net.loss(net(image), points, 32).backward()
        optimiser.step()
    assert (net.decode(net(image)[-1], 32) - points).norm(dim=-1).mean() < 1.0


def test_width_must_be_a_multiple_of_four():
    with pytest.raises(ValueError, match="multiple of 4"):
        fan.Params(width=10)
