"""IR: ArcFace's improved residual net, any depth and width (https://arxiv.org/abs/1801.07698, sec. 3.2.2).

    block(x) = shortcut(x) + BN(conv2(PReLU(BN(conv1(BN(x))))))     the stride is conv2's
    shortcut = identity, or BN(conv 1x1 with the stride) where shape changes
    net      = conv 3x3, BN, PReLU | stages | BN, Dropout, Flatten, FC, BN (its weight fixed at 1)

There is no max-pool. Every stage halves the map in its first block, `stem_stride` 2 halves it once more.
image: (b, 3, size, size), side maps (b, channels - 3, size, size) -> embedding (b, dim); maps stage1 ..
stageN are the stages' outputs. With a routed convolution factory both convolutions of a block use the routing
vector of the block's input; `routing` concatenates them over the blocks. Shortcuts and the stem stay plain.

With the weights of the released iresnet18, 34 and 50 (InsightFace, arcface_torch) copied in, the outputs at
112 pixels equal theirs to the bit, in evaluation and in training mode. Convolutions start as theirs do, as
N(0, 0.1^2).
Errors: `width` must name the stem and every stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pipeline.contracts import Backbone, ConvFactory, Outputs, Strict


class Params(Strict):
    depth: tuple[int, ...] = Field((2, 2, 2, 2), min_length=1)  # blocks of each stage; [3, 4, 6, 3] is IR-34
    width: tuple[int, ...] = (64, 64, 128, 256, 512)  # channels of the stem and of each stage
    dim: int = Field(512, ge=1)  # size of the embedding
    stem_stride: Literal[1, 2] = 1  # 2 halves the map, and a quarter of the work remains
    dropout: float = Field(0.0, ge=0.0, lt=1.0)  # share of features dropped before the last layer
    init_std: float = Field(0.1, gt=0.0)  # standard deviation of the convolutions' first weights

    @model_validator(mode="after")
    def _matching(self) -> Params:
        if len(self.width) != len(self.depth) + 1:
            raise ValueError(
                f"width names the stem and every stage: {len(self.depth) + 1} numbers for "
                f"{len(self.depth)} stages of depth, got {len(self.width)}"
            )
        if min(self.depth) < 1 or min(self.width) < 1:
            raise ValueError("depth and width need positive numbers")
        return self


class Projection(nn.Conv2d):
    """1x1 convolution with a stride, written as one without of the pixels that it keeps: the same numbers.

    The strided kernel crashes in backward on the CPU (torch 2.13: 8 channels, 56 px, channels last).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)
        self.step = stride

    def forward(self, x: Float[Tensor, "b inputs h w"]) -> Float[Tensor, "b outputs h2 w2"]:
        return super().forward(x[:, :, :: self.step, :: self.step])


class Block(nn.Module):
    """One residual block; returns its output and its routing vector or None."""

    def __init__(self, inputs: int, outputs: int, stride: int, conv: ConvFactory, from_end: int) -> None:
        super().__init__()
        self.router = conv.router(inputs, from_end)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv.conv(inputs, outputs, 3, 1, 1, from_end)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = conv.conv(outputs, outputs, 3, stride, 1, from_end)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            project = Projection(inputs, outputs, stride)
            self.shortcut = nn.Sequential(project, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        routing = None if self.router is None else self.router(x)
        y = self.conv1(self.bn1(x), routing)
        y = self.conv2(self.prelu(self.bn2(y)), routing)
        return self.shortcut(x) + self.bn3(y), routing


class IR(Backbone):
    """The net; `stages` is a list of lists of blocks."""

    def __init__(
        self,
        depth: Sequence[int],
        width: Sequence[int],
        dim: int,
        stem_stride: int,
        dropout: float,
        conv: ConvFactory,
        size: int,
        channels: int = 3,
        init_std: float = 0.1,
    ) -> None:
        super().__init__()
        self.dim = dim
        stem = nn.Conv2d(channels, width[0], 3, stem_stride, 1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(width[0]), nn.PReLU(width[0]))
        self.stages = nn.ModuleList()
        side = -(-size // stem_stride)
        for index, blocks in enumerate(depth):
            inputs, outputs, from_end = width[index], width[index + 1], len(depth) - index
            stage = [
                Block(inputs if k == 0 else outputs, outputs, 1 + (k == 0), conv, from_end)
                for k in range(blocks)
            ]
            self.stages.append(nn.ModuleList(stage))
            side = -(-side // 2)
        self.bn = nn.BatchNorm2d(width[-1])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(width[-1] * side * side, dim)
        self.features = nn.BatchNorm1d(dim)
        self.features.weight.requires_grad = False
        self.routing_size = sum(getattr(m.router, "size", 0) for m in self.modules() if isinstance(m, Block))
        for weight in self.parameters():
            if weight.dim() >= 4:  # convolutions, and banks of them
                nn.init.normal_(weight, std=init_std)

    def forward(
        self, image: Float[Tensor, "b 3 h w"], side: Float[Tensor, "b k h w"] | None = None
    ) -> Outputs:
        x = self.stem(image if side is None else torch.cat([image, side], 1))
        maps: dict[str, Tensor] = {}
        routing: list[Tensor] = []
        for number, stage in enumerate(self.stages, 1):
            for block in stage:  # type: ignore[attr-defined]
                x, vector = block(x)
                if vector is not None:
                    routing.append(vector)
            maps[f"stage{number}"] = x
        embedding = self.features(self.fc(self.dropout(self.bn(x)).flatten(1)))
        return Outputs(embedding, maps, torch.cat(routing, 1) if routing else None)


def build(params: Params, conv: ConvFactory, size: int, channels: int = 3) -> IR:
    return IR(
        params.depth,
        params.width,
        params.dim,
        params.stem_stride,
        params.dropout,
        conv,
        size,
        channels,
        params.init_std,
    )
