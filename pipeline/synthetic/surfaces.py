"""All surfaces of a picture as grids of vertices: head, ears, hair, hat, brim, glasses.

A quad is four neighbouring vertices. Its look is kept in a table of CUTS x CUTS texels: where on the
template it lies, and what is there. Shapes: n vertices, q quads, t texels; positions (3, n), centimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.synthetic.compiled import Array, compiled
from pipeline.synthetic.features import Features
from pipeline.synthetic.hair import Shell, patterns
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
    corners: Int[Tensor, "4 q"]  # above left, above right, below left, below right
    hollow: Bool[Tensor, "q"]  # seen from the front alone: what it encloses is never seen
    materials: Int[Tensor, "q"]
    texels: Float[Tensor, "t 8"]  # CUTS x CUTS a quad, line by line
    strands: dict[str, Float[Tensor, "u 2"]]  # y and azimuth of the texels of shells, SHELL_CUTS a side


def layout(head: tuple[int, int], shell: tuple[int, int], hat: tuple[int, int]) -> tuple[Layout, int]:
    """The layout without texels, and the number of vertices."""
    shapes = {"head": head, "left_ear": EAR, "right_ear": EAR, "hair": shell, "hat": hat, "brim": BRIM}
    shapes |= {"left_ring": RING, "right_ring": RING, "bridge": BRIDGE}
    shapes |= {"left_temple": TEMPLE, "right_temple": TEMPLE, "left_lens": LENS, "right_lens": LENS}
    vertices, quads, corners = {}, {}, []
    start = first = 0
    for name, (rows, columns) in shapes.items():
        index = torch.arange(start, start + rows * columns).view(rows, columns)
        if name in CLOSED:
            index = torch.cat([index, index[:, :1]], 1)
        around = [index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]]
        corners.append(torch.stack([part.reshape(-1) for part in around]))
        vertices[name] = slice(start, start + rows * columns)
        quads[name] = slice(first, first + corners[-1].shape[1])
        start, first = start + rows * columns, first + corners[-1].shape[1]
    hollow = torch.zeros(first, dtype=torch.bool)
    hollow[quads["head"]] = True
    materials = torch.zeros(first, dtype=torch.uint8)
    for name, span in quads.items():
        materials[span] = MATERIALS[name]
    empty = torch.zeros(0, 8)
    return Layout(shapes, vertices, quads, torch.cat(corners, 1), hollow, materials, empty, {}), start


def texels(layout: Layout, fine: Template, features: Features) -> Float[Tensor, "t 8"]:
    """The table of all quads but those of shells; `fine` is the template in the middles of the texels."""
    table = torch.zeros(layout.corners.shape[1], CUTS * CUTS, 8)
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
    return table.view(-1, 8)


def _cells(shape: tuple[int, int]) -> tuple[Grid, Grid]:
    """The middles of the texels of an open grid: -1..1 down, 0..1 along."""
    down = (np.arange((shape[0] - 1) * CUTS) + 0.5) / ((shape[0] - 1) * CUTS)
    along = (np.arange((shape[1] - 1) * CUTS) + 0.5) / ((shape[1] - 1) * CUTS)
    rows, columns = np.meshgrid(down * 2 - 1, along, indexing="ij")
    return rows, columns


def strands(shell: Template) -> Float[Tensor, "u 2"]:
    """The table of a shell; `shell` is the template in the middles of its texels."""
    return _by_quad((shell.y, shell.azimuth), SHELL_CUTS).view(-1, 2)


def _by_quad(grids: tuple[Grid, ...], cuts: int = CUTS) -> Tensor:
    """Grids (rows * cuts, columns * cuts) as (quads, cuts * cuts, grids)."""
    stacked = np.stack(grids, -1).astype(np.float32)
    rows, columns = stacked.shape[0] // cuts, stacked.shape[1] // cuts
    cut = stacked.reshape(rows, cuts, columns, cuts, -1).transpose(0, 2, 1, 3, 4)
    return torch.from_numpy(np.ascontiguousarray(cut)).reshape(rows * columns, cuts * cuts, -1)


def shell(head: Template, outwards: Float[Tensor, "3 n"], lowest: float) -> Shell:
    """Every second row and column of the head down to the height `lowest`."""
    count = int((head.y.max(1) > lowest).sum())
    index = np.arange(head.y.size).reshape(head.shape)[:count:SHELL_STEP, ::SHELL_STEP]
    base = torch.from_numpy(np.ascontiguousarray(index)).reshape(-1)
    y, azimuth = (
        torch.from_numpy(grid.astype(np.float32)).reshape(-1)[base] for grid in (head.y, head.azimuth)
    )
    return Shell(index.shape, base, y, azimuth, outwards[:, base], patterns(y, azimuth))


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


def normals(points: Float[Tensor, "3 n"], shape: tuple[int, int], closed: bool) -> Float[Tensor, "3 n"]:
    """Of the grid's vertices, of any length, from their four neighbours."""
    return torch.from_numpy(_normals(points.reshape(3, *shape).numpy(), closed)).view(3, -1)


@compiled
def _normals(grid: Array, closed: bool) -> Array:
    rows, columns = grid.shape[1:]
    found = np.empty_like(grid)
    for row in range(rows):
        above, below = max(row - 1, 0), min(row + 1, rows - 1)
        for column in range(columns):
            left, right = column - 1, column + 1
            if closed:
                left, right = left % columns, right % columns
            else:
                left, right = max(left, 0), min(right, columns - 1)
            ax, dx = grid[0, row, right] - grid[0, row, left], grid[0, below, column] - grid[0, above, column]
            ay, dy = grid[1, row, right] - grid[1, row, left], grid[1, below, column] - grid[1, above, column]
            az, dz = grid[2, row, right] - grid[2, row, left], grid[2, below, column] - grid[2, above, column]
            found[0, row, column] = ay * dz - az * dy
            found[1, row, column] = az * dx - ax * dz
            found[2, row, column] = ax * dy - ay * dx
    return found
