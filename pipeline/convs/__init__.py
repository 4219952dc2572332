"""Convolution factories: what a backbone's convolutions are made of. Here is what the routed ones share.

    a = softmax(L2(ReLU(BN(L1(avg x)))) / T), group by group           routing vector, L1 and L2 linear layers
    O = concat_g[ (sum_k a_gk W_gk) (*) x_g ]                           x split into groups of channels

x: (b, inputs, h, w); a: (b, groups * experts), each group sums to 1; W: (groups, experts, outputs / groups,
inputs / groups, k, k). There is no loop over samples: a batch of kernels is one grouped convolution. Since a
convolution is linear in its kernel, the same output is the mixture of every expert's output, which is faster
where the map is too small to pay for a kernel a sample, and the one that a traced graph gets: a kernel a
sample is written for one size of batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SMALL_MAP = 64
"""Output pixels from which a kernel a sample pays: on one CPU core it took 0.3-0.85 of the mixture's time
at 64 pixels and more, 2-7 times its time at 16 and fewer (batch 64, widths 32-192, forward and backward)."""


class Router(nn.Module):
    """Block input (b, channels, h, w) -> routing vector (b, groups * experts)."""

    def __init__(self, channels: int, groups: int, experts: int, temperature: float, hidden: int) -> None:
        super().__init__()
        self.size = groups * experts
        self.experts = experts
        self.temperature = temperature
        self.squeeze = nn.Linear(channels, hidden)
        self.bn = nn.BatchNorm1d(hidden)
        self.excite = nn.Linear(hidden, self.size)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b r"]:
        scores = self.excite(F.relu(self.bn(self.squeeze(x.mean((2, 3))))))
        return grouped_softmax(scores, self.experts, self.temperature)


def grouped_softmax(scores: Float[Tensor, "b r"], experts: int, temperature: float) -> Float[Tensor, "b r"]:
    """softmax(scores / T) over each run of `experts` entries."""
    groups = int(scores.shape[1]) // experts
    return (scores.reshape(scores.shape[0], groups, experts) / temperature).softmax(2).flatten(1)


def routed_conv(
    x: Float[Tensor, "b c h w"],
    bank: Float[Tensor, "m n p q k k"],
    routing: Float[Tensor, "b r"],
    stride: int,
    padding: int,
) -> Float[Tensor, "b o h2 w2"]:
    """Every sample convolved with its own mixture of the experts; picks the faster of two equal forms."""
    if torch.jit.is_tracing():
        return mix_outputs(x, bank, routing, stride, padding)
    height, width = ((side + 2 * padding - bank.shape[-1]) // stride + 1 for side in x.shape[2:])
    form = mix_kernels if len(x) == 1 or height * width >= SMALL_MAP else mix_outputs
    return form(x, bank, routing, stride, padding)


def mix_kernels(x: Tensor, bank: Tensor, routing: Tensor, stride: int, padding: int) -> Tensor:
    """One grouped convolution with a kernel a sample."""
    groups, experts, outputs, inputs = bank.shape[:4]
    samples = len(x)
    share = routing.unflatten(1, (groups, experts))
    kernels = torch.einsum("bmn,mnz->bmz", share, bank.flatten(2))
    kernels = kernels.reshape(samples * groups * outputs, inputs, *bank.shape[4:])
    row = x.reshape(1, samples * groups * inputs, *x.shape[2:])
    y = F.conv2d(row, kernels, None, stride, padding, groups=samples * groups)
    return y.view(samples, groups * outputs, *y.shape[2:])


def mix_outputs(x: Tensor, bank: Tensor, routing: Tensor, stride: int, padding: int) -> Tensor:
    """One convolution with all experts, then the mixture of what they say.

    Every shape but the batch is a plain number, so that those of a traced graph can be inferred.
    """
    groups, experts, outputs = bank.shape[:3]
    y = F.conv2d(x, bank.flatten(0, 2), None, stride, padding, groups=groups)
    samples, side = y.shape[0], [int(n) for n in y.shape[2:]]
    share = routing.reshape(samples, groups, experts).to(y.dtype)
    parts = y.reshape(samples, groups, experts, outputs, *side)
    return torch.einsum("bmn,bmnphw->bmphw", share, parts).reshape(samples, groups * outputs, *side)
