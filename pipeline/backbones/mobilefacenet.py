"""MobileFaceNet: inverted residuals, and a depthwise convolution in place of pooling.

https://arxiv.org/abs/1804.07573, with the widths of the thesis' Table 4.11.

    bottleneck(x) = BN(conv 1x1(PReLU(BN(depthwise 3x3(PReLU(BN(conv 1x1(x)))))))), + x where the shape stays
    net = conv 3x3 (stride 2), depthwise 3x3 | 1+4, 1+6, 1+2 bottlenecks, each first one strided
          | conv 1x1 to 512 | depthwise over the whole map, BN | linear, BN

image: (b, 3, size, size), size a multiple of 16 and at least 32 -> embedding (b, dim). Maps: stage1 is the
stem's output, stage2 .. stage4 the bottlenecks', at 1/2, 1/4, 1/8 and 1/16 of the image, as IR's are.
The factory's convolutions stand where a bottleneck's dense ones do, the two 1x1: both use the routing
vector of the bottleneck's input. Depthwise ones, the stem and the last layers stay plain.

With 112 pixels and 512 numbers it has 1.20 M parameters. Errors: another size.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pipeline.contracts import Backbone, ConvFactory, Outputs, Strict

# outputs, and the expansion of each bottleneck; the first one strides
STAGES = ((64, (128,) * 5), (128, (256,) * 7), (128, (512, 256, 256)))


class Params(Strict):
    width: float = Field(1.0, gt=0.0)  # multiplies every channel count, rounded to multiples of 8
    dim: int = Field(512, ge=1)  # size of the embedding


def channels_of(full: int, width: float) -> int:
    """`full` channels at a width multiplier: the nearest multiple of 8, at least 8."""
    return max(8, round(full * width / 8) * 8)


def depthwise(channels: int, kernel: int, stride: int, padding: int) -> nn.Module:
    """A convolution of every channel on its own, and BN."""
    conv = nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels))


class Bottleneck(nn.Module):
    """Expand, filter each channel, project; returns its output and its routing vector or None."""

    def __init__(
        self, inputs: int, expansion: int, outputs: int, stride: int, conv: ConvFactory, from_end: int
    ) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.router = conv.router(inputs, from_end)
        self.expand = conv.conv(inputs, expansion, 1, 1, 0, from_end)
        self.bn1 = nn.BatchNorm2d(expansion)
        self.prelu1 = nn.PReLU(expansion)
        self.filter = depthwise(expansion, 3, stride, 1)
        self.prelu2 = nn.PReLU(expansion)
        self.project = conv.conv(expansion, outputs, 1, 1, 0, from_end)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        routing = None if self.router is None else self.router(x)
        y = self.prelu1(self.bn1(self.expand(x, routing)))
        y = self.bn2(self.project(self.prelu2(self.filter(y)), routing))
        return (x + y if self.residual else y), routing


class MobileFaceNet(Backbone):
    """The net; `stages` is a list of lists of bottlenecks."""

    def __init__(self, width: float, dim: int, conv: ConvFactory, size: int, channels: int = 3) -> None:
        super().__init__()
        if size < 32 or size % 16:
            raise ValueError(f"mobilefacenet takes sizes from 32 up that are multiples of 16, got {size}")
        self.dim = dim
        stem, last = channels_of(64, width), channels_of(512, width)
        first = nn.Conv2d(channels, stem, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(
            first, nn.BatchNorm2d(stem), nn.PReLU(stem), depthwise(stem, 3, 1, 1), nn.PReLU(stem)
        )
        self.stages = nn.ModuleList()
        inputs = stem
        for index, (full, expansions) in enumerate(STAGES):
            outputs, from_end = channels_of(full, width), len(STAGES) - index
            stage = nn.ModuleList()
            for k, expansion in enumerate(expansions):
                middle, stride = channels_of(expansion, width), 2 if k == 0 else 1
                stage.append(Bottleneck(inputs, middle, outputs, stride, conv, from_end))
                inputs = outputs
            self.stages.append(stage)
        self.widen = nn.Sequential(
            nn.Conv2d(inputs, last, 1, bias=False), nn.BatchNorm2d(last), nn.PReLU(last)
        )
        self.pool = depthwise(last, size // 16, 1, 0)
        self.fc = nn.Linear(last, dim, bias=False)
        self.features = nn.BatchNorm1d(dim)
        blocks = [m for m in self.modules() if isinstance(m, Bottleneck)]
        self.routing_size = sum(getattr(block.router, "size", 0) for block in blocks)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], side: Float[Tensor, "b k h w"] | None = None
    ) -> Outputs:
        x = self.stem(image if side is None else torch.cat([image, side], 1))
        maps = {"stage1": x}
        routing: list[Tensor] = []
        for number, stage in enumerate(self.stages, 2):
            for block in stage:  # type: ignore[attr-defined]
                x, vector = block(x)
                if vector is not None:
                    routing.append(vector)
            maps[f"stage{number}"] = x
        embedding = self.features(self.fc(self.pool(self.widen(x)).flatten(1)))
        return Outputs(embedding, maps, torch.cat(routing, 1) if routing else None)


def build(params: Params, conv: ConvFactory, size: int, channels: int = 3) -> MobileFaceNet:
    return MobileFaceNet(params.width, params.dim, conv, size, channels)
