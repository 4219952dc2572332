"""The figure of one picture: the head shaped by the moment, what is worn, turned and drawn as quads.

Shapes: b photographs, n vertices of all surfaces, f x f pixels of the frame. Positions in centimetres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic import camera, eyes, hair, places, raster, surfaces, wear
from pipeline.synthetic.identity import People
from pipeline.synthetic.look import Look
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.tables import COLUMNS, ROWS, Tables

UNDER = 1.2  # cm above the edge of the hair: skin is not seen there
COVERED = -2.0  # template height: hair that reaches it covers the ears


@dataclass(frozen=True)
class Figure:
    """Surfaces in camera coordinates and on the screen; landmarks are the 68."""

    turned: Float[np.ndarray, "3 n"]
    screen: Float[np.ndarray, "3 n"]  # pixel x, pixel y, depth
    shown: list[str]  # names of the surfaces that are drawn
    marks: Float[Tensor, "3 68"]
    spots: Float[Tensor, "2 68"]  # the landmarks on the screen


def draw(
    tables: Tables, heads: list[Tensor], people: People, photos: Photos, looks: list[Look], frame: int
) -> list[Figure]:
    """The figures of photographs in frames of `frame` pixels; `heads` (3, texels) are their people's."""
    points = torch.zeros(len(looks), 3, tables.vertices)
    grids = points.numpy()
    shown = []
    for row, (head, look) in enumerate(zip(heads, looks, strict=True)):
        shaped = express(tables, head, look).numpy()
        drawn = {"head": shaped, **worn(tables, shaped, look)}
        for name, grid in drawn.items():
            grids[row, :, tables.layout.vertices[name]] = grid
        shown.append(list(drawn))
    matrix = camera.rotation(photos.yaw, photos.pitch, photos.roll)
    turned = camera.turn(matrix, points, camera.shoulders(photos), tables.stiff)
    marks = landmarks(tables, turned, people, photos)
    view = camera.frame(marks, photos, frame)
    screen, spots = view.pixels(turned), view.pixels(marks)[:, :2]
    rows = zip(turned.numpy(), screen.numpy(), shown, marks, spots, strict=True)
    return [Figure(*each) for each in rows]


def express(tables: Tables, head: Float[Tensor, "3 texels"], look: Look) -> Float[Tensor, "3 texels"]:
    """The person's head with the photograph's expression and age."""
    weights = dict(zip(tables.expression, look.photos["expression"].tolist(), strict=True))
    weights |= {"child": look.child, "old": look.old}
    # Children are more alike than grown-ups, and girls and boys most of all.
    sex = 1 - 2 * float(look.people["male"])
    shaped = head + (tables.mean - head) * (0.25 * look.child)
    if look.child:
        shaped.add_(tables.sex, alpha=0.2 * sex * look.child)
    for name, weight in weights.items():
        if weight:
            shaped.add_(tables.expression[name], alpha=weight)
    return shaped


def landmarks(
    tables: Tables, turned: Float[Tensor, "b 3 n"], people: People, photos: Photos
) -> Float[Tensor, "b 3 68"]:
    """The 68 points in camera coordinates: each between the four vertices around it."""
    x, y = eyes.landmarks(people, photos)
    where = tables.landmarks[:, None].repeat(1, len(x), 1)
    where[:, :, list(eyes.MOVING)] = tables.chart.find(x.reshape(-1), y.reshape(-1)).view(2, *x.shape)
    around, weights = places.vertices(where, ROWS, COLUMNS)
    found = torch.zeros(len(x), 3, 68)
    for corner, weight in zip(around, weights, strict=True):
        found += turned.gather(2, corner[:, None].expand(-1, 3, -1)) * weight[:, None]
    return found


def worn(tables: Tables, head: Float[np.ndarray, "3 texels"], look: Look) -> dict[str, Array]:
    """Every surface but the head that this picture shows."""
    photos, found = look.photos, dict[str, Array]()
    anchors = _anchors(tables, head)
    size = 1 + 0.08 * float(look.people["shape"][-1]) + 0.08 * look.old - 0.08 * look.child
    out = min(max(1 + 0.25 * float(look.people["shape"][-2]), 0.4), 1.7)
    middle = hair.STRANDS // 2
    for side, name in ((-1.0, "left_ear"), (1.0, "right_ear")):
        if not look.hair.shell or float(look.hair.edge[middle + int(side * middle / 2)]) > COVERED:
            stretch = np.array([[side * out], [size], [size]], np.float32)
            place = np.array([[side * (anchors.width - 0.25)], [anchors.eye_y - 2.1], [-2.9]], np.float32)
            found[name] = tables.ear * stretch + place
    if look.hair.shell:
        found["hair"] = tables.hair.fill(head, look.hair, photos)
    if photos["hat"] > 0:
        found["hat"] = wear.hat(tables.hat, head, photos)
        if photos["brim"] > 0:
            found["brim"] = wear.brim(anchors)
    if photos["glasses"] > 0:
        frame = wear.Frame.of(photos)
        found |= wear.glasses(frame, anchors)
        if photos["sunglasses"] > 0:
            found |= wear.lenses(frame, anchors)
    return found


def _anchors(tables: Tables, head: Float[np.ndarray, "3 texels"]) -> wear.Anchors:
    left, right, bridge, ear, behind, brow = head[:, tables.anchors].T.tolist()
    return wear.Anchors(
        width=(ear[0] - behind[0]) / 2,
        bridge=max(bridge[2], left[2] + 0.75),
        eye_x=(right[0] - left[0]) / 2,
        eye_y=(left[1] + right[1]) / 2,
        brow_z=brow[2],
        brow_y=brow[1],
    )


def rasterise(tables: Tables, figure: Figure, look: Look, frame: int) -> Int[np.ndarray, "f f"]:
    """The key of what every pixel of the frame shows (see `raster`)."""
    seen, layout = raster.empty(frame), tables.layout
    for name in figure.shown:
        quads, trim = _candidates(tables, figure, look, name), _trim(tables, look, name)
        raster.draw(seen, figure.screen, layout.corners, layout.hollow, quads, trim)
    return raster.closed(seen)


def _candidates(tables: Tables, figure: Figure, look: Look, name: str) -> Int[np.ndarray, " m"]:
    """Quads that may be seen: not skin under hair, nor the part of a shell that hair does not fill."""
    span = tables.layout.quads[name]
    if "hair" in figure.shown and name in ("hair", "head"):
        y, lines = tables.quad_y[name], tables.quad_strand[name]
        if name == "hair":
            return _beyond(y, lines, look.hair.tips, 1.0, span.start)
        if look.hair.bald_above >= hair.NO_CAP:
            return _beyond(y, lines, look.hair.edge, -1.0, span.start)
    return np.arange(span.start, span.stop)


@compiled
def _beyond(y: Array, lines: Array, edge: Array, up: float, first: int) -> Array:
    """Quads above (`up` is 1) or below (-1) the edge at their strand, or not further than UNDER off it."""
    found, count = np.empty(len(y), np.int64), 0
    for quad in range(len(y)):
        if up * (y[quad] - edge[lines[quad]]) > -UNDER:
            found[count] = first + quad
            count += 1
    return found[:count]


def _trim(tables: Tables, look: Look, name: str) -> raster.Trim:
    """What a shell does not reach."""
    if name not in tables.layout.strands:
        return raster.WHOLE
    y, strands = tables.texel_y[name], tables.texel_strand[name]
    first = tables.layout.quads[name].start
    if name == "hair":
        return raster.Trim(y, strands, look.hair.tips, look.hair.bald_above, first, surfaces.SHELL_CUTS)
    edge = _hat_edge(bool(look.photos["brim"] > 0))
    return raster.Trim(y, strands, edge, hair.NO_CAP, first, surfaces.SHELL_CUTS)


@lru_cache(maxsize=2)
def _hat_edge(brim: bool) -> Array:
    """At every strand."""
    return np.asarray(wear.hat_edge(hair.azimuths(), brim).numpy())
