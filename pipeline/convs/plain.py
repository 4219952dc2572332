"""Plain convolution: one kernel for every sample, no routing vector.

    O(x) = W (*) x                                                      (Eq. 5.1)

x: (b, inputs, h, w), O: (b, outputs, h', w').
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from pipeline.contracts import Strict


class Params(Strict):
    """Nothing to choose."""


class PlainConv(nn.Conv2d):
    """A convolution without bias that can be called like a routed one."""

    def forward(
        self, x: Float[Tensor, "b inputs h w"], routing: Tensor | None = None
    ) -> Float[Tensor, "b outputs h2 w2"]:
        return super().forward(x)


class Plain:
    """Factory of plain convolutions."""

    def router(self, channels: int, from_end: int) -> nn.Module | None:
        return None

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int, from_end: int
    ) -> nn.Module:
        return PlainConv(inputs, outputs, kernel, stride, padding, bias=False)


def build(params: Params) -> Plain:
    return Plain()
