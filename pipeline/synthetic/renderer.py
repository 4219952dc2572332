"""Draws photographs of people: the template, the people's painted heads, then batches of images.

Nothing in an image depends on which other images are drawn with it: each has a generator of its own,
and every step works image by image, or element by element, or on whole numbers.
Shapes: p people, b images, n points of all surfaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.synthetic import (
    camera,
    degrade,
    features,
    identity,
    labels,
    modes,
    raster,
    shade,
    skin,
    surfaces,
)
from pipeline.synthetic import template as templates
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.identity import People
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.world import World

SUPERSAMPLING = 1.25
GRIDS = ((120, (176, 224)), (168, (224, 288)))  # largest frame in pixels, rows and columns of the head
CHILD, GROWN, AGED = 20.0, 14.0, (38.0, 35.0)  # years


@dataclass(frozen=True)
class Cast:
    """People ready to be photographed."""

    people: People
    heads: Float[Tensor, "p 3 texels"]
    paint: Float[Tensor, "p n 6"]
    hair: Float[Tensor, "p 3"]


@dataclass(frozen=True)
class Shot:
    """One photograph and what is true of it."""

    image: npt.NDArray[np.uint8]  # (size, size, 3) RGB
    box: list[float]
    points5: list[float]
    points68: list[float]


def _numbers(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.reshape(-1).tolist()]


@lru_cache(maxsize=2)
def renderer(size: int) -> Renderer:
    """The renderer of frames of `size` pixels; its tables are built once."""
    return Renderer(size)


class Renderer:
    """Tables of the template, and the two steps from numbers to pictures: `cast` and `photograph`."""

    def __init__(self, size: int) -> None:
        head = templates.make(*_grid(size))
        self.size = size
        self.frame = round(size * SUPERSAMPLING)
        self.canvas = skin.Canvas.of(head, parts := features.make(head))
        self.layout = surfaces.layout(head.shape)
        self.points = shade.point_features(head, parts, self.layout.points)
        self.mean = _table([head.positions()])[0]
        shape, expression = modes.shape_modes(head), modes.expression_modes(head)
        self.shape_names, self.expression_names = list(shape), list(expression)
        self.shape_modes = _table(list(shape.values()))
        self.expression_modes = _table(list(expression.values()))
        self.landmarks = torch.from_numpy(features.landmarks(head))
        self.outline = _outline(head)
        self.anchors = [head.nearest(*place) for place in ((-3.15, 2.5), (3.15, 2.5), (0, 1.6))]
        self.outwards = _outwards(self.mean)

    def cast(self, draws: Draws, world: World) -> Cast:
        """The people that `draws` stands for, with their heads shaped and painted."""
        people = identity.draw(draws, self.shape_names, world)
        painted = skin.paint(self.canvas, people, skin.Grain.draw(draws, self.canvas.shape))
        heads = self.mean.expand(len(people), -1, -1).clone()
        for weight, mode in zip(people.shape.t(), self.shape_modes, strict=True):
            heads.addcmul_(weight[:, None, None], mode)
        heads += self.outwards * painted.thickness[:, None]
        hair = skin.hair_colour(people)
        return Cast(people, heads, self._paint(people, painted, hair), hair)

    def _paint(self, people: People, painted: skin.Painted, hair: Tensor) -> Tensor:
        """(p, n, 6): colour, hair, beard and gloss of every point."""
        table = torch.zeros(len(people), self.layout.points, shade.TABLE)
        spans = self.layout.spans
        columns = (painted.hair, painted.beard, painted.gloss)
        table[:, spans["head"]] = torch.cat([painted.colour, torch.stack(columns, 2)], 2)
        ear = skin.skin_colour(people)[:, None] * torch.tensor([1, 0.9, 0.9]) * surfaces.ear_shadow()[:, None]
        gloss = {"left_ear": 0.3, "right_ear": 0.3, "curtain": 0.35, "frames": 1.0, "lenses": 1.0}
        for name, value in gloss.items():
            table[:, spans[name], 5] = value
        for name in ("left_ear", "right_ear"):
            table[:, spans[name], :3] = ear
        table[:, spans["frames"], :3] = people.glasses[:, None, :3] * 0.35
        strands = torch.sin(torch.arange(surfaces.CURTAIN[1]) * 2.4).repeat(surfaces.CURTAIN[0])
        table[:, spans["curtain"], :3] = hair[:, None] * (1 + 0.15 * strands[:, None])
        table[:, spans["curtain"], 3] = 1
        return table

    def photograph(self, cast: Cast, who: Int[Tensor, "b"], photos: Photos, draws: Draws) -> list[Shot]:
        """`photos` of the people `who` (rows of the cast); `draws` are the photographs' own."""
        points, scene = self._pose(cast, who, photos)
        turned = camera.turn(scene.matrix, points)
        frame = camera.frame(turned[:, :, self.landmarks], photos, self.frame)
        pixels = frame.pixels(turned)
        seen = raster.visible(pixels, turned[:, 2], self.frame)
        surface = raster.surface(seen, points, self.layout.neighbours, scene.matrix)
        rows = surface.point + who[surface.image] * self.layout.points
        paint = cast.paint.view(-1, shade.TABLE).index_select(0, rows)
        colour = shade.shade(surface, scene, paint, self.points, self.layout.spans["brim"])
        pictures = self._expose(colour, surface, photos, draws)
        points68 = labels.points68(pixels[:, :, self.landmarks], SUPERSAMPLING)
        points5 = labels.points5(points68)
        boxes = labels.box(pixels[:, :, self.outline], points68, SUPERSAMPLING, self.size)
        return [
            Shot(image, _numbers(boxes[row]), _numbers(points5[row]), _numbers(points68[row]))
            for row, image in enumerate(pictures)
        ]

    def _pose(self, cast: Cast, who: Tensor, photos: Photos) -> tuple[Tensor, shade.Scene]:
        """Every point of the photographs' heads in their own coordinates (b, 3, n)."""
        people = cast.people.take(who)
        weights = photos.expression.clone()
        old = ((photos.age - AGED[0]) / AGED[1]).clamp(0, 1.3)
        child = ((CHILD - photos.age) / GROWN).clamp(0, 1)
        names = self.expression_names
        weights[:, names.index("child")] = 1.1 * child * (1 + 0.15 * people.ageing[:, 0])
        weights[:, names.index("old")] = old * (1 + 0.25 * people.ageing[:, 1])
        heads = cast.heads[who]
        for head, row in zip(heads, weights.tolist(), strict=True):
            for mode, weight in zip(self.expression_modes, row, strict=True):
                if weight:
                    head.add_(mode, alpha=weight)
        left, right, bridge = (heads[:, :, point] for point in self.anchors)
        width = 1 + 0.05 * people.shape[:, self.shape_names.index("head_width")]
        anchors = surfaces.Anchors(width, bridge[:, 2], (right - left)[:, 0] / 2, right[:, 1])
        points = torch.cat([heads, *surfaces.draw(people, photos, anchors, old)], 2)
        matrix = camera.rotation(photos.yaw, photos.pitch, photos.roll)
        opening = photos.expression[:, names.index("open")]
        return points, shade.Scene(people, photos, matrix, old, opening, cast.hair[who])

    def _expose(
        self, colour: Tensor, surface: raster.Surface, photos: Photos, draws: Draws
    ) -> list[npt.NDArray[np.uint8]]:
        backdrops = [degrade.backdrop(generator, self.frame) for generator in draws.generators]
        images = np.stack(backdrops)
        images.reshape(-1, 3)[surface.pixel.numpy()] = colour.numpy()
        places, things = photos.occluder_place.numpy(), photos.occluder_colour.numpy()
        developed = []
        for row, (image, generator) in enumerate(zip(images, draws.generators, strict=True)):
            if photos.occluder[row] > 0:
                degrade.occlude(image, places[row], things[row])
            settings = degrade.Settings(
                exposure=float(photos.exposure[row]),
                saturation=float(photos.saturation[row]),
                gamma=float(photos.gamma[row]),
                balance=photos.balance[row].numpy(),
                blur=float(photos.blur[row]),
                resolution=float(photos.resolution[row]),
                noise=float(photos.noise[row]),
            )
            developed.append(degrade.develop(image, self.size, settings, generator))
        return developed


def _grid(size: int) -> tuple[int, int]:
    """Rows and columns of the head: fewer points than pixels would leave holes."""
    for largest, grid in GRIDS:
        if size <= largest:
            return grid
    raise ValueError(f"size is {size}; photographs of up to {GRIDS[-1][0]} pixels can be drawn")


def _table(grids: Sequence[npt.NDArray[np.float64]]) -> Float[Tensor, "k 3 texels"]:
    return torch.from_numpy(np.stack(grids).astype(np.float32)).flatten(2).contiguous()


def _outline(head: templates.Template) -> Int[Tensor, "k"]:
    """Texels that span the face's box: every fourth one between chin and hairline, ear to ear."""
    face = (np.abs(head.azimuth) < 1.45) & (head.y < 7.5) & (head.row < 12)
    face[1::4] = face[2::4] = face[3::4] = False
    return torch.from_numpy(np.flatnonzero(face)[::4])


def _outwards(mean: Tensor) -> Float[Tensor, "3 texels"]:
    """Where hair grows to."""
    direction = mean - torch.tensor([0.0, 2.0, -3.2])[:, None]
    direction[1] *= torch.where(direction[1] > 0, 0.7, 0.15)
    return direction / direction.norm(dim=0, keepdim=True)
