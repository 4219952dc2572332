"""FAN: stacked hourglasses that map a face to heatmaps of its 68 landmarks.

https://arxiv.org/abs/1703.07332; the parallel multi-scale block is that of https://arxiv.org/abs/1703.00862.

    block(x)     = shortcut(x) + concat[a, b, c],  a = f(x), b = f(a), c = f(b), f = conv 3x3(ReLU(BN))
    hourglass(x) = block(x) + upsample(block(inner(block(pool x)))),  inner = a smaller hourglass, or a block
    stack i      : y = hourglass(x), S_i = conv 1x1(y), x <- x + conv 1x1(y) + conv 1x1(S_i)
    L            = - sum_i mean_k sum_u G_k(u) ln softmax_u(S_ik)

G_k: the normalised Gaussian of width `sigma` map pixels around point k. Points that are unknown (NaN) or off
the map have no term. A cross-entropy over the pixels, since a mean square against mostly empty maps learns
slowly. image (b, 3, size, size) -> S_i (b, points, size / stride, size / stride); a map of half the size
keeps 32 pixels for a 64-pixel face.
"""

from __future__ import annotations

import itertools
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from pipeline.contracts import Strict
from pipeline.landmarks import MIRROR68, LandmarkNet

RADIUS = 3  # map pixels around the peak that `decode` averages over


class Params(Strict):
    stacks: int = Field(2, ge=1)  # hourglasses, one behind the other
    width: int = Field(24, ge=4)  # channels, a multiple of 4
    depth: int = Field(3, ge=1)  # how often an hourglass halves its map
    points: Literal[68] = 68  # iBUG points
    sigma: float = Field(1.0, gt=0.0)  # of the target's Gaussian, in map pixels
    stride: Literal[2, 4] = 2  # image pixels a map pixel

    @model_validator(mode="after")
    def _divisible(self) -> Params:
        if self.width % 4:
            raise ValueError(f"width is split into 1/2 + 1/4 + 1/4: a multiple of 4, got {self.width}")
        return self


def bumps(
    points: Float[Tensor, "b p 2"], size: int, side: int, sigma: float
) -> tuple[Float[Tensor, "b p 2 side"], Bool[Tensor, "b p"]]:
    """Gaussians of peak 1 along x and along y of a map of `side` pixels, and which points are on the map."""
    at = (points + 0.5) * (side / size) - 0.5
    known = ((at >= -0.5) & (at <= side - 0.5)).all(-1)  # false for NaN, too
    line = torch.arange(side, device=points.device, dtype=points.dtype)
    centre = torch.where(known[..., None], at, 0.0)
    return torch.exp(-0.5 * ((line - centre[..., None]) / sigma).square()), known


def targets(
    points: Float[Tensor, "b p 2"], size: int, side: int, sigma: float
) -> Float[Tensor, "b p side side"]:
    """Gaussians with peak 1 on a map of `side` pixels; all zero where a point is unknown or off the map."""
    lines, known = bumps(points, size, side, sigma)
    return lines[:, :, 1, :, None] * lines[:, :, 0, None, :] * known[..., None, None]


def cross_entropy(
    scores: Float[Tensor, "b p side side"], points: Float[Tensor, "b p 2"], size: int, sigma: float
) -> Float[Tensor, ""]:
    """Mean over the known points of -sum_u G(u) ln softmax_u(S). G is separable, never written down whole."""
    lines, known = bumps(
        points.to(torch.promote_types(points.dtype, scores.dtype)), size, scores.shape[-1], sigma
    )
    lines = lines / lines.sum(-1, keepdim=True)
    log_share = scores.to(lines.dtype).flatten(2).log_softmax(-1).view(scores.shape)
    along_x = (log_share @ lines[:, :, 0, :, None]).squeeze(-1)
    terms = -(along_x * lines[:, :, 1]).sum(-1)
    return torch.where(known, terms, 0.0).sum() / known.sum().clamp(min=1)


def decode(scores: Float[Tensor, "b p y x"], size: int) -> Float[Tensor, "b p 2"]:
    """Points in pixels of the image: mean position over the heatmap around its highest pixel."""
    side = scores.shape[-1]
    share = scores.float().flatten(2).softmax(-1)
    peak = share.argmax(-1, keepdim=True)
    pixel = torch.arange(side * scores.shape[-2], device=scores.device)
    x, y = pixel % side, pixel // side
    near = ((x - peak % side).abs() <= RADIUS) & ((y - peak // side).abs() <= RADIUS)
    share = share * near
    share = share / share.sum(-1, keepdim=True)
    at = torch.stack([(share * x).sum(-1), (share * y).sum(-1)], -1)
    return (at + 0.5) * (size / side) - 0.5


class Block(nn.Module):
    """Pre-activation block whose three convolutions see growing surroundings."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        sizes = [inputs, outputs // 2, outputs // 4, outputs // 4]
        self.bns = nn.ModuleList(nn.BatchNorm2d(n) for n in sizes[:3])
        pairs = itertools.pairwise(sizes)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in pairs)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            project = nn.Conv2d(inputs, outputs, 1, bias=False)
            self.shortcut = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU(), project)

    def forward(self, x: Tensor) -> Tensor:
        parts, y = [], x
        for bn, conv in zip(self.bns, self.convs, strict=True):
            y = conv(F.relu(bn(y)))
            parts.append(y)
        return self.shortcut(x) + torch.cat(parts, 1)


class Hourglass(nn.Module):
    """Down and up again, with a skip at every size."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.skip = Block(width, width)
        self.down = Block(width, width)
        self.inner: nn.Module = Hourglass(depth - 1, width) if depth > 1 else Block(width, width)
        self.up = Block(width, width)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.skip(x)
        y = self.up(self.inner(self.down(F.avg_pool2d(x, 2))))
        return skip + F.interpolate(y, size=skip.shape[-2:], mode="nearest")


class FAN(LandmarkNet):
    """The net. Params as in `Params`."""

    def __init__(
        self, stacks: int, width: int, depth: int, sigma: float, stride: int, points: int = len(MIRROR68)
    ) -> None:
        super().__init__()
        self.points, self.sigma = points, sigma
        first = [nn.Conv2d(3, width, 5, 2, 2, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.stem = nn.Sequential(*first, *([nn.AvgPool2d(2)] if stride == 4 else []), Block(width, width))
        self.hourglasses = nn.ModuleList(Hourglass(depth, width) for _ in range(stacks))
        self.tops = nn.ModuleList(self._top(width) for _ in range(stacks))
        self.scores = nn.ModuleList(nn.Conv2d(width, points, 1) for _ in range(stacks))
        self.features_back = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(stacks - 1))
        self.scores_back = nn.ModuleList(nn.Conv2d(points, width, 1) for _ in range(stacks - 1))

    @staticmethod
    def _top(width: int) -> nn.Module:
        conv = nn.Conv2d(width, width, 1, bias=False)
        return nn.Sequential(Block(width, width), conv, nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        x = self.stem(image)
        found: list[Tensor] = []
        for stack, hourglass in enumerate(self.hourglasses):
            y = self.tops[stack](hourglass(x))
            found.append(self.scores[stack](y))
            if stack < len(self.features_back):
                x = x + self.features_back[stack](y) + self.scores_back[stack](found[-1])
        return found

    def loss(self, scores: list[Tensor], points: Float[Tensor, "b p 2"], size: int) -> Float[Tensor, ""]:
        return torch.stack([cross_entropy(stack, points, size, self.sigma) for stack in scores]).sum()

    def decode(self, scores: Float[Tensor, "b p y x"], size: int) -> Float[Tensor, "b p 2"]:
        return decode(scores, size)


def build(params: Params) -> FAN:
    return FAN(params.stacks, params.width, params.depth, params.sigma, params.stride, params.points)
