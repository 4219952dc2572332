"""What is the same for every size and everybody: the template, its modes, and the tables of all surfaces.

Shapes: k points of the outline, n vertices of all surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pipeline.compiled import Array
from pipeline.synthetic import cloth, features, hair, identity, modes, places, surfaces
from pipeline.synthetic import template as templates

ROWS, COLUMNS = 98, 96
LONGEST, HAT_LOWEST = -17.0, 2.0  # template heights that hair and hats reach
STIFF = (8.5, 13.5)  # cm below the template's middle: the neck bends between


@dataclass(frozen=True)
class Tables:
    """What is the same for every size and everybody."""

    head: templates.Template
    layout: surfaces.Layout
    vertices: int
    mean: Float[Tensor, "3 texels"]
    shape: dict[str, Float[Tensor, "3 texels"]]
    sex: Float[Tensor, "3 texels"]  # what makes a man of a mean head, and minus that a woman
    expression: dict[str, Float[Tensor, "3 texels"]]
    landmarks: Float[Tensor, "2 68"]
    chart: places.Chart
    hair: hair.Shell
    hat: hair.Shell
    ear: Float[np.ndarray, "3 e"]
    stiff: Float[Tensor, "n"]
    quad_y: dict[str, Array]  # template heights of the middles of the quads of head and hair
    quad_strand: dict[str, Array]  # and the strands of hair they lie on
    texel_y: dict[str, Array]  # template heights of the texels of shells
    texel_strand: dict[str, Array]  # and the strands they lie on
    outline: Int[np.ndarray, " k"]
    masked: Bool[np.ndarray, "68"]  # landmarks that a face mask covers
    anchors: list[int]  # vertices: the eyes, the nose's bridge, beside the ears, the forehead


@lru_cache(maxsize=1)
def tables() -> Tables:
    head = templates.make(ROWS, COLUMNS)
    mean = _flat(head.positions())
    outwards = _outwards(mean)
    shells = {
        "hair": surfaces.shell(head, outwards, LONGEST),
        "hat": surfaces.shell(head, outwards, HAT_LOWEST),
    }
    layout, vertices = _layout(head, shells)
    shape = {name: _flat(mode) for name, mode in modes.shape_modes(head).items()}
    quad_y, quad_strand = _quads(layout)
    return Tables(
        head=head,
        layout=layout,
        vertices=vertices,
        mean=mean,
        shape=shape,
        sex=sum(
            (mode * identity.MALE_SHAPE.get(name, 0.0) for name, mode in shape.items()),
            torch.zeros_like(mean),
        ),
        expression={name: _flat(mode) for name, mode in modes.expression_modes(head).items()},
        landmarks=places.fixed(head),
        chart=places.Chart.of(head),
        hair=shells["hair"],
        hat=shells["hat"],
        ear=surfaces.ear().numpy(),
        stiff=_stiff(head, layout, vertices, shells["hair"]),
        quad_y=quad_y,
        quad_strand=quad_strand,
        texel_y={name: np.ascontiguousarray(table[:, 0]) for name, table in layout.strands.items()},
        texel_strand={
            name: hair.strand(table[:, 1]).astype(np.int32) for name, table in layout.strands.items()
        },
        outline=_outline(head),
        masked=_masked(head),
        anchors=_anchors(head),
    )


def _layout(head: templates.Template, shells: dict[str, hair.Shell]) -> tuple[surfaces.Layout, int]:
    """The layout with its texels, and the number of vertices."""
    bare, vertices = surfaces.layout(head.shape, shells["hair"].shape, shells["hat"].shape)
    fine = templates.make_within(ROWS, COLUMNS, surfaces.CUTS)
    strands = {
        name: surfaces.strands(templates.make_at(*surfaces.shell_texels(ROWS, COLUMNS, shell.shape)))
        for name, shell in shells.items()
    }
    texels = surfaces.texels(bare, fine, features.make(fine))
    return replace(bare, texels=texels, strands=strands), vertices


def _stiff(
    head: templates.Template, layout: surfaces.Layout, vertices: int, shell: surfaces.Shell
) -> Float[Tensor, "v"]:
    """How far a vertex turns with the head, 1 wholly: the neck bends."""
    stiff = torch.ones(vertices)
    height = torch.from_numpy(head.y.astype(np.float32)).reshape(-1)
    stiff[layout.vertices["head"]] = 1 - hair.step(-height, *STIFF)
    stiff[layout.vertices["hair"]] = 1 - hair.step(-shell.y, *STIFF)
    return stiff


def _flat(grid: templates.Grid) -> Float[Tensor, "3 texels"]:
    return torch.from_numpy(np.ascontiguousarray(grid, np.float32)).flatten(1)


def _outline(head: templates.Template) -> Int[np.ndarray, " k"]:
    """Vertices that span the face's box: every other one between chin and hairline, ear to ear."""
    face = (np.abs(head.azimuth) < 1.45) & (head.y < 7.5) & (head.row < 11.9)
    face[1::2] = False
    return np.flatnonzero(face)[::2]


def _outwards(mean: Tensor) -> Float[Tensor, "3 texels"]:
    """Where hair grows to."""
    direction = mean - torch.tensor([0.0, 2.0, -3.2])[:, None]
    direction[1] *= torch.where(direction[1] > 0, 0.8, 0.1)
    return direction / direction.norm(dim=0, keepdim=True)


def _masked(head: templates.Template) -> Bool[np.ndarray, "68"]:
    row, column = places.fixed(head).double().numpy()
    where = (places.interpolated(grid, row, column) for grid in (head.x, head.y, head.azimuth))
    return np.array([cloth.masked(*place) for place in zip(*where, strict=True)])


def _anchors(head: templates.Template) -> list[int]:
    face = [head.nearest(*place) for place in ((-3.15, 2.5), (3.15, 2.5), (0, 2.2), (0, 7.2))]
    sides = [int(((head.azimuth - turn) ** 2 + (head.y - 0.5) ** 2).argmin()) for turn in (1.55, -1.55)]
    return [*face[:3], *sides, face[3]]


def _quads(layout: surfaces.Layout) -> tuple[dict[str, Array], dict[str, Array]]:
    """Template heights and strands of the middles of quads of the head and of the hair."""
    heads = layout.texels[: layout.quads["head"].stop * surfaces.CUTS**2, [surfaces.Y, surfaces.AZIMUTH]]
    texels = {"head": heads.reshape(-1, surfaces.CUTS**2, 2)}
    texels["hair"] = layout.strands["hair"].reshape(-1, surfaces.SHELL_CUTS**2, 2)
    middle = {name: table[:, table.shape[1] // 2] for name, table in texels.items()}
    heights = {name: np.ascontiguousarray(table[:, 0]) for name, table in middle.items()}
    return heights, {name: hair.strand(table[:, 1]) for name, table in middle.items()}
