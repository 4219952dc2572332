"""The way of light into a file: backdrop, things before the face, exposure, focus, resolution, noise.

Image by image in numpy and OpenCV, with the image's own generator. Images are (h, w, 3) float32, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]
BLOTCHES = ((2, 0.35), (5, 0.2), (14, 0.12))  # cells a side, strength
CROP_SHARE = 2 / 3  # of the frame that a face crop takes
BLUR_UNIT = 112  # blur is in pixels of a crop this large
GRAIN = 512  # places where a photograph's noise may start on the film, each way


@dataclass(frozen=True)
class Settings:
    """What the camera does to one image (see `sampler.Photos`)."""

    exposure: float
    saturation: float
    gamma: float
    balance: Picture  # (3)
    blur: float
    resolution: float
    noise: float


def backdrop(generator: np.random.Generator, size: int) -> Picture:
    """Blotches of a colour, from soft to busy."""
    colour = generator.random(dtype=np.float32) * 0.8 + 0.1 + 0.1 * _normal(generator, 3)
    strength = generator.random(dtype=np.float32)
    few = max(16, size // 3)  # it is soft: drawn small, then enlarged
    total = np.zeros((few, few, 3), np.float32)
    for cells, height in BLOTCHES:
        pattern = _normal(generator, cells, cells, 1) + np.float32(0.35) * _normal(generator, cells, cells, 3)
        scaled = pattern * np.float32(0.8 * height)
        total += cv2.resize(scaled, (few, few), interpolation=cv2.INTER_LINEAR)
    total = np.clip(colour + total * strength, 0, 1)
    return np.asarray(cv2.resize(total, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _normal(generator: np.random.Generator, *shape: int) -> Picture:
    return generator.standard_normal(shape, dtype=np.float32)


def occlude(image: Picture, place: npt.NDArray[np.float32], colour: Picture) -> None:
    """A rounded thing before the face, in place. `place`: centre x, y, half width, half height."""
    axis = np.linspace(0, 1, len(image), dtype=np.float32)
    inside = ((axis[None] - place[0]) / place[2]) ** 4 + ((axis[:, None] - place[1]) / place[3]) ** 4 < 1
    shaded = colour * (0.7 + 0.5 * axis)[:, None, None] + np.zeros_like(image)
    image[inside] = shaded[inside]


def develop(
    image: Picture, size: int, settings: Settings, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The photograph of `image`, `size` pixels a side."""
    shrunk = cv2.resize(np.clip(image, 0, 1.5), (size, size), interpolation=cv2.INTER_AREA)
    picture = _tone(np.asarray(shrunk, np.float32), settings)
    sigma = settings.blur * size * CROP_SHARE / BLUR_UNIT
    if sigma > 0.1:
        blurred = cv2.GaussianBlur(picture, (13, 13), sigma, borderType=cv2.BORDER_REPLICATE)
        picture = np.asarray(blurred, np.float32)
    if settings.resolution < 0.99:
        few = max(12, round(size * settings.resolution))
        coarse = cv2.resize(picture, (few, few), interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    picture = picture + _grain(generator, size) * np.float32(settings.noise)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def _film(side: int) -> Picture:
    return _normal(np.random.Generator(np.random.PCG64(17)), side, side, 3)


def _grain(generator: np.random.Generator, size: int) -> Picture:
    """Normal noise: a random window of one film, since drawing it anew costs a tenth of the image."""
    row, column = generator.integers(0, GRAIN, 2)
    return _film(GRAIN + size)[row : row + size, column : column + size]


def _tone(picture: Picture, settings: Settings) -> Picture:
    """Exposure and white balance, then saturation, as one matrix; then gamma."""
    gain = np.diag(settings.balance * np.float32(settings.exposure))
    mix = np.full((3, 3), (1 - settings.saturation) / 3) + np.eye(3) * settings.saturation
    picture = np.asarray(cv2.transform(picture, mix @ gain), np.float32)
    return np.asarray(cv2.pow(np.clip(picture, 1e-4, 1), settings.gamma), np.float32)
