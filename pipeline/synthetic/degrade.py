"""The way of light into a file: backdrop, things before the face, exposure, focus, resolution, noise.

Image by image in numpy and OpenCV, with the image's own generator. Images are (h, w, 3) float32, 0..1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from pipeline.compiled import Array, compiled
from pipeline.synthetic.sampler import Photos

Picture = npt.NDArray[np.float32]
BLOTCHES = ((2, 0.5), (5, 0.25), (14, 0.08))  # cells a side, strength
THINGS = 3  # out of focus, behind the face
CROP_SHARE = 2 / 3  # of the frame that a face crop takes
BLUR_UNIT = 112  # blur is in pixels of a crop this large
REACH = 3.0  # standard deviations that the kernel of a blur holds, each way
DARK, LIGHT, DEEPEST = np.float32(0), np.float32(1), np.float32(255)
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


def settings(photos: Photos) -> list[Settings]:
    """Of every photograph."""
    names = ("exposure", "saturation", "gamma", "blur", "resolution", "noise")
    columns = [getattr(photos, name).tolist() for name in names]
    balances = list(photos.balance.numpy())
    rows = zip(*columns, balances, strict=True)
    return [Settings(**dict(zip((*names, "balance"), row, strict=True))) for row in rows]


def backdrop(generator: np.random.Generator, size: int) -> Picture:
    """A wall or a view out of focus: a gradient, blotches and a few soft things."""
    few = max(16, size // 3)  # it is soft: drawn small, then enlarged
    numbers = generator.random(8 + 8 * THINGS, dtype=np.float32)
    things = numbers[8:].reshape(THINGS, 8)
    colour, other, *colours = _muted(np.concatenate([numbers[:8].reshape(2, 4), things[:, 4:]]))
    down = np.linspace(0, 1, few, dtype=np.float32)[:, None, None]
    total = np.asarray(np.repeat(colour + (other - colour) * down * numbers[0], few, 1), np.float32)
    for thing, painted in zip(things, colours, strict=True):
        _thing(total, thing, painted)
    strength = generator.random(dtype=np.float32)
    for cells, height in BLOTCHES:
        pattern = _normal(generator, cells, cells, 1) + np.float32(0.2) * _normal(generator, cells, cells, 3)
        total += cv2.resize(
            pattern * (np.float32(0.35 * height) * strength), (few, few), interpolation=cv2.INTER_LINEAR
        )
    soft = cv2.GaussianBlur(np.clip(total, 0.02, 1), (5, 5), 1.2)
    return np.asarray(cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)


def _muted(numbers: Picture) -> Picture:
    """Colours (c, 3) of numbers (c, 4): walls are grey, brown or pale; a few are loud."""
    # One by one: a power of many numbers at once may round differently on another machine.
    tint, loud = numbers[:, :3], 0.7 * np.array([[number**4] for number in numbers[:, 3]])
    dull = 0.1 + 0.85 * tint.mean(1, keepdims=True) + 0.14 * (tint - 0.5)
    return np.asarray(dull * (1 - loud) + loud * tint)


def _thing(image: Picture, numbers: Picture, painted: Picture) -> None:
    """A bar, a window or a lamp, in place."""
    side = len(image)
    x, y, width, height = (numbers[:4] * side).astype(int).tolist()
    colour = painted.tolist()
    if numbers[7] < 0.3:
        cv2.circle(image, (x, y), max(1, width // 5), colour, -1)
    elif numbers[7] < 0.75:
        cv2.rectangle(image, (x - width // 3, y - height // 2), (x + width // 3, y + height // 2), colour, -1)


def _normal(generator: np.random.Generator, *shape: int) -> Picture:
    return generator.standard_normal(shape, dtype=np.float32)


def occlude(
    image: Picture, place: npt.NDArray[np.float32], colour: Picture, hand: bool = False
) -> npt.NDArray[np.bool_]:
    """A hand or a rounded thing before the face, in place; where it is.

    `place`: centre x, y, half width, half height, shares of the frame.
    """
    axis = (np.arange(len(image), dtype=np.float32) + 0.5) / len(image)
    across, down = (axis[None] - place[0]) / place[2], (axis[:, None] - place[1]) / place[3]
    depth = _hand(across, down) if hand else np.asarray(1 - (across**4 + down**4), np.float32)
    inside = depth > 0
    lit = 0.62 + 0.3 * np.sqrt(np.clip(depth, 0, 1)) - 0.08 * across
    image[inside] = (colour * lit[..., None])[inside]
    return np.asarray(inside)


def _hand(across: Picture, down: Picture) -> Picture:
    """Four fingers and the back of a hand that comes from below: 1 in the middle of each, 0 at its edge."""
    palm = 1 - (across / 0.85) ** 4 - ((down - 1.1) / 0.9) ** 4
    fingers = [
        1
        - ((across - 0.43 * (k - 1.5)) / 0.2) ** 2
        - np.clip((-0.75 + 0.12 * (k - 1.6) ** 2 - down) / 0.22, 0, None) ** 2
        for k in range(4)
    ]
    reach = [np.where(down < 0.7, finger, -1.0) for finger in fingers]
    return np.asarray(np.maximum.reduce([palm, *reach]), np.float32)


def develop(
    image: Picture, size: int, settings: Settings, generator: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The photograph of `image`, `size` pixels a side."""
    shrunk = cv2.resize(np.clip(image, 0, 1.5), (size, size), interpolation=cv2.INTER_AREA)
    picture = _tone(np.asarray(shrunk, np.float32), settings)
    sigma = settings.blur * size * CROP_SHARE / BLUR_UNIT
    if sigma > 0.1:
        side = 2 * math.ceil(REACH * sigma) + 1
        blurred = cv2.GaussianBlur(picture, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
        picture = np.asarray(blurred, np.float32)
    if settings.resolution < 0.99:
        few = max(12, round(size * settings.resolution))
        coarse = cv2.resize(picture, (few, few), interpolation=cv2.INTER_AREA)
        picture = np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
    row, column = generator.integers(0, GRAIN, 2)
    return _stored(picture, _film(GRAIN + size), int(row), int(column), np.float32(settings.noise))


@lru_cache(maxsize=1)
def _film(side: int) -> Picture:
    return _normal(np.random.Generator(np.random.PCG64(17)), side, side, 3)


@compiled
def _stored(picture: Array, film: Array, row: int, column: int, noise: np.float32) -> Array:
    """Whole numbers, with the noise of a window of the film: drawing it anew costs a tenth of the image."""
    found = np.empty(picture.shape, np.uint8)
    height, width, channels = picture.shape
    for y in range(height):
        for x in range(width):
            for channel in range(channels):
                value = picture[y, x, channel] + film[row + y, column + x, channel] * noise
                found[y, x, channel] = np.uint8(np.rint(min(max(value, DARK), LIGHT) * DEEPEST))
    return found


def _tone(picture: Picture, settings: Settings) -> Picture:
    """Exposure and white balance, then saturation, as one matrix; then gamma."""
    mix = np.full((3, 3), (1 - settings.saturation) / 3)
    mix.reshape(-1)[::4] += settings.saturation
    gain = settings.balance * np.float32(settings.exposure)
    picture = np.asarray(cv2.transform(picture, mix * gain), np.float32)
    return np.asarray(cv2.pow(np.clip(picture, 1e-4, 1), settings.gamma), np.float32)
