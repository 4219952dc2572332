"""Materials and light of the pixels that show something.

    colour * (ambient sky(n) + key wrap_c(n.l) + fill max(0, n.l2)) + gloss (n.h)^16

Light creeps around the edge of a shadow, red light furthest, as it does in skin: wrap_c differs by
channel. Shapes: f visible pixels of some pictures.
Directions are in camera coordinates. Colours are RGB, 1 is white.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.synthetic import eyes, skin
from pipeline.synthetic.hair import step, strand
from pipeline.synthetic.raster import Fragments
from pipeline.synthetic.rows import Rows
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.skin import Place
from pipeline.synthetic.surfaces import AZIMUTH, BEARD, FLUSH, FRONT, SHADOW, WRINKLE, Layout, X, Y

Tables = dict[str, Tensor]
SKIN_WRAP, HAIR_WRAP = (0.42, 0.30, 0.25), (0.30, 0.30, 0.30)
BEHIND_MASK = -9.6  # template y, cm: a face mask ends under the chin


def shade(seen: Fragments, image: Int[Tensor, "f"], tables: Tables, layout: Layout) -> Float[Tensor, "f 3"]:
    """The light that reaches the camera from every visible pixel."""
    everything, lit = Rows(tables, image), torch.zeros(len(seen.pixel), 3)
    material = layout.materials.index_select(0, seen.quad)
    for index, (name, (paint, wrap)) in enumerate(_MATERIALS.items()):
        rows = (material == index).nonzero()[:, 0]
        if len(rows):
            columns = layout.look_up(
                name, *(part.index_select(0, rows) for part in (seen.quad, seen.s, seen.t))
            )
            of = everything.at(rows)
            noise = skin.noise_at(columns[Y], columns[AZIMUTH], of)
            where = Place(
                of=of,
                x=columns[X],
                y=columns[Y],
                azimuth=columns[AZIMUTH],
                front=columns[FRONT],
                beard=columns[BEARD],
                flush=columns[FLUSH],
                wrinkle=columns[WRINKLE],
                noise=noise,
            )
            colour, gloss = paint(where, columns[SHADOW])
            lit[rows] = light(colour, gloss, torch.tensor(wrap), seen.normal.index_select(1, rows), of)
    return lit


def _head(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    of, facing = place.of, place.front > 0.4
    colour = skin.bare(place)
    gloss = 0.45 + 0.25 * place.flush
    mouth = ((place.x.abs() < 2.7) & (place.y < -3.1) & (place.y > -5.5) & facing).nonzero()[:, 0]
    colour[mouth], wet = skin.lips(place.at(mouth), colour[mouth])
    gloss[mouth] += 0.5 * wet
    colour = colour * shadow.clamp(0.25, 1)[:, None]
    rows = ((place.y > 3.2) & (place.y < 5.6) & (place.front > 0.2)).nonzero()[:, 0]
    brow = skin.brows(place.at(rows))[:, None]
    colour[rows] += (of.at(rows).brow_colour - colour[rows]) * brow
    rows = ((place.beard > 0.02) & (of.stubble > 0)).nonzero()[:, 0]
    grown = skin.beard(place.at(rows))
    colour[rows] += (of.at(rows).greyed * 0.8 - colour[rows]) * grown[:, None]
    gloss[rows] *= 1 - 0.7 * grown
    rows = eyes.near(place)
    colour[rows], ball = eyes.paint(place.at(rows), colour[rows])
    gloss[rows] += 0.7 * ball
    return _covered(place, *_grown(place, colour, gloss))


def _grown(place: Place, colour: Tensor, gloss: Tensor) -> tuple[Tensor, Tensor]:
    """Scalp hair, and the shade that hair throws on the skin below its edge."""
    below = place.of.looked_up("edge", strand(place.azimuth)) - place.y
    shell = place.of.shell
    rows = ((below > -0.4) & (below < 1.1) & (shell > 0)).nonzero()[:, 0]
    colour[rows] *= 1 - 0.32 * step(-below[rows], -1.1, 0.1)[:, None]
    rows = ((below < 1.5) & (place.y > -9)).nonzero()[:, 0]
    there = place.at(rows)
    cover = skin.scalp(there) * (0.72 + 0.18 * shell[rows])
    colour[rows] += (there.of.greyed * skin.strands(there)[:, None] - colour[rows]) * cover[:, None]
    gloss[rows] *= 1 - 0.7 * cover
    return colour, gloss


def _covered(place: Place, colour: Tensor, gloss: Tensor) -> tuple[Tensor, Tensor]:
    """Clothes and face mask."""
    low = (place.y < -10.5).nonzero()[:, 0]
    there = place.at(low)
    neck, collar, stripes, width = there.of.cut.unbind(1)
    line = -13.9 + 1.1 * (1 - torch.cos(there.azimuth)) + 0.5 * collar
    line = line - 3.2 * (1 - there.azimuth.abs() / 0.75).clamp(min=0) * (neck < 0.35)  # a V
    striped = 0.75 + 0.35 * torch.sin(there.y * (2 + 4 * width)).sign()
    cloth = there.of.clothes * torch.where(stripes > 0.75, striped, 1.0)[:, None]
    hem = ((line - there.y) < 0.9) & (collar > 0.5)
    cloth = torch.where(hem[:, None], 0.92 - 0.6 * cloth * (collar > 0.8)[:, None], cloth)
    cloth = cloth * (0.95 + 0.05 * there.noise[skin.FINE])[:, None]
    worn = there.y < line
    colour[low] = torch.where(worn[:, None], cloth, colour[low])
    gloss[low] *= ~worn
    if place.of.any("mask"):
        rows = ((place.of.mask > 0) & masked(place.x, place.y)).nonzero()[:, 0]
        y = place.y[rows]
        folds = 1 - 0.1 * torch.exp(-(((y + 3.6) / 0.12) ** 2)) - 0.1 * torch.exp(-(((y + 5.0) / 0.12) ** 2))
        colour[rows] = place.of.at(rows).mask_colour * folds[:, None]
        gloss[rows] = 0.05
    return colour, gloss


def masked(x: Tensor, y: Tensor) -> Tensor:
    """Where a face mask lies on the template."""
    return (y < -0.2 - 0.03 * x**2 + 0.6 * torch.exp(-((x / 1.2) ** 2))) & (y > BEHIND_MASK)


def _ears(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    tint = torch.tensor([0.86, 0.74, 0.72])
    return place.of.skin * tint * shadow.clamp(0.3, 1)[:, None], torch.full_like(shadow, 0.3)


def _hair(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    of, strands = place.of, skin.strands(place)
    white = (of.grey * (0.75 + 0.5 * (strands - 0.8))).clamp(0, 1)[:, None]
    colour = of.hair_colour + (skin.GREY - of.hair_colour) * white
    above = place.y - of.looked_up("edge", strand(place.azimuth))
    deep = 0.72 + 0.28 * step(above, -0.5, 2.5)
    return colour * (strands * deep)[:, None], 0.55 * strands * (1 - 0.6 * of.curl)


def _hat(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    knitted = 0.88 + 0.12 * torch.sin(place.azimuth * 60) * (1 - step(place.y, 10, 12.5))
    cloth = torch.where(place.of.brim > 0, 1.0, knitted)
    return place.of.hat_colour * cloth[:, None], torch.full_like(shadow, 0.05)


def _brim(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    return place.of.hat_colour * 0.9, torch.full_like(shadow, 0.05)


def _frames(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    bright = place.of.frame[:, :1] ** 2 * 0.35 + 0.03
    return bright * torch.tensor([1.0, 0.85, 0.7]), torch.ones_like(shadow)


def _lenses(place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tensor([[0.045, 0.05, 0.06]]).expand(len(shadow), 3), torch.full_like(shadow, 1.6)


_MATERIALS = {
    "head": (_head, SKIN_WRAP),
    "ears": (_ears, SKIN_WRAP),
    "hair": (_hair, HAIR_WRAP),
    "hat": (_hat, HAIR_WRAP),
    "brim": (_brim, HAIR_WRAP),
    "frames": (_frames, HAIR_WRAP),
    "lenses": (_lenses, HAIR_WRAP),
}  # in the order of `surfaces.MATERIALS`


def light(
    colour: Float[Tensor, "f 3"],
    gloss: Float[Tensor, "f"],
    wrap: Float[Tensor, "3"],
    normal: Float[Tensor, "3 f"],
    of: Rows,
) -> Float[Tensor, "f 3"]:
    """What the lights of every photograph make of a surface."""
    x, y, z = normal

    def facing(direction: Tensor) -> Tensor:
        a, b, c = direction.unbind(1)
        return (x * a).add_(y * b).add_(z * c)

    diffuse = (facing(of.to_key)[:, None] + wrap).div_(1 + wrap).clamp_(min=0)
    second = (facing(of.to_fill)[:, None] * 0.85 + 0.15).clamp_(min=0)
    shine = facing(of.to_half).clamp_(min=0).square_()
    shine = shine.square_().square_()  # to the 8th
    shine = shine * shine * (0.35 + 0.65 * shine)
    sky = y[:, None] * 0.22 + 0.78
    total = sky * of.ambient + diffuse * of.key_colour + second * of.fill_colour
    return colour * total + (shine * gloss * of.gloss)[:, None]


def light_tables(photos: Photos) -> dict[str, Tensor]:
    """Directions to the lights (b, 3), and halfway between the main light and the camera."""
    key = F.normalize(photos.key, dim=1)
    half = F.normalize(key + torch.tensor([0.0, 0.0, 1.0]), dim=1)
    return {"to_key": key, "to_fill": F.normalize(photos.fill, dim=1), "to_half": half}
