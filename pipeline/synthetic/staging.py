"""Photographs of the test part as their kind wants them: posed, of one age, with a clear view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from pipeline.synthetic import sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.protocols import Kind
from pipeline.synthetic.sampler import Photos


def staged(photos: Photos, kinds: Sequence[Kind | None], draws: Draws) -> Photos:
    """`photos` with a kind a row; rows without one stay as the world drew them."""

    def within(ranges: list[tuple[float, float]]) -> Tensor:
        low, high = torch.tensor(ranges).unbind(1)
        return low + draws.uniform() * (high - low)

    known = [kind or Kind((0.0, 0.0)) for kind in kinds]
    side = 1 - 2 * draws.chance(0.5) * torch.tensor([float(kind.both_sides) for kind in known])
    wanted = replace(
        sampler.clear(photos),
        yaw=side * within([kind.yaw for kind in known]),
        pitch=within([kind.pitch for kind in known]),
        age=within([kind.age for kind in known]),
        resolution=within([kind.resolution for kind in known]),
    )
    posed = torch.tensor([kind is not None for kind in kinds])
    chosen = {}
    for field in fields(Photos):
        new, old = getattr(wanted, field.name), getattr(photos, field.name)
        chosen[field.name] = torch.where(posed if new.dim() == 1 else posed[:, None], new, old)
    return Photos(**chosen)
