"""Photographs of the test part as their kind wants them: posed, of one age, with a clear view, in a video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from pipeline.synthetic import sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.kinds import Kind
from pipeline.synthetic.sampler import Photos

MOVING = ("yaw", "pitch", "roll", "expression", "eye_open", "gaze", "shift", "zoom")  # from frame to frame


def staged(photos: Photos, kinds: Sequence[Kind], draws: Draws, blur_floor: float) -> Photos:
    """`photos` with a kind a row; what a kind leaves open stays as the world drew it."""
    cleared = replace(sampler.clear(photos), blur=torch.full((len(photos),), blur_floor))
    photos = mixed(cleared, photos, torch.tensor([kind.clear for kind in kinds]))
    side = 1 - 2 * draws.chance(0.5) * torch.tensor([float(kind.both_sides) for kind in kinds])
    least = torch.tensor([kind.blur for kind in kinds])
    return replace(
        photos,
        yaw=torch.where(_said(kinds, "yaw"), side * _within(kinds, "yaw", draws), photos.yaw),
        pitch=torch.where(_said(kinds, "pitch"), _within(kinds, "pitch", draws), photos.pitch),
        age=torch.where(_said(kinds, "age"), _within(kinds, "age", draws), photos.age),
        resolution=torch.where(
            _said(kinds, "resolution"), _within(kinds, "resolution", draws), photos.resolution
        ),
        blur=torch.maximum(photos.blur, least),
    )


def _said(kinds: Sequence[Kind], name: str) -> Tensor:
    return torch.tensor([getattr(kind, name) is not None for kind in kinds])


def _within(kinds: Sequence[Kind], name: str, draws: Draws) -> Tensor:
    low, high = torch.tensor([getattr(kind, name) or (0.0, 0.0) for kind in kinds]).unbind(1)
    return low + draws.uniform() * (high - low)


def moved(photos: Photos, others: Photos, frame: Tensor) -> Photos:
    """`photos` with pose, expression and framing of `others` in the rows where `frame` is true."""
    return mixed(replace(photos, **{name: getattr(others, name) for name in MOVING}), photos, frame)


def mixed(chosen: Photos, others: Photos, rows: Tensor) -> Photos:
    """Rows of `chosen` where `rows` is true, of `others` elsewhere."""
    found = {}
    for field in fields(Photos):
        new, old = getattr(chosen, field.name), getattr(others, field.name)
        found[field.name] = torch.where(rows if new.dim() == 1 else rows[:, None], new, old)
    return Photos(**found)
