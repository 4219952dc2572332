"""ResNet-34 (https://arxiv.org/abs/1512.03385, table 1) with torchvision's names of parameters."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

DEPTHS, WIDTHS = (3, 4, 6, 3), (64, 128, 256, 512)


class Block(nn.Module):
    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inner, outer, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outer)
        self.conv2 = nn.Conv2d(outer, outer, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outer)
        self.downsample = None
        if stride > 1 or inner != outer:
            projection = nn.Conv2d(inner, outer, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outer))

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.downsample is None else self.downsample(x)
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + kept)


class ResNet34(nn.Module):
    """Image (b, 3, h, w) -> (b, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        before = 64
        for number, (depth, width) in enumerate(zip(DEPTHS, WIDTHS, strict=True), 1):
            first = Block(before, width, 1 if number == 1 else 2)
            rest = (Block(width, width, 1) for _ in range(depth - 1))
            setattr(self, f"layer{number}", nn.Sequential(first, *rest))
            before = width
        self.fc = nn.Linear(before, classes)

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b classes"]:
        x = self.maxpool(relu(self.bn1(self.conv1(image))))
        for number in range(1, len(DEPTHS) + 1):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(torch.flatten(x.mean((2, 3)), 1))
