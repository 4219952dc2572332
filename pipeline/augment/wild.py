"""Photographs as they come from the wild: blurred, compressed, small, in other light (albumentations).

Each of the four happens with a chance of its own, in the order light, low resolution, blur, JPEG: as a camera
and a web site would do it. The mirror comes on top. An image and a seed give the same result in any process.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydantic import Field

from pipeline.augment import Augment, Image
from pipeline.strict import Strict

ONLY_FLIP = False


class Params(Strict):
    colour: float = Field(0.5, ge=0, le=1)  # chance of a change of brightness, contrast, saturation and hue
    brightness: float = Field(0.3, ge=0, lt=1)  # largest relative change of brightness and of contrast
    saturation: float = Field(0.3, ge=0, lt=1)  # largest relative change of saturation
    hue: float = Field(0.03, ge=0, le=0.5)  # largest turn of the hue, as a share of the colour circle
    low: float = Field(0.2, ge=0, le=1)  # chance of low resolution
    scale: float = Field(0.3, gt=0, lt=1)  # smallest share of the width that low resolution leaves
    blur: float = Field(0.2, ge=0, le=1)  # chance of a blur
    sigma: float = Field(2.0, gt=0.3)  # largest standard deviation of the blur, pixels
    jpeg: float = Field(0.3, ge=0, le=1)  # chance of compression
    quality: int = Field(30, ge=1, le=95)  # lowest JPEG quality


class Wild:
    """Albumentations one after the other, drawing from one generator that the seed starts.

    Not `Compose.set_random_seed`: it starts every transform at the same seed, so that all of them draw the
    same number for whether to happen, and a blurred image would always be a compressed one.
    """

    flip = True
    only_flip = False

    def __init__(self, transforms: Sequence[Any]) -> None:
        self.transforms = transforms

    def image(self, rgb: Image, seed: int) -> Image:
        numbers, plain = np.random.default_rng(seed), random.Random(seed)
        for transform in self.transforms:
            transform.set_random_state(numbers, plain)
            rgb = transform(image=rgb)["image"]
        return np.asarray(rgb, np.uint8)


def build(params: Params) -> Augment:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or its import asks the network for a newer one
    import albumentations as A
    import cv2

    def around(change: float) -> tuple[float, float]:
        return 1 - change, 1 + change

    light = A.ColorJitter(
        brightness=around(params.brightness),
        contrast=around(params.brightness),
        saturation=around(params.saturation),
        hue=(-params.hue, params.hue),
        p=params.colour,
    )
    low = A.Downscale(
        scale_range=(params.scale, max(params.scale, 0.9)),
        interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_LINEAR},
        p=params.low,
    )
    blur = A.GaussianBlur(sigma_limit=(0.3, params.sigma), blur_limit=0, p=params.blur)
    jpeg = A.ImageCompression(quality_range=(params.quality, 95), p=params.jpeg)
    return Wild([light, low, blur, jpeg])
