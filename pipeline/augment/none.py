"""No augmentation: every epoch sees the same images."""

from __future__ import annotations

from pipeline.augment import Augment, Unchanged
from pipeline.strict import Strict

ONLY_FLIP = True


class Params(Strict):
    """Nothing to choose."""


def build(params: Params) -> Augment:
    return Unchanged(flip=False)
