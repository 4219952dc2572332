"""Eyes: lids, the ball, iris, catchlight, lashes and the fold of the upper lid; and where lids meet.

Eye coordinates are half eye widths from the eye's centre: x outwards (1 is the outer corner), y up.
Shapes: b photographs.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic.brows import INNER, arched, line
from pipeline.synthetic.identity import People
from pipeline.synthetic.paint import Colour, Place, bump, clipped, mixed, rgb, step, times
from pipeline.synthetic.rows import Row
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.template import EYE

RADIUS = 1.45  # cm, half an eye's width
IRIS, PUPIL = 0.405, 0.17
MOVING = (*range(17, 27), *range(36, 48))  # brows and lids among the 68 points
BROW_ALONG = (0.02, 0.27, 0.52, 0.77, 0.98)  # points of a brow from its inner end
LID_OUTWARDS = (-1.0, -0.38, 0.38, 1.0, 0.38, -0.38)  # of the eye at image right, the upper lid first
LASHES, LOWER_RIM = 0.13, 0.07  # how far they reach
WHITE, DUCT, SPARK = (0.90, 0.87, 0.85), (0.78, 0.45, 0.42), (1.15, 1.15, 1.15)


@compiled
def lids(lid: float, opened: float, x: float) -> tuple[float, float]:
    """Heights of the upper and of the lower lid's edge at eye coordinate x; `lid` is that of open eyes."""
    almond = max(1 - x * x, 0.0)
    root = math.sqrt(almond)
    lower = 0.05 * x - 0.62 * lid * almond * (0.85 + 0.15 * clipped(opened, 0.0, 1.0))
    upper = 0.05 * x + lid * 1.12 * root * math.sqrt(root) * (1 - 0.12 * x)
    return lower + (upper - lower) * clipped(opened, 0.0, 1.2), lower


def landmarks(people: People, photos: Photos) -> tuple[Float[Tensor, "b 22"], Float[Tensor, "b 22"]]:
    """Template x, y of the points in MOVING: brows, then lids."""
    brow, lid, opened = (table.double().numpy() for table in (people.brow, people.lid, photos.eye_open))
    x, y = torch.from_numpy(_landmarks(brow, lid, opened))
    return x, y


@compiled
def _landmarks(brow: Array, lid: Array, opened: Array) -> Array:
    found = np.empty((2, len(lid), 22), np.float32)
    for row in range(len(lid)):
        length, height, arch = line(brow[row, 0], brow[row, 1], brow[row, 2])
        for index, along in enumerate(BROW_ALONG):
            across, middle = INNER + along * length, arched(height, arch, along)
            found[0, row, 4 - index], found[1, row, 4 - index] = -across, middle
            found[0, row, 5 + index], found[1, row, 5 + index] = across, middle
        for index, outwards in enumerate(LID_OUTWARDS):
            for first, side in ((10, -1.0), (16, 1.0)):
                local = outwards * side * 0.98
                upper, lower = lids(lid[row], opened[row], local)
                found[0, row, first + index] = side * (EYE[0] + RADIUS * local)
                found[1, row, first + index] = EYE[1] + RADIUS * (upper if index < 4 else lower)
    return found


@compiled
def near(place: Place) -> bool:
    """Whether an eye may touch the pixel."""
    x, y = abs(abs(place.x) - EYE[0]), abs(place.y - EYE[1])
    return x < 1.3 * RADIUS and y < 0.85 * RADIUS and place.front > 0.4


@compiled
def paint(place: Place, of: Row, skin: Colour) -> tuple[Colour, float]:
    """Colour of a pixel near an eye, and how much of it is the eyeball (0..1)."""
    x, y = (abs(place.x) - EYE[0]) / RADIUS, (place.y - EYE[1]) / RADIUS
    upper, lower = lids(of.lid, of.eye_open, x)
    eye = step(upper - y, -0.025, 0.035) * step(y - lower, -0.025, 0.035) * step(1 - abs(x), -0.01, 0.04)
    colour = skin
    if eye > 0:
        side = 1.0 if place.x > 0 else -1.0
        colour = mixed(skin, _ball(of, x, y, side, upper), eye)
    inside = step(1 - abs(x), -0.12, 0.12)
    if inside > 0:
        colour = times(colour, 1 - inside * _lines(of, x, y, upper, lower))
    return colour, eye


@compiled
def _lines(of: Row, x: float, y: float, upper: float, lower: float) -> float:
    """How dark lashes, the fold of the lid, its shadow, the lower rim and the bag under the eye make skin."""
    female = 1 - of.male
    reach = LASHES * (0.8 + 0.35 * female) * (1 - 0.2 * of.child)
    lash = step(-abs(y - upper - 0.3 * reach), -reach, -0.25 * reach) * (0.72 + 0.18 * female)
    fold = upper + 0.17 + 0.05 * (1 - x * x)
    crease = bump(y - fold, 0.05) * (0.12 + 0.42 * of.fold)
    lid = 0.1 * step(y, 0.0, 0.1) * step(fold - y, -0.05, 0.05) * step(y - upper, -0.02, 0.05)
    rim = 0.28 * bump(y - lower, LOWER_RIM)
    bag = bump(y - lower + 0.30, 0.10) * (0.05 + 0.22 * min(of.old, 1.0))
    return max(lash, crease, rim, lid, bag)


@compiled
def _ball(of: Row, x: float, y: float, side: float, upper: float) -> Colour:
    dx, dy = x - side * of.gaze[0], y - of.gaze[1] - 0.05
    radius = math.sqrt(dx * dx + dy * dy)
    size = IRIS * (1 + 0.10 * of.child)
    white = times(WHITE, 1 - 0.30 * min(abs(x), 1.0) ** 2)
    white = mixed(white, DUCT, step(-x, 0.84, 0.97))
    edge = step(radius, 0.75 * size, size)
    iris = times(rgb(of.iris), 0.75 + min(radius / size, 1.0) - 0.75 * edge)
    ball = mixed(white, iris, step(size - radius, -0.035, 0.035))
    dark = 1 - 0.93 * step(PUPIL - radius, -0.035, 0.035)
    ball = times(ball, dark * (1 - 0.5 * step(y - upper, -0.24, 0.0)))
    spark_x, spark_y = dx * side - 0.15 * clipped(of.key[0], -1.0, 1.0), dy - 0.14
    distance = math.sqrt(spark_x * spark_x + spark_y * spark_y)
    return mixed(ball, SPARK, 0.85 * step(-distance, -0.115, -0.06))
