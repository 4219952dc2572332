"""Draws photographs of people: their heads, then one picture after the other.

A picture's shape and its pixels are worked out by themselves. So nothing in a picture depends
on which others are drawn with it. Shapes: p people, b photographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.compiled import Array
from pipeline.synthetic import degrade, figure, identity, labels, look, raster, shade, skin, surfaces
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.figure import Figure
from pipeline.synthetic.identity import People
from pipeline.synthetic.look import Look
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.tables import tables
from pipeline.synthetic.world import World

SUPERSAMPLING = 1.25
HANDS = 0.4  # share of occluders that are hands
Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Cast:
    """People ready to be photographed."""

    people: People
    heads: Float[Tensor, "p 3 texels"]
    hair: Float[Tensor, "p 3"]


@dataclass(frozen=True)
class Shot:
    """One photograph and what is true of it."""

    image: Image  # (size, size, 3) RGB
    box: list[float]
    points5: list[float]
    points68: list[float]
    visible68: list[bool]


@dataclass(frozen=True)
class Drawn:
    """One picture before it is shaded."""

    figure: Figure
    seen: Int[np.ndarray, "frame frame"]
    pieces: raster.Fragments


@lru_cache(maxsize=2)
def renderer(size: int) -> Renderer:
    """The renderer of photographs of `size` pixels."""
    return Renderer(size)


@contextmanager
def one_thread() -> Iterator[None]:
    """Pictures are too small to share, and work that is never shared never rounds differently."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def _numbers(values: Float[Tensor, "b *any"]) -> list[list[float]]:
    """A list of each row's."""
    numbers: list[list[float]] = np.round(values.double().flatten(1).numpy(), 3).tolist()
    return numbers


class Renderer:
    """The two steps from numbers to pictures: `cast` and `photograph`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.frame = round(size * SUPERSAMPLING)
        self.tables = tables()
        self.shape_names, self.expression_names = list(self.tables.shape), list(self.tables.expression)

    def cast(self, draws: Draws, world: World) -> Cast:
        """The people that `draws` stands for, with their heads shaped."""
        people = identity.draw(draws, self.shape_names, world)
        heads = self.tables.mean.expand(len(people), -1, -1).clone()
        with one_thread():
            for head, weights in zip(heads, people.shape.tolist(), strict=True):
                for weight, mode in zip(weights, self.tables.shape.values(), strict=True):
                    head.add_(mode, alpha=weight)
        return Cast(people, heads, skin.hair_colour(people))

    def photograph(
        self, cast: Cast, who: Int[Tensor, "b"], photos: Photos, draws: Draws, styles: int = 3
    ) -> list[Shot]:
        """`photos` of the people `who` (rows of the cast); `draws` are the photographs' own.

        `styles` is how many ways of wearing their hair people have, 1 to 3.
        """
        with one_thread():
            people, opening = cast.people.take(who), photos.expression[:, self.expression_names.index("open")]
            looks = look.of(people, photos, cast.hair[who], opening, styles)
            heads = [cast.heads[row] for row in who.tolist()]
            figures = figure.draw(self.tables, heads, people, photos, looks.each, self.frame)
            drawn = [self._drawn(shape, each) for shape, each in zip(figures, looks.each, strict=True)]
            pictures = self._expose(drawn, photos, looks.table, draws)
            return self._label(drawn, pictures, looks.each)

    def _drawn(self, shape: Figure, seen_as: Look) -> Drawn:
        """What every pixel of a picture shows."""
        seen = figure.rasterise(self.tables, shape, seen_as, self.frame)
        normals = surfaces.normals(shape.turned, self.tables.layout, shape.shown)
        pieces = raster.fragments(seen, self.tables.layout.corners, normals)
        return Drawn(shape, seen, pieces)

    def _expose(
        self, drawn: list[Drawn], photos: Photos, table: Array, draws: Draws
    ) -> list[tuple[Image, Mask]]:
        """The finished pictures, and where something before the face hides it."""
        settings = degrade.settings(photos)
        hands = (photos.occluder_kind < HANDS).numpy()
        colours = np.where(hands[:, None], table["skin"] * 0.9, photos.occluder_colour.numpy())
        places, there = photos.occluder_place.numpy(), (photos.occluder > 0).tolist()
        found = []
        for row, (each, generator) in enumerate(zip(drawn, draws.generators, strict=True)):
            image = degrade.backdrop(generator, self.frame)
            shade.shade(image, each.pieces, table, row, self.tables.layout)
            hidden = np.zeros(image.shape[:2], np.bool_)
            if there[row]:
                colour = colours[row].astype(np.float32)
                hidden = degrade.occlude(image, places[row], colour, bool(hands[row]))
            found.append((degrade.develop(image, self.size, settings[row], generator), hidden))
        return found

    def _label(self, drawn: list[Drawn], pictures: list[tuple[Image, Mask]], looks: list[Look]) -> list[Shot]:
        spots = torch.stack([each.figure.spots for each in drawn])
        outline = torch.from_numpy(np.stack([each.figure.screen[:2, self.tables.outline] for each in drawn]))
        finer = self.frame / self.size  # whole pixels, so not SUPERSAMPLING at every size
        points = labels.points68(spots, finer)
        boxes = _numbers(labels.box(outline, points, finer, self.size))
        five, all68 = _numbers(labels.points5(points)), _numbers(points)
        return [
            Shot(image, boxes[row], five[row], all68[row], self._visible(drawn[row], looks[row], hidden))
            for row, (image, hidden) in enumerate(pictures)
        ]

    def _visible(self, drawn: Drawn, seen_as: Look, hidden: Mask) -> list[bool]:
        """Of the 68 points: nothing drawn lies before them, no mask upon them, no thing before the face."""
        spots, depth = drawn.figure.spots.numpy(), drawn.figure.marks[2].numpy()
        found = labels.visible(spots, depth, drawn.seen, self.tables.layout.quads["head"])
        column, row = np.floor(spots).astype(np.int64).clip(0, self.frame - 1)
        found &= ~hidden[row, column]
        if seen_as.photos["mask"] > 0:
            found &= ~self.tables.masked
        seen: list[bool] = found.tolist()
        return seen
