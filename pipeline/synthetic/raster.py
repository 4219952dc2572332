"""Points to pixels: the nearest point of each pixel wins, and small holes are closed.

Depth and point share one integer, (depth << 17) | point, so that one scatter-max finds what is seen:
no order of the points, and no number of threads, changes the result.
Shapes: b images, n points (fewer than 2^17), s x s pixels, f pixels that show something.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

POINT_BITS = 17
DEPTH_STEPS = 256  # a centimetre
DEPTH_RANGE = 32.0  # centimetres before and behind the head's centre
NEARER = 180 << POINT_BITS  # a hole lies this much behind both its neighbours


def visible(
    pixels: Float[Tensor, "b 2 n"], depth: Float[Tensor, "b n"], size: int
) -> Int[Tensor, "b size size"]:
    """The point that each pixel shows, -1 for none. The pixel (0, 0) covers 0..1."""
    count = depth.shape[1]
    if count >= 1 << POINT_BITS:
        raise ValueError(f"{count} points do not fit {POINT_BITS} bits")
    rim = size + 2  # what is outside the frame lands on a rim of one pixel
    column = pixels[:, 0].clamp(-1, size).add_(1).floor_()
    row = pixels[:, 1].clamp(-1, size).add_(1).floor_()
    where = row.mul_(rim).add_(column).long()  # whole numbers below 2^24: exact in float32
    steps = ((depth + DEPTH_RANGE) * DEPTH_STEPS).clamp_(0, (1 << 14) - 1).to(torch.int32)
    key = (steps << POINT_BITS).add_(torch.arange(count, dtype=torch.int32))
    seen = torch.full((len(depth), rim * rim), -1, dtype=torch.int32)
    seen.scatter_reduce_(1, where, key, "amax")
    inner = seen.view(-1, rim, rim)[:, 1:-1, 1:-1].contiguous()
    filled = _close(_close(inner))
    return torch.where(filled >= 0, filled & ((1 << POINT_BITS) - 1), filled)


def _close(seen: Tensor) -> Tensor:
    """Fills pixels that are empty, or far behind, between two opposite neighbours."""
    padded = torch.nn.functional.pad(seen, (1, 1, 1, 1), value=-1)
    across = torch.minimum(padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    down = torch.minimum(padded[:, :-2, 1:-1], padded[:, 2:, 1:-1])
    best = torch.maximum(across, down)
    return torch.where((best > seen + NEARER) | ((seen < 0) & (best >= 0)), best, seen)


@dataclass(frozen=True)
class Surface:
    """The pixels that show something, one row each."""

    pixel: Int[Tensor, "f"]  # flat index into (b, s, s)
    image: Int[Tensor, "f"]
    point: Int[Tensor, "f"]
    normal: Float[Tensor, "f 3"]  # in the head's coordinates, towards the camera


def surface(
    seen: Int[Tensor, "b size size"],
    points: Float[Tensor, "b 3 n"],
    neighbours: Int[Tensor, "n 4"],
    matrix: Float[Tensor, "b 3 3"],
) -> Surface:
    """Normals of what is seen, from each point's four neighbours."""
    flat = seen.view(-1)
    pixel = (flat >= 0).nonzero()[:, 0]
    point = flat[pixel].long()
    image = torch.div(pixel, seen.shape[1] * seen.shape[2], rounding_mode="floor")
    rows = points.transpose(1, 2).reshape(-1, 3)
    around = neighbours.index_select(0, point) + (image * points.shape[2])[:, None]
    corner = rows.index_select(0, around.view(-1)).view(-1, 4, 3)
    down, right = corner[:, 1] - corner[:, 0], corner[:, 3] - corner[:, 2]
    normal = torch.stack(
        [
            down[:, 1] * right[:, 2] - down[:, 2] * right[:, 1],
            down[:, 2] * right[:, 0] - down[:, 0] * right[:, 2],
            down[:, 0] * right[:, 1] - down[:, 1] * right[:, 0],
        ],
        1,
    )
    towards = (normal * matrix[:, 2].index_select(0, image)).sum(1)
    length = torch.rsqrt((normal * normal).sum(1) + 1e-12)
    return Surface(pixel, image, point, normal * torch.where(towards < 0, -length, length)[:, None])
