"""RetinaFace's net on MobileNet x0.25, with the released code's names of parameters.

body (three stages) -> fpn (64 channels, top-down sums) -> ssh (context of 3x3, 5x5, 7x7) -> three heads of
1x1 convolutions, two priors a place. Image (b, 3, h, w) -> boxes (b, n, 4), scores (b, n, 2), landmarks
(b, n, 10).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu, softmax

STAGES = (
    ((8, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)),
    ((64, 128, 2), *(((128, 128, 1),) * 5)),
    ((128, 256, 2), (256, 256, 1)),
)  # depthwise blocks: channels in, out, stride
WIDTH = 64  # of the pyramid
Three = tuple[Float[Tensor, "b n 4"], Float[Tensor, "b n 2"], Float[Tensor, "b n 10"]]


def _conv(inner: int, outer: int, kernel: int, slope: float | None, stride: int = 1) -> nn.Sequential:
    """Without `slope` it ends with its batch norm."""
    layers: list[nn.Module] = [nn.Conv2d(inner, outer, kernel, stride, kernel // 2, bias=False)]
    layers.append(nn.BatchNorm2d(outer))
    return nn.Sequential(*layers, *([] if slope is None else [nn.LeakyReLU(slope)]))


def _depthwise(inner: int, outer: int, slope: float, stride: int) -> nn.Sequential:
    first = nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False)
    return nn.Sequential(first, nn.BatchNorm2d(inner), nn.LeakyReLU(slope), *_conv(inner, outer, 1, slope))


class _Pyramid(nn.Module):
    def __init__(self, slope: float) -> None:
        super().__init__()
        self.output1, self.output2, self.output3 = (_conv(width, WIDTH, 1, slope) for width in (64, 128, 256))
        self.merge1, self.merge2 = (_conv(WIDTH, WIDTH, 3, slope) for _ in range(2))

    def forward(self, fine: Tensor, middle: Tensor, coarse: Tensor) -> list[Tensor]:
        fine, middle, coarse = self.output1(fine), self.output2(middle), self.output3(coarse)
        middle = self.merge2(middle + interpolate(coarse, middle.shape[2:]))
        return [self.merge1(fine + interpolate(middle, fine.shape[2:])), middle, coarse]


class _Context(nn.Module):
    def __init__(self, slope: float) -> None:
        super().__init__()
        half, quarter = WIDTH // 2, WIDTH // 4
        self.conv3X3 = _conv(WIDTH, half, 3, None)
        self.conv5X5_1 = _conv(WIDTH, quarter, 3, slope)
        self.conv5X5_2 = _conv(quarter, quarter, 3, None)
        self.conv7X7_2 = _conv(quarter, quarter, 3, slope)
        self.conv7x7_3 = _conv(quarter, quarter, 3, None)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv5X5_1(x)
        return relu(
            torch.cat([self.conv3X3(x), self.conv5X5_2(inner), self.conv7x7_3(self.conv7X7_2(inner))], 1)
        )


class _Head(nn.Module):
    """`size` numbers a prior, priors of a place side by side."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.conv1x1 = nn.Conv2d(WIDTH, 2 * size, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1x1(x).permute(0, 2, 3, 1).reshape(len(x), -1, self.size)


class Net(nn.Module):
    """Image of BGR less the mean (b, 3, h, w) -> boxes, scores, landmarks of n priors; ReLUs leak `slope`."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        stages = [
            nn.Sequential(*(_depthwise(inner, outer, slope, stride) for inner, outer, stride in stage))
            for stage in STAGES
        ]
        stages[0] = nn.Sequential(_conv(3, 8, 3, slope, 2), *stages[0])
        self.body = nn.ModuleDict({f"stage{number}": stage for number, stage in enumerate(stages, 1)})
        self.fpn = _Pyramid(slope)
        self.ssh1, self.ssh2, self.ssh3 = (_Context(slope) for _ in range(3))
        self.ClassHead, self.BboxHead, self.LandmarkHead = (
            nn.ModuleList(_Head(size) for _ in range(3)) for size in (2, 4, 10)
        )

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Three:
        maps = []
        for stage in self.body.values():
            image = stage(image)
            maps.append(image)
        contexts = (self.ssh1, self.ssh2, self.ssh3)
        seen = [ssh(level) for ssh, level in zip(contexts, self.fpn(*maps), strict=True)]
        boxes, scores, points = (
            torch.cat([head(level) for head, level in zip(heads, seen, strict=True)], 1)
            for heads in (self.BboxHead, self.ClassHead, self.LandmarkHead)
        )
        return boxes, softmax(scores, -1), points
