"""The mean head as a grid of texels: rows run from the crown to the shoulders, columns around.

A row is a superellipse |x/a|^n + |z/c|^n = 1 whose sizes are Catmull-Rom splines over 19 knots; nose,
sockets, cheeks and lips are Gaussian bumps on it. Centimetres: x to image right, y up, z to the camera.
Shapes: (v, u) grids, (3, v, u) positions. A landmark is a texel, whatever the person's shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.float64]

AXIS = -3.2  # z of the axis that rows go around
EYE = (3.15, 2.5)  # centre of the eye on the +x side
# height, depth of the face side; height, half width of the side; height, depth of the back; n
KNOTS = (
    (12.6, -2.6, 12.6, 0.05, 12.6, -3.0, 2.0),
    (12.2, 1.0, 12.0, 3.3, 11.9, -6.6, 2.0),
    (10.9, 3.5, 10.4, 5.4, 10.1, -9.2, 2.1),
    (8.8, 4.9, 8.2, 6.65, 7.4, -10.8, 2.15),
    (6.3, 5.5, 5.6, 7.15, 4.4, -11.5, 2.2),
    (4.0, 5.55, 3.4, 7.2, 1.5, -11.4, 2.2),
    (2.6, 5.0, 1.8, 7.05, -0.8, -10.9, 2.2),
    (0.5, 4.9, 0.2, 6.85, -2.6, -10.1, 2.15),
    (-1.8, 4.95, -1.5, 6.5, -4.2, -9.5, 2.1),
    (-4.0, 5.15, -3.0, 6.1, -5.6, -9.1, 2.05),
    (-6.2, 4.8, -4.5, 5.65, -6.8, -9.0, 2.0),
    (-8.0, 4.95, -5.8, 5.05, -7.8, -8.9, 1.95),
    (-8.95, 3.5, -6.9, 4.5, -8.8, -8.9, 1.95),
    (-9.3, 1.0, -8.0, 4.25, -9.9, -8.9, 2.0),
    (-10.0, -0.9, -9.2, 4.25, -11.2, -9.0, 2.0),
    (-12.6, -1.9, -12.0, 4.7, -13.4, -9.3, 2.0),
    (-15.4, -0.6, -13.9, 7.6, -15.0, -10.0, 2.0),
    (-18.0, 2.0, -16.0, 15.0, -16.4, -10.9, 2.3),
    (-23.0, 3.6, -21.0, 18.5, -21.0, -12.0, 2.4),
)
DENSITY_AT = (0, 2, 4, 5, 8, 8.7, 9.3, 10, 12, 14, 18)  # knot
DENSITY = (0.5, 0.55, 0.7, 1.2, 1.1, 1.6, 1.6, 1.1, 0.9, 0.5, 0.3)  # rows a centimetre, relative


def catmull_rom(knots: Grid, where: Grid) -> Grid:
    """The spline through `knots` (k, d) at the knot coordinates `where` (n): (n, d)."""
    left = np.clip(np.floor(where).astype(int), 0, len(knots) - 2)
    t = (where - left)[:, None]
    a, b, c, d = (knots[np.clip(left + j, 0, len(knots) - 1)] for j in (-1, 0, 1, 2))
    return np.asarray(
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    )


def smoothstep(value: Grid, start: float, end: float) -> Grid:
    """0 before `start`, 1 after `end`, a cubic between."""
    t = np.clip((value - start) / (end - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t))


def bell(value: Grid, centre: float, width: float) -> Grid:
    """A Gaussian of height 1."""
    return np.asarray(np.exp(-0.5 * ((value - centre) / width) ** 2))


@dataclass(frozen=True)
class Template:
    """The grid before (`x`, `y`, `z`) and after (`positions`) the bumps. Sides: -1, 1, smooth at 0."""

    x: Grid
    y: Grid
    z: Grid
    azimuth: Grid  # radians around the axis, 0 at the nose, positive where x is
    row: Grid  # knot coordinate
    front: Grid  # 1 on the face, 0 behind the ears

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape[0], self.x.shape[1]

    @property
    def side(self) -> Grid:
        """The sign of x without a step, which would crease the midline."""
        return np.asarray(self.x / np.sqrt(self.x**2 + 0.45**2))

    @property
    def above_neck(self) -> Grid:
        return 1 - smoothstep(-self.y, 9.5, 13)

    def bump(self, x: float, y: float, width: float, height: float) -> Grid:
        """A Gaussian on the face."""
        return np.asarray(bell(self.x, x, width) * bell(self.y, y, height) * self.front)

    def bumps(self, x: float, y: float, width: float, height: float) -> Grid:
        """The same on both sides."""
        return self.bump(x, y, width, height) + self.bump(-x, y, width, height)

    def nose(self) -> Grid:
        """Where the nose is, across it: 1 on its ridge."""
        width = np.interp(-self.y, [-4, -2.5, -1, 0.5, 1.2, 2.3], [0.95, 0.85, 0.95, 1.2, 1.3, 1.3])
        return np.asarray(np.exp(-(np.abs(self.x / (width * 1.25)) ** 2.1)) * self.front)

    def positions(self) -> Grid:
        """(3, v, u) of the mean head."""
        return np.stack([self.x + _sideways(self), self.y, self.z + _nose(self) + _reliefs(self)])

    def nearest(self, x: float, y: float) -> int:
        """The flat index of the face's texel at x, y."""
        behind = 100 * (self.z < -3.5)
        return int(((self.x - x) ** 2 + (self.y - y) ** 2 + behind).argmin())


def _rows(shares: Grid) -> Grid:
    """Knot coordinates at `shares` (0 crown, 1 shoulders) of the way: denser where the face has detail."""
    fine = np.linspace(0, len(KNOTS) - 1, 4000)
    profile = catmull_rom(np.asarray(KNOTS, np.float64), fine)
    face, side = profile[:, :2], profile[:, 2]
    length = (
        np.hypot(np.gradient(face[:, 0]), np.gradient(face[:, 1] * 0.6)) + np.abs(np.gradient(side)) * 0.5
    )
    along = np.cumsum(np.interp(fine, DENSITY_AT, DENSITY) * length)
    along = (along - along[0]) / (along[-1] - along[0])
    return np.asarray(np.interp(shares, along, fine))


def make(rows: int, columns: int) -> Template:
    """The template on a grid of rows x columns; its last column's neighbour is the first."""
    return make_at(np.linspace(0, 1, rows), np.linspace(-1, 1, columns, endpoint=False))


def make_within(rows: int, columns: int, cuts: int) -> Template:
    """The template in the middles of cuts x cuts cells of every quad of `make(rows, columns)`."""
    down = (np.arange((rows - 1) * cuts) + 0.5) / ((rows - 1) * cuts)
    across = -1 + 2 * (np.arange(columns * cuts) + 0.5) / (columns * cuts)
    return make_at(down, across)


def make_at(down: Grid, across: Grid) -> Template:
    """The template at `down` (0 crown, 1 shoulders) x `across` (-1 to 1 around from the back)."""
    where = _rows(down)
    knots = catmull_rom(np.asarray(KNOTS, np.float64), where)
    face_y, face_z, side_y, half_width, back_y, back_z, power = (knots[:, i : i + 1] for i in range(7))
    azimuth = np.pi * (0.62 * across + 0.38 * across**3)[None]  # columns are denser on the face
    cosine, sine = np.cos(azimuth), np.sin(azimuth)
    forward, outward = np.abs(cosine) ** (2 / power), np.abs(sine) ** (2 / power)
    depth = np.where(cosine > 0, (face_z - AXIS) * forward, (back_z - AXIS) * forward)
    ahead, behind = np.maximum(cosine, 0) ** 1.5, np.maximum(-cosine, 0) ** 1.5
    x = half_width * np.sign(sine) * outward
    y = side_y + (face_y - side_y) * ahead + (back_y - side_y) * behind
    return Template(
        x=x,
        y=y,
        z=AXIS + depth,
        azimuth=azimuth + 0 * x,
        row=where[:, None] + 0 * x,
        front=smoothstep(cosine + 0 * x, -0.05, 0.45),
    )


def _nose(head: Template) -> Grid:
    height = np.interp(
        -head.y, [-4.4, -3.2, -2.4, -1.2, 0, 0.8, 1.4, 2.0, 2.5], [0, 0.28, 0.5, 1.0, 1.6, 2.0, 1.95, 1.0, 0]
    )
    for _ in range(3):  # rounds the corners of the polyline
        padded = np.pad(height, ((1, 1), (0, 0)), mode="edge")
        height = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    wings = 0.95 * head.bumps(1.25, -1.4, 0.45, 0.5)
    tip = 0.25 * head.bump(0, -1.0, 0.85, 0.6)
    nostrils = 0.12 * head.bumps(0.7, -1.95, 0.28, 0.2)
    return np.asarray(height * head.nose() + wings + tip - nostrils)


def _reliefs(head: Template) -> Grid:
    x, y = head.x, head.y
    sockets = -0.85 * head.bumps(2.9, 2.65, 1.5, 0.95) - 0.4 * head.bumps(1.6, 2.4, 0.5, 0.8)
    eyeballs = 0.66 * head.bumps(3.15, 2.45, 0.95, 0.7)
    brow = 0.25 * head.bumps(2.6, 4.1, 1.9, 0.7) + 0.1 * head.bump(0, 4.2, 1, 0.8)
    cheeks = 0.4 * head.bumps(4.0, -0.3, 1.7, 1.5) - 0.12 * head.bumps(3.3, -2.6, 0.9, 1.3)
    upper_lip = 0.26 * bell(y, -3.62, 0.36) * np.exp(-(np.abs(x / 2.2) ** 3)) * head.front
    lower_lip = 0.32 * bell(y, -4.85, 0.42) * np.exp(-(np.abs(x / 1.8) ** 3)) * head.front
    mouth = 0.3 * head.bump(0, -4.0, 2.3, 1.6) - 0.22 * head.bumps(2.6, -4.2, 0.5, 0.5)
    philtrum = -0.12 * head.bump(0, -2.85, 0.24, 0.45)
    chin = 0.4 * head.bump(0, -7.5, 1.3, 0.9) - 0.32 * head.bump(0, -5.95, 1.6, 0.45)
    return np.asarray(sockets + eyeballs + brow + cheeks + upper_lip + lower_lip + mouth + philtrum + chin)


def _sideways(head: Template) -> Grid:
    sign = np.sign(head.x)
    wings = head.x / np.sqrt(head.x**2 + 0.3) * 0.12 * head.bumps(1.3, -1.35, 0.6, 0.6)
    cheeks = sign * 0.2 * head.bumps(5.2, 0.1, 1.6, 1.4)
    temples = sign * 0.35 * bell(head.azimuth * sign, 1.25, 0.35) * bell(head.y, 5.5, 2.5)
    return np.asarray(wings + cheeks - temples)
