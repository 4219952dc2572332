"""All surfaces of a picture as grids of vertices: head, ears, hair, hat, brim, glasses.

A quad is four neighbouring vertices. Its look is kept in a table of CUTS x CUTS texels: where on the
template it lies, and what is there. Shapes: n vertices, q quads, t texels; positions (3, n), centimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic.features import Features
from pipeline.synthetic.hair import Shell, patterns, strand
from pipeline.synthetic.template import Grid, Template, bell

CUTS, SHELL_CUTS = 3, 10  # texels along a quad's side; strands of hair are fine
EAR = (22, 16)
BRIM = (10, 40)
RING, BRIDGE, TEMPLE = (3, 57), (3, 9), (3, 16)
LENS = (7, 33)
X, Y, AZIMUTH, FRONT, SHADOW, BEARD, FLUSH, WRINKLE = range(8)  # columns of the table
ELSEWHERE = 99.0  # x, y of texels that are not on the head
SHELL_STEP = 2  # rows and columns of the head for one of the shell
HEAD, EARS, HAIR, HAT, PEAK, FRAMES, LENSES = range(7)  # materials
MATERIALS = {
    **{"head": HEAD, "left_ear": EARS, "right_ear": EARS, "hair": HAIR, "hat": HAT, "brim": PEAK},
    **dict.fromkeys(("left_ring", "right_ring", "bridge", "left_temple", "right_temple"), FRAMES),
    **dict.fromkeys(("left_lens", "right_lens"), LENSES),
}  # what each surface is made of
CLOSED = ("head", "hair", "hat")  # their last column's neighbour is the first


@dataclass(frozen=True)
class Layout:
    """Where each surface's vertices and quads lie in the lists of all of them."""

    shapes: dict[str, tuple[int, int]]
    vertices: dict[str, slice]
    quads: dict[str, slice]
    corners: Int[np.ndarray, "4 q"]  # above left, above right, below left, below right
    hollow: Bool[np.ndarray, " q"]  # seen from the front alone: what it encloses is never seen
    materials: Int[np.ndarray, " q"]
    texels: Float[np.ndarray, "t 8"]  # CUTS x CUTS a quad, line by line
    strands: dict[str, Float[np.ndarray, "u 2"]]  # y and azimuth of the texels of shells, SHELL_CUTS a side


def layout(head: tuple[int, int], shell: tuple[int, int], hat: tuple[int, int]) -> tuple[Layout, int]:
    """The layout without texels, and the number of vertices."""
    shapes = {"head": head, "left_ear": EAR, "right_ear": EAR, "hair": shell, "hat": hat, "brim": BRIM}
    shapes |= {"left_ring": RING, "right_ring": RING, "bridge": BRIDGE}
    shapes |= {"left_temple": TEMPLE, "right_temple": TEMPLE, "left_lens": LENS, "right_lens": LENS}
    vertices, quads, corners = {}, {}, []
    start = first = 0
    for name, (rows, columns) in shapes.items():
        index = np.arange(start, start + rows * columns).reshape(rows, columns)
        if name in CLOSED:
            index = np.concatenate([index, index[:, :1]], 1)
        around = [index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]]
        corners.append(np.stack([part.reshape(-1) for part in around]))
        vertices[name] = slice(start, start + rows * columns)
        quads[name] = slice(first, first + corners[-1].shape[1])
        start, first = start + rows * columns, first + corners[-1].shape[1]
    hollow = np.zeros(first, np.bool_)
    hollow[quads["head"]] = True
    materials = np.zeros(first, np.uint8)
    for name, span in quads.items():
        materials[span] = MATERIALS[name]
    empty = np.zeros((0, 8), np.float32)
    return Layout(shapes, vertices, quads, np.concatenate(corners, 1), hollow, materials, empty, {}), start


def texels(layout: Layout, fine: Template, features: Features) -> Float[np.ndarray, "t 8"]:
    """The table of all quads but those of shells; `fine` is the template in the middles of the texels."""
    table = np.zeros((layout.corners.shape[1], CUTS * CUTS, 8), np.float32)
    table[:, :, X] = table[:, :, Y] = ELSEWHERE
    table[:, :, SHADOW] = 1.0
    flush = 0.25 * fine.bumps(4.0, -0.5, 1.5, 1.4) + 0.3 * fine.bump(0, -1, 1, 1)
    flush = flush + 0.12 * bell(fine.y, -7.5, 1.0) * fine.front
    grids = (
        fine.x,
        fine.y,
        fine.azimuth,
        fine.front,
        features.shadow,
        features.beard,
        flush,
        features.wrinkle,
    )
    table[layout.quads["head"]] = _by_quad(grids)
    for name in ("left_ear", "right_ear"):
        up, out = _cells(EAR)
        hollow = 1 - 0.6 * bell(out, 0.5, 0.17) * bell(up, 0.1, 0.5) - 0.3 * bell(out, 0.0, 0.12)
        table[layout.quads[name], :, SHADOW] = _by_quad((hollow,))[:, :, 0]
        table[layout.quads[name], :, FLUSH] = 0.35
    return table.reshape(-1, 8)


def _cells(shape: tuple[int, int]) -> tuple[Grid, Grid]:
    """The middles of the texels of an open grid: -1..1 down, 0..1 along."""
    down = (np.arange((shape[0] - 1) * CUTS) + 0.5) / ((shape[0] - 1) * CUTS)
    along = (np.arange((shape[1] - 1) * CUTS) + 0.5) / ((shape[1] - 1) * CUTS)
    rows, columns = np.meshgrid(down * 2 - 1, along, indexing="ij")
    return rows, columns


def strands(shell: Template) -> Float[np.ndarray, "u 2"]:
    """The table of a shell; `shell` is the template in the middles of its texels."""
    return _by_quad((shell.y, shell.azimuth), SHELL_CUTS).reshape(-1, 2)


def _by_quad(grids: tuple[Grid, ...], cuts: int = CUTS) -> Array:
    """Grids (rows * cuts, columns * cuts) as (quads, cuts * cuts, grids)."""
    stacked = np.stack(grids, -1).astype(np.float32)
    rows, columns = stacked.shape[0] // cuts, stacked.shape[1] // cuts
    cut = stacked.reshape(rows, cuts, columns, cuts, -1).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(cut).reshape(rows * columns, cuts * cuts, -1)


def shell(head: Template, outwards: Float[Tensor, "3 n"], lowest: float) -> Shell:
    """Every second row and column of the head down to the height `lowest`."""
    count = int((head.y.max(1) > lowest).sum())
    index = np.arange(head.y.size).reshape(head.shape)[:count:SHELL_STEP, ::SHELL_STEP]
    base = np.ascontiguousarray(index).reshape(-1)
    y, azimuth = (
        torch.from_numpy(grid.astype(np.float32).reshape(-1)[base]) for grid in (head.y, head.azimuth)
    )
    lines = strand(azimuth.numpy())
    return Shell(index.shape, base, y, azimuth, outwards.numpy()[:, base], lines, patterns(y, azimuth))


def shell_texels(rows: int, columns: int, kept: tuple[int, int]) -> tuple[Grid, Grid]:
    """`down` and `across` of the texels of a shell of `kept` vertices (see `template.make_at`)."""
    cells = (kept[0] - 1) * SHELL_CUTS
    down = (np.arange(cells) + 0.5) * SHELL_STEP / SHELL_CUTS / (rows - 1)
    across = -1 + 2 * (np.arange(kept[1] * SHELL_CUTS) + 0.5) * SHELL_STEP / SHELL_CUTS / columns
    return down, across


def ear(tilt: float = 0.16) -> Float[Tensor, "3 k"]:
    """An ear at the origin that points to +x and back."""
    up = torch.linspace(-1, 1, EAR[0])[:, None]
    along = torch.linspace(0, 1, EAR[1])[None]
    width = (1 - (up * 0.99) ** 2).clamp(min=0).sqrt() * (1.0 + 0.25 * up) + 0.02
    rim = torch.exp(-(((along - 0.88) / 0.12) ** 2)) * 0.32
    hollow = 0.55 * torch.exp(-(((along - 0.5) / 0.2) ** 2)) * torch.exp(-((up / 0.6) ** 2))
    x = (0.05 + 0.95 * along**0.8 + rim - hollow).expand(EAR)
    z = -1.85 * along * width - tilt * 2.9 * up
    y = (2.9 * up).expand(EAR)
    return torch.stack([part.reshape(-1) for part in (x, y, z)])


def normals(
    points: Float[np.ndarray, "3 n"], layout: Layout, shown: Sequence[str]
) -> Float[np.ndarray, "3 n"]:
    """Of the vertices of the surfaces that are shown, of any length, from their four neighbours."""
    found = np.zeros_like(points)
    for name in shown:
        _normals(points, found, layout.vertices[name].start, *layout.shapes[name], name in CLOSED)
    return found


@compiled
def _normals(points: Array, found: Array, first: int, rows: int, columns: int, closed: bool) -> None:
    """Those of one surface, whose grid begins at vertex `first`."""
    for row in range(rows):
        above, below = first + max(row - 1, 0) * columns, first + min(row + 1, rows - 1) * columns
        start = first + row * columns
        for column in range(columns):
            left, right = column - 1, column + 1
            if closed:
                left, right = left % columns, right % columns
            else:
                left, right = max(left, 0), min(right, columns - 1)
            ax, dx = _across(points, 0, start + left, start + right, above + column, below + column)
            ay, dy = _across(points, 1, start + left, start + right, above + column, below + column)
            az, dz = _across(points, 2, start + left, start + right, above + column, below + column)
            found[0, start + column] = ay * dz - az * dy
            found[1, start + column] = az * dx - ax * dz
            found[2, start + column] = ax * dy - ay * dx


@compiled
def _across(points: Array, axis: int, left: int, right: int, above: int, below: int) -> tuple[float, float]:
    return points[axis, right] - points[axis, left], points[axis, below] - points[axis, above]
