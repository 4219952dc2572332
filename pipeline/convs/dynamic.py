"""Dynamic convolution: each sample's kernel is its own mixture of n experts (thesis, Eq. 5.2).

https://arxiv.org/abs/1912.03458

    O(x) = (a_1 W_1 + ... + a_n W_n) (*) x,   a = softmax(L2(ReLU(BN(L1(avg x)))) / T)

x: (b, inputs, h, w), a: (b, experts). One routing vector a block, shared by its convolutions, in the last
`last_stages` stages: 6 x 4 = 24 numbers for IR-18. T is not stated in print: a low one collapses on one
expert, a high one makes all samples alike. Ours is 10: dynamic group convolution at size `demo` of world 0,
one seed, on former faces, had a validation AUC of 79.1 % with it and of 75.9 % with T = 1 (plain 78.9 %).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pipeline.contracts import Strict
from pipeline.convs import Router, routed_conv
from pipeline.convs.plain import PlainConv


class Params(Strict):
    experts: int = Field(4, ge=1)  # kernels that are mixed
    temperature: float = Field(10.0, gt=0.0)  # T of the softmax
    last_stages: int = Field(3, ge=0)  # how many stages, from the end, are dynamic
    reduction: int = Field(4, ge=1)  # hidden size of the routing layers = channels / reduction


class DynamicConv(nn.Module):
    """x (b, inputs, h, w), routing (b, experts) -> (b, outputs, h', w'); `bank` holds the experts."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int, experts: int
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.bank = nn.Parameter(torch.empty(1, experts, outputs, inputs, kernel, kernel))
        nn.init.normal_(self.bank, std=(inputs * kernel**2) ** -0.5)

    def forward(
        self, x: Float[Tensor, "b inputs h w"], routing: Float[Tensor, "b r"]
    ) -> Float[Tensor, "b outputs h2 w2"]:
        return routed_conv(x, self.bank, routing, self.stride, self.padding)


class Dynamic:
    """Factory: dynamic in the last stages, plain before them."""

    def __init__(self, experts: int, temperature: float, last_stages: int, reduction: int) -> None:
        self.experts = experts
        self.temperature = temperature
        self.last_stages = last_stages
        self.reduction = reduction

    def router(self, channels: int, from_end: int) -> nn.Module | None:
        if from_end > self.last_stages:
            return None
        hidden = max(channels // self.reduction, self.experts)
        return Router(channels, 1, self.experts, self.temperature, hidden)

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int, from_end: int
    ) -> nn.Module:
        if from_end > self.last_stages:
            return PlainConv(inputs, outputs, kernel, stride, padding, bias=False)
        return DynamicConv(inputs, outputs, kernel, stride, padding, self.experts)


def build(params: Params) -> Dynamic:
    return Dynamic(params.experts, params.temperature, params.last_stages, params.reduction)
