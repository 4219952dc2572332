"""Draws photographs of people: the template, the people's heads, then one picture after the other.

Every picture is drawn by itself, so that nothing in it can depend on which others are drawn with it.
Shapes: p people, b photographs, n vertices of all surfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.synthetic import (
    camera,
    degrade,
    eyes,
    hair,
    identity,
    labels,
    places,
    raster,
    shade,
    skin,
    surfaces,
    wear,
)
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.identity import People
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.skin import Look
from pipeline.synthetic.tables import COLUMNS, ROWS, tables

SUPERSAMPLING = 1.25
CHILD, GROWN, AGED = 19.0, 14.0, (40.0, 32.0)  # years
Image = npt.NDArray[np.uint8]


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
class Posed:
    """The surfaces of one picture: in camera coordinates and on the screen."""

    turned: Float[Tensor, "3 n"]
    screen: Float[Tensor, "3 n"]  # pixel x, pixel y, depth
    shown: list[str]  # names of the surfaces that are drawn


def _numbers(values: Tensor) -> list[float]:
    return [round(value, 3) for value in values.reshape(-1).tolist()]


@lru_cache(maxsize=2)
def renderer(size: int) -> Renderer:
    """The renderer of photographs of `size` pixels."""
    return Renderer(size)


@contextmanager
def one_thread() -> Iterator[None]:
    """A picture is too small to share, and work that is never shared never rounds differently."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)


class Renderer:
    """The two steps from numbers to pictures: `cast` and `photograph`."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.frame = round(size * SUPERSAMPLING)
        self.tables = tables()
        self.shape_names, self.expression_names = list(self.tables.shape), list(self.tables.expression)

    def cast(self, draws: Draws, race_shares: Sequence[float]) -> Cast:
        """The people that `draws` stands for, with their heads shaped."""
        people = identity.draw(draws, self.shape_names, race_shares)
        heads = self.tables.mean.expand(len(people), -1, -1).clone()
        with one_thread():
            for head, weights in zip(heads, people.shape.tolist(), strict=True):
                for weight, mode in zip(weights, self.tables.shape.values(), strict=True):
                    head.add_(mode, alpha=weight)
        return Cast(people, heads, skin.hair_colour(people))

    def photograph(
        self, cast: Cast, who: Int[Tensor, "b"], photos: Photos, draws: Draws, styles: int = 3
    ) -> list[Shot]:
        """`photos` of the people `who` (rows of the cast); `draws` are the photographs' own."""
        shots = []
        with one_thread():
            for row, (person, generator) in enumerate(zip(who.tolist(), draws.generators, strict=True)):
                one = Photos(**{field.name: getattr(photos, field.name)[row : row + 1] for field in fields(Photos)})
                shots.append(self._shoot(cast, person, one, generator, styles))
        return shots

    def _shoot(self, cast: Cast, person: int, photos: Photos, generator: np.random.Generator, styles: int) -> Shot:
        look = self.look(cast, person, photos, styles)
        head = self.express(cast.heads[person], look)
        around, weights = self.landmarks(look)
        posed, frame = self.pose(head, look, around, weights)
        seen = self.rasterise(posed, look)
        pieces = raster.fragments(seen, self.tables.layout.corners, self._normals(posed))
        colour = shade.shade(pieces, look, self.tables.layout)
        marks = (posed.turned[:, around] * weights).sum(1)
        spots = frame.pixels(marks[None])
        image, hidden = self._expose(colour, pieces.pixel, look, generator)
        points = labels.points68(spots, SUPERSAMPLING)
        outline = posed.screen[None, :2, self.tables.outline]
        return Shot(
            image,
            _numbers(labels.box(outline, points, SUPERSAMPLING, self.size)),
            _numbers(labels.points5(points)),
            _numbers(points),
            self._visible(seen, spots[0], marks[2], look, hidden),
        )

    def look(self, cast: Cast, person: int, photos: Photos, styles: int) -> Look:
        """The person (a row of the cast) as of the photograph."""
        people = cast.people.take(torch.tensor([person]))
        age = float(photos.age)
        old = min(max((age - AGED[0]) / AGED[1], 0), 1.35)
        early, fast = (0.2 * people.ageing[0]).tolist()
        grey = min(max((old * (1 + fast) - 0.15) * 1.15, 0), 0.95)
        return Look(
            people=people,
            photos=photos,
            hair=hair.worn(people, photos, styles),
            child=min(max((CHILD - age) / GROWN, 0), 1.15) * (1 + 0.5 * early),
            old=old * (1 + fast),
            grey=grey,
            hair_colour=cast.hair[person],
            opening=float(photos.expression[0, self.expression_names.index("open")]),
        )

    def express(self, head: Float[Tensor, "3 texels"], look: Look) -> Float[Tensor, "3 texels"]:
        """The person's head with the photograph's expression and age."""
        weights = dict(zip(self.expression_names, look.photos.expression[0].tolist(), strict=True))
        weights |= {"child": look.child, "old": look.old}
        # Children are more alike than grown-ups, and girls and boys most of all.
        sex = 1 - 2 * float(look.people.male)
        shaped = torch.lerp(head, self.tables.mean, 0.25 * look.child).add_(self.tables.sex, alpha=0.75 * sex * look.child)
        for name, weight in weights.items():
            if weight:
                shaped.add_(self.tables.expression[name], alpha=weight)
        return shaped

    def landmarks(self, look: Look) -> tuple[Int[Tensor, "4 68"], Float[Tensor, "4 68"]]:
        """The four vertices around each landmark, and their weights."""
        where = self.tables.landmarks.clone()
        x, y, index = eyes.landmarks(look.people, look.photos)
        where[:, index] = self.tables.chart.find(x, y)
        return places.vertices(where, ROWS, COLUMNS)

    def pose(
        self, head: Float[Tensor, "3 texels"], look: Look, around: Tensor, weights: Tensor
    ) -> tuple[Posed, camera.Frame]:
        """All surfaces of the picture, turned and framed."""
        points, photos = torch.zeros(3, self.tables.vertices), look.photos
        drawn = {"head": head, **self._worn(head, look)}
        for name, grid in drawn.items():
            points[:, self.tables.layout.vertices[name]] = grid
        matrix = camera.rotation(photos.yaw, photos.pitch, photos.roll)
        turned = camera.bend(camera.turn(matrix, points[None]), points[None], photos, self.tables.stiff)
        marks = (turned[:, :, around] * weights).sum(2)
        frame = camera.frame(marks, photos, self.frame)
        screen = torch.cat([frame.pixels(turned), turned[:, 2:]], 1)
        return Posed(turned[0], screen[0], list(drawn)), frame

    def _worn(self, head: Float[Tensor, "3 texels"], look: Look) -> dict[str, Tensor]:
        """Every surface but the head that this picture shows."""
        photos, found = look.photos, {}
        anchors = self._anchors(head)
        edge = look.hair.edge[hair.strand(torch.tensor([1.6, -1.6]))]
        size, out = 1 + 0.08 * look.people.shape[0, -1] + 0.08 * look.old - 0.08 * look.child, 1 + 0.25 * look.people.shape[0, -2]
        for side, name in ((-1.0, "left_ear"), (1.0, "right_ear")):
            if not look.hair.shell or float(edge[int(side > 0)]) > -2:
                ear = surfaces.ear(size, out.clamp(0.4, 1.7))
                place = torch.tensor([[anchors.width - 0.25], [anchors.eye_y - 2.1], [-2.9]])
                found[name] = (ear + place) * torch.tensor([[side], [1.0], [1.0]])
        if look.hair.shell:
            found["hair"] = self.tables.hair.fill(head, look.hair, photos)
        if photos.hat > 0:
            found["hat"] = wear.hat(self.tables.hat, head, photos)
            if photos.brim > 0:
                found["brim"] = wear.brim(anchors)
        if photos.glasses > 0:
            frame = wear.Frame.of(photos)
            found |= wear.glasses(frame, anchors)
            if photos.sunglasses > 0:
                found |= wear.lenses(frame, anchors)
        return found

    def _anchors(self, head: Float[Tensor, "3 texels"]) -> wear.Anchors:
        left, right, bridge, ear, behind, brow = (head[:, point].tolist() for point in self.tables.anchors)
        return wear.Anchors(
            width=(ear[0] - behind[0]) / 2,
            bridge=max(bridge[2], left[2] + 0.75),
            eye_x=(right[0] - left[0]) / 2,
            eye_y=(left[1] + right[1]) / 2,
            brow_z=brow[2],
            brow_y=brow[1],
        )

    def rasterise(self, posed: Posed, look: Look) -> Int[Tensor, "frame frame"]:
        """The key of what every pixel of the frame shows (see `raster`)."""
        layout = self.tables.layout
        quads = torch.cat([torch.arange(layout.quads[name].start, layout.quads[name].stop) for name in posed.shown])
        corners, hollow = layout.corners.index_select(0, quads), layout.hollow.index_select(0, quads)
        samples = raster.sample(posed.screen, corners, hollow, quads, self.frame)
        for name in ("hair", "hat"):
            if name in posed.shown:
                self._cut(samples, name, look)
        return raster.visible(samples, self.frame)

    def _cut(self, samples: raster.Samples, name: str, look: Look) -> None:
        """Takes away what a shell does not reach: samples move out of the frame, in place."""
        span = self.tables.layout.quads[name]
        rows = ((samples.quad >= span.start) & (samples.quad < span.stop)).nonzero()[:, 0]
        s, t = (samples.s[rows] * 256).long(), (samples.t[rows] * 256).long()
        texel = self.tables.layout.look_up(name, samples.quad[rows], s, t)
        y, azimuth = texel[:, surfaces.Y], texel[:, surfaces.AZIMUTH]
        if name == "hat":
            gone = y < wear.hat_edge(azimuth, bool(look.photos.brim > 0))
        else:
            gone = (y < look.hair.tips[hair.strand(azimuth)]) | (y > look.hair.bald_above)
        samples.position[rows[gone], 0] = -9.0

    def _normals(self, posed: Posed) -> Float[Tensor, "n 3"]:
        layout = self.tables.layout
        found = torch.zeros(self.tables.vertices, 3)
        for name in posed.shown:
            span = layout.vertices[name]
            closed = name in surfaces.CLOSED
            found[span] = surfaces.normals(posed.turned[:, span], layout.shapes[name], closed)
        return found

    def _visible(
        self, seen: Tensor, spots: Tensor, depth: Tensor, look: Look, hidden: npt.NDArray[np.bool_]
    ) -> list[bool]:
        """Of the 68 points: nothing drawn lies before them, no mask upon them, no thing before the face."""
        found = labels.visible(spots, depth, raster.depths(seen))
        column, row = spots.floor().long().clamp(0, self.frame - 1)
        found &= ~torch.from_numpy(hidden)[row, column]
        if look.photos.mask > 0:
            found &= ~self.tables.masked
        return [bool(value) for value in found.tolist()]

    def _expose(
        self, colour: Tensor, pixel: Tensor, look: Look, generator: np.random.Generator
    ) -> tuple[Image, npt.NDArray[np.bool_]]:
        """The finished picture, and where something before the face hides it."""
        photos = look.photos
        image = degrade.backdrop(generator, self.frame)
        image.reshape(-1, 3)[pixel.numpy()] = colour.numpy()
        hidden = np.zeros(image.shape[:2], np.bool_)
        if photos.occluder > 0:
            hand = bool(photos.occluder_kind < 0.4)
            paint = skin.skin_colour(look.people) * 0.9 if hand else photos.occluder_colour
            hidden = degrade.occlude(image, photos.occluder_place[0].numpy(), paint[0].numpy(), hand)
        settings = degrade.Settings(
            exposure=float(photos.exposure),
            saturation=float(photos.saturation),
            gamma=float(photos.gamma),
            balance=photos.balance[0].numpy(),
            blur=float(photos.blur),
            resolution=float(photos.resolution),
            noise=float(photos.noise),
        )
        return degrade.develop(image, self.size, settings, generator), hidden
