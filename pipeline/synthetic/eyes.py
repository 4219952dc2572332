"""Eyes: lids, the ball, iris, catchlight, lashes and the fold of the upper lid; and where lids meet.

Eye coordinates are half eye widths from the eye's centre: x outwards (1 is the outer corner), y up.
Shapes: f pixels near an eye, b photographs.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.hair import step
from pipeline.synthetic.identity import People
from pipeline.synthetic.rows import Rows
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.skin import Place, arched, brow_line
from pipeline.synthetic.template import EYE

RADIUS = 1.45  # cm, half an eye's width
IRIS, PUPIL = 0.405, 0.17
MOVING = (*range(17, 27), *range(36, 48))  # brows and lids among the 68 points
LASHES = (0.13, 0.07)  # how far the upper lashes and the lower rim reach


def lids(lid: Tensor, opened: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Heights of the upper and of the lower lid's edge at eye coordinate x; `lid` is that of open eyes."""
    almond = (1 - x * x).clamp(min=0)
    corner = 0.05 * x
    lower = corner - 0.62 * lid * almond * (0.85 + 0.15 * opened.clamp(0, 1))
    upper = corner + lid * 1.12 * torch.sqrt(almond) * torch.sqrt(torch.sqrt(almond)) * (1 - 0.12 * x)
    return lower + (upper - lower) * opened.clamp(0, 1.2), lower


def landmarks(people: People, photos: Photos) -> tuple[Tensor, Tensor]:
    """Template x, y (b, 22) of the points in MOVING: brows, then lids."""
    outwards = torch.tensor([[-1.0, -0.38, 0.38, 1.0, 0.38, -0.38]])  # to image right, left eye first
    x, y = [], []
    for side in (-1.0, 1.0):
        local = outwards * side * 0.98
        upper, lower = lids(people.lid[:, None], photos.eye_open[:, None], local)
        y.append(EYE[1] + RADIUS * torch.where(torch.arange(6) < 4, upper, lower))
        x.append((side * (EYE[0] + RADIUS * local)).expand_as(y[-1]))
    along = torch.tensor([[0.02, 0.27, 0.52, 0.77, 0.98]])
    length, height, arch = (part[:, None] for part in brow_line(people.brow))
    across, middle = 1.3 + along * length, arched(height, arch, along)
    x = [-across.flip(1), across, *x]
    y = [middle.flip(1), middle, *y]
    return torch.cat(x, 1), torch.cat(y, 1)


def near(place: Place) -> Tensor:
    """Rows of the pixels that an eye may touch."""
    x, y = (place.x.abs() - EYE[0]).abs(), (place.y - EYE[1]).abs()
    return ((x < 1.3 * RADIUS) & (y < 0.85 * RADIUS) & (place.front > 0.4)).nonzero()[:, 0]


def paint(place: Place, skin: Float[Tensor, "f 3"]) -> tuple[Tensor, Tensor]:
    """Colour of pixels near an eye, and where the eyeball is (0..1)."""
    of = place.of
    side = place.x.sign()
    x, y = (place.x.abs() - EYE[0]) / RADIUS, (place.y - EYE[1]) / RADIUS
    upper, lower = lids(of.lid, of.eye_open, x)
    eye = step(upper - y, -0.025, 0.035) * step(y - lower, -0.025, 0.035) * step(1 - x.abs(), -0.01, 0.04)
    ball = _ball(of, x, y, side, upper)
    colour = skin + (ball - skin) * eye[:, None]
    inside = step(1 - x.abs(), -0.12, 0.12)
    female = 1 - of.male
    reach = LASHES[0] * (0.8 + 0.35 * female) * (1 - 0.2 * of.child)
    lash = step(-((y - upper - 0.3 * reach).abs()), -reach, -0.25 * reach) * inside * (0.72 + 0.18 * female)
    fold = upper + 0.17 + 0.05 * (1 - x * x)
    crease = torch.exp(-(((y - fold) / 0.05) ** 2)) * inside * (0.12 + 0.42 * of.fold)
    lid = step(y, 0.0, 0.1) * step(fold - y, -0.05, 0.05) * step(y - upper, -0.02, 0.05) * inside * 0.1
    rim = torch.exp(-(((y - lower) / LASHES[1]) ** 2)) * inside * 0.28
    bag = torch.exp(-(((y - lower + 0.30) / 0.10) ** 2)) * inside * (0.05 + 0.22 * of.old.clamp(max=1))
    lines = torch.maximum(torch.maximum(lash, crease), torch.maximum(rim, torch.maximum(lid, bag)))
    return colour * (1 - lines)[:, None], eye


def _ball(of: Rows, x: Tensor, y: Tensor, side: Tensor, upper: Tensor) -> Tensor:
    gaze_x, gaze_y = of.gaze.unbind(1)
    dx, dy = x - side * gaze_x, y - gaze_y - 0.05
    radius = torch.sqrt(dx * dx + dy * dy)
    size = IRIS * (1 + 0.10 * of.child)
    white = torch.tensor([0.90, 0.87, 0.85]) * (1 - 0.30 * x.abs().clamp(0, 1) ** 2)[:, None]
    duct = step(-x, 0.84, 0.97)[:, None]
    white = white + (torch.tensor([0.78, 0.45, 0.42]) - white) * duct
    edge = step(radius, 0.75 * size, size)
    iris = of.iris * (0.75 + 1.0 * (radius / size).clamp(max=1) - 0.75 * edge)[:, None]
    ball = white + (iris - white) * step(size - radius, -0.035, 0.035)[:, None]
    ball = ball * (1 - 0.93 * step(PUPIL - radius, -0.035, 0.035))[:, None]
    ball = ball * (1 - 0.5 * step(y - upper, -0.24, 0.0))[:, None]
    spark_x, spark_y = dx * side - 0.15 * of.key[:, 0].clamp(-1, 1), dy - 0.14
    spark = step(-torch.sqrt(spark_x * spark_x + spark_y * spark_y), -0.115, -0.06)[:, None]
    return ball + (1.15 - ball) * (0.85 * spark)
