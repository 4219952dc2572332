"""Colour and light of the pixels that show something.

    colour * (ambient + key max(0, wrapped n.l) + fill max(0, n.l2)) + gloss (n.h)^16

Shapes: f visible pixels, b images, n points. Colours are linear RGB, 1 is white.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.features import NOWHERE, Features
from pipeline.synthetic.identity import People
from pipeline.synthetic.raster import Surface
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.skin import flat
from pipeline.synthetic.template import Template

ELSEWHERE = 99.0  # template coordinates of points that are not on the head
TABLE = 6  # columns of a person's table: colour, hair, beard, gloss
EYE_X, EYE_Y, SIDE, MOUTH, SLIT, WRINKLE, X, Y = range(8)


def point_features(head: Template, features: Features, points: int) -> Float[Tensor, "n 8"]:
    """What every point is, in the columns above; points beyond the head are nothing."""
    grids = (features.eye_x, features.eye_y, features.side, features.mouth, features.slit, features.wrinkle)
    columns = torch.stack([flat(grid) for grid in (*grids, head.x, head.y)], 1)
    nothing = torch.tensor([NOWHERE, NOWHERE, 0.0, 0.0, 0.0, 0.0, ELSEWHERE, ELSEWHERE])
    return torch.cat([columns, nothing.expand(points - len(columns), -1)]).contiguous()


class Rows:
    """Named values of every image, gathered for every pixel in one go."""

    def __init__(self, image: Tensor, **values: Tensor) -> None:
        parts = [value if value.dim() == 2 else value[:, None] for value in values.values()]
        gathered = torch.cat(parts, 1).index_select(0, image).split([part.shape[1] for part in parts], 1)
        self._columns = dict(zip(values, gathered, strict=True))

    def __getitem__(self, name: str) -> Tensor:
        """(f, width of the value)."""
        return self._columns[name]


@dataclass(frozen=True)
class Scene:
    """The images of one batch: who, how photographed, how turned, and how old they look."""

    people: People
    photos: Photos
    matrix: Float[Tensor, "b 3 3"]
    old: Float[Tensor, "b"]
    opening: Float[Tensor, "b"]  # of the mouth, cm
    hair: Float[Tensor, "b 3"]


def shade(
    surface: Surface,
    scene: Scene,
    paint: Float[Tensor, "f 6"],
    features: Float[Tensor, "n 8"],
    brim: slice,
) -> Float[Tensor, "f 3"]:
    """The light that reaches the camera from every visible pixel."""
    point, image = surface.point, surface.image
    colour, gloss = _grown(paint, scene, surface), paint[:, 5].clone()
    local = features.index_select(0, point)
    wrinkle = local[:, WRINKLE] * (scene.old * 0.9 + 0.05).index_select(0, image)
    colour = colour * (1 - (0.42 * wrinkle).clamp(0, 0.6) * (1 - paint[:, 3]))[:, None]
    rows = ((local[:, EYE_X].abs() < 2) | (local[:, MOUTH] > 0)).nonzero()[:, 0]
    inside = _mouth(colour[rows], local[rows], scene.opening.index_select(0, image[rows])[:, None])
    colour[rows], eye = _eyes(inside, local[rows], scene, image[rows])
    gloss[rows] += eye * 0.6
    colour = _worn(colour, surface, scene.photos, local, brim)
    return _lit(colour, gloss, surface, scene)


def _grown(paint: Tensor, scene: Scene, surface: Surface) -> Tensor:
    """Greying hair, and beards where the person is grown up."""
    photos, image = scene.photos, surface.image
    fading = ((scene.old - 0.25) * 1.1).clamp(0, 0.9)
    grain = (((surface.point * 7919) % 97).float() / 97)[:, None]
    white = paint[:, 3:4] * fading.index_select(0, image)[:, None] * (0.6 + 0.4 * grain)
    colour = paint[:, :3] + (0.72 - paint[:, :3]) * white
    beard = paint[:, 4] * (photos.beard * (photos.age > 19)).index_select(0, image)
    rows = (beard > 0.01).nonzero()[:, 0]
    greyed = scene.hair + (0.7 - scene.hair) * (fading * 0.9)[:, None]
    hair = greyed.index_select(0, image[rows]) * (0.8 + 0.4 * grain[rows])
    colour[rows] += (hair - colour[rows]) * (beard[rows, None].clamp(max=1) * 0.92)
    return colour


def _mouth(colour: Tensor, local: Tensor, opening: Tensor) -> Tensor:
    """The dark between the lips, and the upper teeth when it opens."""
    dark = torch.tensor([0.32, 0.10, 0.10]) * (0.8 - 0.5 * (opening / 2.4).clamp(0, 1))
    teeth = ((local[:, SLIT, None] < 0.38) & (opening > 0.25)) * 0.9
    inside = dark + (torch.tensor([0.85, 0.82, 0.75]) - dark) * teeth
    return torch.where(local[:, MOUTH, None] > 0.5, inside, colour)


def _eyes(colour: Tensor, local: Tensor, scene: Scene, image: Tensor) -> tuple[Tensor, Tensor]:
    """Eyeball, iris, pupil, lashes and the lid's crease; and where the eyeball is (0..1)."""
    people, photos = scene.people, scene.photos
    rows = Rows(
        image, lid=people.lid, fold=people.fold, opened=photos.eye_open, gaze=photos.gaze, iris=people.iris
    )
    x, y, side = local[:, EYE_X], local[:, EYE_Y], local[:, SIDE]
    lid, opened = rows["lid"][:, 0], rows["opened"][:, 0]
    almond = (1 - x**2).clamp(min=0)
    upper = lid * opened * almond**0.75 * (1 + 0.15 * x)
    lower = -0.75 * lid * almond * (0.55 + 0.45 * opened.clamp(0, 1))
    eye = torch.sigmoid((upper - y) * 28) * torch.sigmoid((y - lower) * 28) * (x.abs() < 1)
    gaze_x, gaze_y = rows["gaze"].unbind(1)
    radius = ((x - side * gaze_x) ** 2 + (y - gaze_y - 0.04) ** 2).sqrt()
    white = torch.tensor([0.88, 0.86, 0.84]) * (1 - 0.35 * x.abs().clamp(0, 1) ** 2)[:, None]
    iris = rows["iris"] * (0.6 + 1.2 * radius[:, None])
    ball = white + (iris - white) * torch.sigmoid((0.40 - radius) * 25)[:, None]
    pupil = 1 - 0.92 * torch.sigmoid((0.17 - radius) * 30)
    under_lid = 1 - 0.45 * torch.exp(-(((upper - y) / 0.12).clamp(min=0) ** 2))
    ball = ball * (pupil * under_lid)[:, None]
    colour = colour + (ball - colour) * eye[:, None]
    lash = torch.exp(-(((y - upper) / 0.07) ** 2)) * (x.abs() < 1.05) * 0.75
    crease = torch.exp(-(((y - upper - 0.22) / 0.06) ** 2)) * (x.abs() < 1.0) * 0.45 * rows["fold"][:, 0]
    rim = torch.exp(-(((y - lower) / 0.06) ** 2)) * (x.abs() < 1.0) * 0.3
    lines = torch.maximum(torch.maximum(lash, crease), rim)
    return colour * (1 - lines)[:, None], eye


def _worn(colour: Tensor, surface: Surface, photos: Photos, local: Tensor, brim: slice) -> Tensor:
    """Hat, face mask and clothes."""
    x, y = local[:, X], local[:, Y]
    on_brim = (surface.point >= brim.start) & (surface.point < brim.stop)
    edge = -0.2 - 0.03 * x**2 + 0.6 * torch.exp(-((x / 1.2) ** 2))
    places = {
        "clothes": (y < -13.2 - 0.12 * x.abs()),
        "hat": ((y > 7.2) & (y < 50)) | on_brim,
        "mask": (y < edge) & (y > -9.6),
    }
    worn = {"clothes": torch.ones(len(photos)), "hat": photos.hat, "mask": photos.mask}
    colours = {"clothes": photos.clothes, "hat": photos.hat_colour, "mask": photos.mask_colour}
    for name, place in places.items():
        rows = (place & (worn[name].index_select(0, surface.image) > 0)).nonzero()[:, 0]
        colour[rows] = colours[name].index_select(0, surface.image[rows])
    return colour


def _lit(colour: Tensor, gloss: Tensor, surface: Surface, scene: Scene) -> Tensor:
    photos, normal, matrix = scene.photos, surface.normal, scene.matrix
    key, fill = F.normalize(photos.key, dim=1), F.normalize(photos.fill, dim=1)
    half = F.normalize(key + torch.tensor([0.0, 0.0, 1.0]), dim=1)

    def on_head(direction: Tensor) -> Tensor:
        return (direction[:, :, None] * matrix).sum(1)  # camera to head coordinates

    rows = Rows(
        surface.image,
        key=on_head(key),
        fill=on_head(fill),
        half=on_head(half),
        up=matrix[:, 1],
        key_colour=photos.key_colour,
        fill_colour=photos.fill_colour,
        ambient=photos.ambient,
        gloss=photos.gloss,
    )

    def facing(name: str) -> Tensor:
        return (normal * rows[name]).sum(1)

    diffuse = ((facing("key") + 0.15) / 1.15).clamp(min=0)
    second = facing("fill").clamp(min=0)
    shine = facing("half").clamp(min=0) ** 2
    shine = (shine * shine) ** 2 * (shine * shine) ** 2 * (0.5 * (shine * shine) ** 2 + 0.5)
    sky = 0.75 + 0.25 * facing("up")
    light = sky[:, None] * rows["ambient"]
    light = light.addcmul(diffuse[:, None], rows["key_colour"])
    light = light.addcmul(second[:, None], rows["fill_colour"])
    return torch.addcmul((shine * gloss)[:, None] * rows["gloss"], colour, light)
