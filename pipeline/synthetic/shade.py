"""Materials and light of the pixels that show something.

    colour * (ambient sky(n) + key wrap_c(n.l) + fill max(0, n.l2)) + gloss (n.h)^16

Light creeps around the edge of a shadow, red light furthest, as it does in skin: wrap_c differs by
channel. Shapes: f visible pixels of one picture; a person and a photograph are tables of one row.
Directions are in camera coordinates. Colours are RGB, 1 is white.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic import eyes, skin
from pipeline.synthetic.hair import step, strand
from pipeline.synthetic.raster import Fragments
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.skin import Look, Place
from pipeline.synthetic.surfaces import AZIMUTH, BEARD, FLUSH, FRONT, SHADOW, WRINKLE, Layout, X, Y

SKIN_WRAP, HAIR_WRAP = (0.42, 0.30, 0.25), (0.30, 0.30, 0.30)
BEHIND_MASK = -9.6  # template y, cm: a face mask ends under the chin


def shade(seen: Fragments, look: Look, layout: Layout) -> Float[Tensor, "f 3"]:
    """The light that reaches the camera from every visible pixel."""
    count = len(seen.pixel)
    colour, gloss = torch.zeros(count, 3), torch.zeros(count)
    wrap = torch.tensor(HAIR_WRAP).repeat(count, 1)
    shift = skin.shift_of(look.people)
    for name, paint in _PAINTERS.items():
        first, last = layout.quads[_FIRST[name]].start, layout.quads[_LAST[name]].stop
        rows = ((seen.quad >= first) & (seen.quad < last)).nonzero()[:, 0]
        if len(rows):
            texels = layout.look_up(name, seen.quad[rows], seen.s[rows], seen.t[rows])
            noise = skin.noise_at(texels[:, Y], texels[:, AZIMUTH], shift)
            columns = [texels[:, column] for column in (X, Y, AZIMUTH, FRONT, BEARD, FLUSH, WRINKLE)]
            found, shine = paint(look, Place(*columns, noise), texels[:, SHADOW])
            colour[rows], gloss[rows] = found, shine
            if name in ("head", "ears"):
                wrap[rows] = torch.tensor(SKIN_WRAP)
    return light(colour, gloss, wrap, seen.normal, look.photos)


def _head(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    colour = skin.bare(look, place)
    gloss = 0.45 + 0.25 * place.flush
    mouth = ((place.x.abs() < 2.7) & (place.y < -3.1) & (place.y > -5.5) & (place.front > 0.4)).nonzero()[:, 0]
    colour[mouth], wet = skin.lips(look, place.at(mouth), colour[mouth])
    gloss[mouth] += 0.5 * wet
    colour = colour * shadow.clamp(0.25, 1)[:, None]
    hair = look.hair_colour + (skin.GREY - look.hair_colour) * look.grey
    rows = ((place.y > 3.2) & (place.y < 5.6) & (place.front > 0.2)).nonzero()[:, 0]
    brow = skin.brows(look, place.at(rows))[:, None]
    dark = look.hair_colour * 0.62 + (0.5 - look.hair_colour * 0.62) * (0.6 * look.grey)
    colour[rows] += (dark - colour[rows]) * brow
    rows = (place.beard > 0.02).nonzero()[:, 0]
    grown = skin.beard(look, place.at(rows))
    colour[rows] += (hair * 0.8 - colour[rows]) * grown[:, None]
    gloss[rows] *= 1 - 0.7 * grown
    rows = eyes.near(place)
    side = float(look.photos.key[0, 0].clamp(-1, 1))
    colour[rows], ball = eyes.paint(look, place.at(rows), colour[rows], side)
    gloss[rows] += 0.7 * ball
    return _covered(look, place, *_grown(look, place, colour, gloss, hair))


def _grown(look: Look, place: Place, colour: Tensor, gloss: Tensor, hair: Tensor) -> tuple[Tensor, Tensor]:
    """Scalp hair, and the shade that hair throws on the skin below its edge."""
    below = look.hair.edge[strand(place.azimuth)] - place.y
    if look.hair.shell:
        colour = colour * (1 - 0.32 * step(-below, -1.1, 0.1) * (below > -0.4))[:, None]
    rows = ((below < 1.5) & (place.y > -9)).nonzero()[:, 0]
    there = place.at(rows)
    cover = skin.scalp(look, there) * (0.72 if not look.hair.shell else 0.9)
    strands = skin.strands(there, look.hair)[:, None]
    colour[rows] += (hair * strands - colour[rows]) * cover[:, None]
    gloss[rows] *= 1 - 0.7 * cover
    return colour, gloss


def _covered(look: Look, place: Place, colour: Tensor, gloss: Tensor) -> tuple[Tensor, Tensor]:
    """Clothes and face mask."""
    photos = look.photos
    neck, collar, stripes, width = photos.cut[0].tolist()
    turn = place.azimuth
    line = -13.9 + 1.1 * (1 - torch.cos(turn)) + 0.5 * collar
    if neck < 0.35:
        line = line - 3.2 * (1 - turn.abs() / 0.75).clamp(min=0)  # a V
    rows = (place.y < line).nonzero()[:, 0]
    if len(rows):
        cloth = photos.clothes.repeat(len(rows), 1)
        y = place.y[rows]
        if stripes > 0.75:
            cloth = cloth * (0.75 + 0.35 * torch.sin(y * (2 + 4 * width)).sign())[:, None]
        hem = ((line[rows] - y) < 0.9) & (collar > 0.5)
        cloth = torch.where(hem[:, None], 0.92 - 0.6 * cloth * (collar > 0.8), cloth)
        colour[rows] = cloth * (0.95 + 0.05 * place.noise[rows, skin.FINE])[:, None]
        gloss[rows] = 0.0
    if photos.mask > 0:
        rows = masked(place.x, place.y).nonzero()[:, 0]
        folds = 1 - 0.10 * torch.exp(-(((place.y[rows] + 3.6) / 0.12) ** 2)) - 0.10 * torch.exp(-(((place.y[rows] + 5.0) / 0.12) ** 2))
        colour[rows] = photos.mask_colour * folds[:, None]
        gloss[rows] = 0.05
    return colour, gloss


def masked(x: Tensor, y: Tensor) -> Tensor:
    """Where a face mask lies on the template."""
    return (y < -0.2 - 0.03 * x**2 + 0.6 * torch.exp(-((x / 1.2) ** 2))) & (y > BEHIND_MASK)


def _ears(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    base = skin.skin_colour(look.people)
    return base * torch.tensor([0.86, 0.74, 0.72]) * shadow.clamp(0.3, 1)[:, None], torch.full_like(shadow, 0.3)


def _hair(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    strands = skin.strands(place, look.hair)
    white = (look.grey * (0.75 + 0.5 * (strands - 0.8))).clamp(0, 1)[:, None]
    colour = look.hair_colour + (skin.GREY - look.hair_colour) * white
    above = place.y - look.hair.edge[strand(place.azimuth)]
    deep = 0.72 + 0.28 * step(above, -0.5, 2.5)
    return colour * (strands * deep)[:, None], 0.55 * strands * (1 - 0.6 * look.hair.curl)


def _hat(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    knit = 1.0 + 0.0 * shadow
    if look.photos.brim == 0:
        knit = 0.88 + 0.12 * torch.sin(place.azimuth * 60) * (1 - step(place.y, 10, 12.5))
    return look.photos.hat_colour * knit[:, None], torch.full_like(shadow, 0.05)


def _brim(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    return (look.photos.hat_colour * 0.9).repeat(len(shadow), 1), torch.full_like(shadow, 0.05)


def _frames(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    colour = look.photos.frame[:, :1] ** 2 * 0.35 + 0.03
    return (colour * torch.tensor([1.0, 0.85, 0.7])).repeat(len(shadow), 1), torch.ones_like(shadow)


def _lenses(look: Look, place: Place, shadow: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tensor([[0.045, 0.05, 0.06]]).repeat(len(shadow), 1), 1.6 * torch.ones_like(shadow)


_PAINTERS = {"head": _head, "ears": _ears, "hair": _hair, "hat": _hat, "brim": _brim} | {
    "frames": _frames,
    "lenses": _lenses,
}
_FIRST = {"head": "head", "ears": "left_ear", "hair": "hair", "hat": "hat", "brim": "brim"} | {
    "frames": "left_ring",
    "lenses": "left_lens",
}
_LAST = {"head": "head", "ears": "right_ear", "hair": "hair", "hat": "hat", "brim": "brim"} | {
    "frames": "right_temple",
    "lenses": "right_lens",
}


def light(
    colour: Float[Tensor, "f 3"],
    gloss: Float[Tensor, "f"],
    wrap: Float[Tensor, "f 3"],
    normal: Float[Tensor, "f 3"],
    photos: Photos,
) -> Float[Tensor, "f 3"]:
    """What the lights of a photograph (a row) make of a surface."""
    key, fill = F.normalize(photos.key, dim=1), F.normalize(photos.fill, dim=1)
    half = F.normalize(key + torch.tensor([0.0, 0.0, 1.0]), dim=1)
    x, y, z = normal.unbind(1)

    def facing(direction: Tensor) -> Tensor:
        a, b, c = direction[0].tolist()
        return x * a + y * b + z * c

    diffuse = ((facing(key)[:, None] + wrap) / (1 + wrap)).clamp(min=0)
    second = (facing(fill) * 0.85 + 0.15).clamp(min=0)
    shine = facing(half).clamp(min=0) ** 2
    shine = (shine * shine) ** 2
    shine = shine * shine * (0.35 + 0.65 * shine * shine)
    sky = (0.78 + 0.22 * y)[:, None]
    total = sky * photos.ambient + diffuse * photos.key_colour + second[:, None] * photos.fill_colour
    return colour * total + (shine * gloss)[:, None] * photos.gloss[:, None]


