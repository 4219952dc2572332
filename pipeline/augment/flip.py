"""The mirror image, half of the time: what face recognisers train with by default."""

from __future__ import annotations

from pipeline.augment import Augment, Unchanged
from pipeline.strict import Strict

ONLY_FLIP = True


class Params(Strict):
    """Nothing to choose."""


def build(params: Params) -> Augment:
    return Unchanged(flip=True)
