"""Dynamic group convolution: every group of input channels has its own n experts (thesis, Eq. 5.3).

    O(x)  = V (*) concat[W^1 (*) x^1, ..., W^m (*) x^m],   W^g = sum_k a^g_k W^g_k
    a^g   = softmax of the g-th n numbers of L2(ReLU(BN(L1(avg x)))) / T

x^g: (b, inputs / m, h, w); each group gives 2 outputs / m channels, which the 1x1 kernel V squeezes to
outputs. a: (b, m n), one a block, shared by its convolutions, in the last `last_stages` stages:
6 x 16 = 96 numbers for IR-18. On T see `dynamic`.
Errors: inputs or 2 outputs that m does not divide.
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
    experts: int = Field(4, ge=1)  # kernels that are mixed, in each group
    groups: int = Field(4, ge=1)  # groups of input channels
    temperature: float = Field(10.0, gt=0.0)  # T of the softmax
    last_stages: int = Field(3, ge=0)  # how many stages, from the end, are dynamic
    reduction: int = Field(4, ge=1)  # hidden size of the routing layers = channels / reduction


class DynamicGroupConv(nn.Module):
    """x (b, inputs, h, w), routing (b, groups * experts) -> (b, outputs, h', w')."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        padding: int,
        experts: int,
        groups: int,
    ) -> None:
        super().__init__()
        if inputs % groups or 2 * outputs % groups:
            raise ValueError(
                f"dynamic_group: {groups} groups must divide {inputs} input and {2 * outputs} doubled "
                f"output channels: choose widths that are multiples of {groups}, or other groups"
            )
        self.stride, self.padding = stride, padding
        shape = (groups, experts, 2 * outputs // groups, inputs // groups, kernel, kernel)
        self.bank = nn.Parameter(torch.empty(shape))
        nn.init.normal_(self.bank, std=(inputs // groups * kernel**2) ** -0.5)
        self.squeeze = nn.Conv2d(2 * outputs, outputs, 1, bias=False)

    def forward(
        self, x: Float[Tensor, "b inputs h w"], routing: Float[Tensor, "b r"]
    ) -> Float[Tensor, "b outputs h2 w2"]:
        return self.squeeze(routed_conv(x, self.bank, routing, self.stride, self.padding))


class DynamicGroup:
    """Factory: dynamic groups in the last stages, plain before them."""

    def __init__(
        self, experts: int, groups: int, temperature: float, last_stages: int, reduction: int
    ) -> None:
        self.experts = experts
        self.groups = groups
        self.temperature = temperature
        self.last_stages = last_stages
        self.reduction = reduction

    def router(self, channels: int, from_end: int) -> nn.Module | None:
        if from_end > self.last_stages:
            return None
        hidden = max(channels // self.reduction, self.groups * self.experts)
        return Router(channels, self.groups, self.experts, self.temperature, hidden)

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int, from_end: int
    ) -> nn.Module:
        if from_end > self.last_stages:
            return PlainConv(inputs, outputs, kernel, stride, padding, bias=False)
        return DynamicGroupConv(inputs, outputs, kernel, stride, padding, self.experts, self.groups)


def build(params: Params) -> DynamicGroup:
    return DynamicGroup(
        params.experts, params.groups, params.temperature, params.last_stages, params.reduction
    )
