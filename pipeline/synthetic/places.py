"""Where a place of the face lies on the template's grid, and the 68 landmarks.

A place is (row, column), fractions of grid cells: the point between four vertices that is drawn there.
Lids and brows move with the person and the photograph, so their places are looked up in a chart of the
region of one eye, mirrored for the other. Shapes: k places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.template import EYE, Grid, Template

CHART_X, CHART_Y, STEP = (0.6, 6.0), (0.6, 6.8), 0.1  # cm, the region of the eye on the +x side
NEWTON = 12


def interpolated(grid: Grid, row: Grid, column: Grid) -> Grid:
    """Bilinear values of `grid` (v, u), whose columns close, at places (k)."""
    top = np.clip(np.floor(row).astype(int), 0, grid.shape[0] - 2)
    left = np.floor(column).astype(int)
    t, s = row - top, column - left
    left, right = left % grid.shape[1], (left + 1) % grid.shape[1]
    upper = grid[top, left] * (1 - s) + grid[top, right] * s
    return np.asarray(upper * (1 - t) + (grid[top + 1, left] * (1 - s) + grid[top + 1, right] * s) * t)


def locate(head: Template, x: Grid, y: Grid) -> Grid:
    """The places (2, k) of the face's points at x, y of the template, by Newton's method on the grid."""
    behind = 100.0 * (head.z < -3.0)
    row, column = np.zeros(len(x)), np.zeros(len(x))
    for index, (a, b) in enumerate(zip(x, y, strict=True)):
        row[index], column[index] = divmod(head.nearest(a, b), head.shape[1])
    grids, tiny = (head.x + behind, head.y + 0 * behind), 0.02
    for _ in range(NEWTON):
        here = [interpolated(grid, row, column) for grid in grids]
        down = [
            (interpolated(grid, row + tiny, column) - value) / tiny
            for grid, value in zip(grids, here, strict=True)
        ]
        along = [
            (interpolated(grid, row, column + tiny) - value) / tiny
            for grid, value in zip(grids, here, strict=True)
        ]
        miss = (x - here[0], y - here[1])
        size = down[0] * along[1] - down[1] * along[0]
        row = row + np.clip((miss[0] * along[1] - miss[1] * along[0]) / size, -0.7, 0.7)
        column = column + np.clip((down[0] * miss[1] - down[1] * miss[0]) / size, -0.7, 0.7)
    return np.stack([row, column])


@dataclass(frozen=True)
class Chart:
    """Places (2, h, w) of the points at CHART_X x CHART_Y."""

    places: Float[Tensor, "2 h w"]
    columns: int

    @classmethod
    def of(cls, head: Template) -> Chart:
        x, y = np.meshgrid(np.arange(*CHART_X, STEP), np.arange(*CHART_Y, STEP))
        places = locate(head, x.reshape(-1), y.reshape(-1)).reshape(2, *x.shape)
        return cls(torch.from_numpy(places.astype(np.float32)), head.shape[1])

    def find(self, x: Float[Tensor, "k"], y: Float[Tensor, "k"]) -> Float[Tensor, "2 k"]:
        """Places of points near either eye."""
        height, width = self.places.shape[1:]
        u = ((x.abs() - CHART_X[0]) / STEP).clamp(0, width - 1.001)
        v = ((y - CHART_Y[0]) / STEP).clamp(0, height - 1.001)
        left, top = u.long(), v.long()
        s, t, flat = u - left, v - top, self.places.flatten(1)
        at = top * width + left
        upper = flat[:, at] * (1 - s) + flat[:, at + 1] * s
        found = upper * (1 - t) + (flat[:, at + width] * (1 - s) + flat[:, at + width + 1] * s) * t
        mirrored = self.columns - found[1]
        return torch.stack([found[0], torch.where(x < 0, mirrored, found[1])])


def vertices(places: Float[Tensor, "2 *k"], rows: int, columns: int) -> tuple[Tensor, Float[Tensor, "4 *k"]]:
    """The four vertices (4, k) around each place and their weights."""
    top = places[0].floor().clamp(0, rows - 2)
    left = places[1].floor()
    t, s = places[0] - top, places[1] - left
    first = torch.remainder(left, columns).long()
    second, above = torch.remainder(left + 1, columns).long(), top.long() * columns
    around = torch.stack([above + first, above + second, above + columns + first, above + columns + second])
    return around, torch.stack([(1 - t) * (1 - s), (1 - t) * s, t * (1 - s), t * s])


def fixed(head: Template) -> Float[Tensor, "2 68"]:
    """Places of the 68 points in the iBUG order (0 is the jaw at image left), of a mean face at rest."""
    x, y = np.array(_BROWS + _BRIDGE + _NOSTRILS + _EYES + _LIPS).T
    return torch.from_numpy(np.concatenate([_contour(head), locate(head, x, y)], 1).astype(np.float32))


def _contour(head: Template) -> Grid:
    """The 17 points of the jaw, ear to ear over the chin."""
    found = np.zeros((2, 17))
    turn, row = head.azimuth[0], head.row[:, 0]
    for index in range(17):
        from_chin = abs(index - 8) / 8
        azimuth = (-1 if index < 8 else 1) * 1.5 * from_chin**0.85
        at = np.interp(from_chin, [0, 0.25, 0.5, 0.75, 1], [11.55, 11.5, 11.2, 9.6, 6.6])
        found[:, index] = (
            np.interp(at, row, np.arange(len(row))),
            np.interp(azimuth, turn, np.arange(len(turn))),
        )
    return found


Points = tuple[tuple[float, float], ...]
_BROWS: Points = tuple((x, 4.5) for x in (-4.6, -3.9, -3.1, -2.3, -1.4, 1.4, 2.3, 3.1, 3.9, 4.6))
_BRIDGE: Points = ((0, 2.4), (0, 1.3), (0, 0.2), (0, -0.9))
_NOSTRILS: Points = ((-1.25, -2.0), (-0.62, -2.15), (0, -2.3), (0.62, -2.15), (1.25, -2.0))
_LIDS: Points = ((-1, 0), (-0.35, 0.55), (0.35, 0.55), (1, 0), (0.35, -0.42), (-0.35, -0.42))
_EYES: Points = tuple((side * EYE[0] + 1.4 * x, EYE[1] + y) for side in (-1, 1) for x, y in _LIDS)
_LIPS: Points = (
    *((-2.4, -4.2), (-1.4, -3.5), (-0.55, -3.34), (0, -3.44), (0.55, -3.34), (1.4, -3.5), (2.4, -4.2)),
    *((1.4, -4.95), (0.55, -5.2), (0, -5.22), (-0.55, -5.2), (-1.4, -4.95)),
    *((-2.1, -4.2), (-0.7, -3.97), (0, -3.97), (0.7, -3.97)),
    *((2.1, -4.2), (0.7, -4.43), (0, -4.43), (-0.7, -4.43)),
)
