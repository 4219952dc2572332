"""Hair of one photograph: where it ends, and the shell of the head that it fills.

The shell is every second row and column of the head, moved outwards; from the ears down it hangs
instead of following the neck. What lies below the style's edge, strand by strand, is not drawn.
Shapes: k texels or samples, h vertices of the shell (rows x columns), a azimuths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic.rows import Row
from pipeline.synthetic.styles import AROUND, CROP, STYLES, Style
from pipeline.synthetic.template import AXIS

STRANDS = 640  # around the head
BALD = (12.9, 12.9, 12.9, 12.6, 11.5, 8.0, 3.4, 2.6, 4.2, 2.0, -3.2, -5.0)
THINNING = (28.0, 55.0)  # years in which bald men lose their hair
NO_CAP = 99.0
ZERO, ONE, TWO, THREE = (np.float32(number) for number in range(4))
TAPER, DENSE = np.float32(-0.2), np.float32(1 / 2.6)  # cm above the edge where hair begins, whole 2.6 above
THIN = np.float32(1 / 3)  # likewise below the top that is bald
LEAST, BARE, GROWN = np.float32(0.12), np.float32(0.2), np.float32(0.8)
PRESSED = np.float32(0.35)  # under a hat
BALDNESS = np.float32(NO_CAP)
HIGH, FRONT, FACING, LUMPS, HOLLOWS, WAVES, FALLING, HANGS = range(8)  # rows of a shell's patterns

Size = tuple[np.float32, ...]  # of `_size`


def step(value: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """0 before `start`, 1 after `end`, a cubic between."""
    t = ((value - start) * (1 / (end - start))).clamp_(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Hair:
    """What one photograph shows. Edges are template heights (cm) at STRANDS azimuths from -pi to pi."""

    style: Style
    scalp: Float[np.ndarray, " a"]  # where hair grows
    edge: Float[np.ndarray, " a"]  # where it ends, smooth
    tips: Float[np.ndarray, " a"]  # where it ends, strand by strand
    bald_above: float  # height of the top that has lost its hair
    top: float  # thickness, cm
    sides: float
    front: float
    curl: float
    shell: bool


def tables(hairs: Sequence[Hair]) -> dict[str, Tensor]:
    """What formulas of pixels read of the hair of every image, a row each."""
    lines = {name: np.stack([getattr(hair, name) for hair in hairs]) for name in ("scalp", "edge")}
    found = {name: torch.from_numpy(line) for name, line in lines.items()}
    numbers = [[hair.bald_above, hair.curl, float(hair.shell)] for hair in hairs]
    columns = torch.tensor(numbers).unbind(1)
    return found | dict(zip(("bald_above", "worn_curl", "shell"), columns, strict=True))


def strand(azimuth: Float[np.ndarray, "*any"]) -> Int[np.ndarray, "*any"]:
    """The index of the strand at `azimuth`."""
    found = ((azimuth + math.pi) * (STRANDS / (2 * math.pi))).astype(np.int64)
    return np.asarray(found.clip(0, STRANDS - 1))


def azimuths() -> Float[Tensor, "a"]:
    """Of the strands' middles."""
    return (torch.arange(STRANDS) + 0.5) * (2 * math.pi / STRANDS) - math.pi


def worn(people: Row, photos: Row, styles: int) -> Hair:
    """The hair of one person in one photograph who has `styles` of them."""
    choice = min(int(float(photos["style"]) * styles), styles - 1)
    style = STYLES[people["styles"][choice]]
    day, curl, line = photos["hair"].tolist(), float(people["curl"]), people["hairline"].tolist()
    thinned = (float(photos["age"]) - THINNING[0]) / (THINNING[1] - THINNING[0])
    lost = float(people["bald"]) * min(max(thinned, 0), 1)
    bald = lost > 0.25
    if bald:
        style = STYLES[1]
    scalp = _hairline(bald, line, float(people["male"]))
    edge = scalp if style.edge == CROP else _edge(style, day, scalp)
    ragged = (
        (0.22 + 0.05 * abs(day[3])) * (0.6 if style.curly else 1.0) * (1 + np.clip((3 - edge) / 6, 0, 1.5))
    )
    seed = int(abs(day[4]) * 1e6)
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(STRANDS)
    around = np.concatenate([noise[-4:], noise, noise[:4]])
    wide = np.convolve(around, np.full(9, 1 / 5), "valid")
    flat = 1 / (1 + np.abs(_slope(edge)) * 4)  # where the edge is steep, strands would hang alone
    volume = math.exp(0.22 * day[1])
    tips = edge + ragged * flat * (0.4 * noise + wide)
    return Hair(
        style,
        scalp=_line(scalp),
        edge=_line(edge),
        tips=_line(tips),
        bald_above=9.6 + 2.5 * (1 - lost) if bald else NO_CAP,
        top=style.top * volume * (0.5 if bald else 1),
        sides=style.sides * volume * (0.6 if bald else 1),
        front=style.front * volume,
        curl=curl if style.curly else 0.35 * curl,
        shell=style.shell,
    )


def _slope(edge: Array) -> Array:
    """As numpy's gradient, which takes ten times as long for so few."""
    ends = edge[1:2] - edge[:1], edge[-1:] - edge[-2:-1]
    return np.concatenate([ends[0], (edge[2:] - edge[:-2]) / 2, ends[1]])


class Waves(NamedTuple):
    """What hairlines are made of, at every strand: knots of hair and of baldness, waves along the front."""

    turn: Array  # radians
    crop: Array
    bald: Array
    front: Array
    cosine: Array
    sine: Array
    temples: Array
    burns: Array


@lru_cache(maxsize=1)
def _waves() -> Waves:
    turn = np.linspace(-math.pi, math.pi, STRANDS, endpoint=False)
    away = np.abs(turn)
    return Waves(
        turn,
        np.interp(away, AROUND, CROP),
        np.interp(away, AROUND, BALD),
        np.exp(-((away / 1.0) ** 4)),
        np.cos(turn * 4.5),
        np.sin(turn * 2),
        np.exp(-(((away - 0.72) / 0.2) ** 2)),
        np.exp(-(((away - 1.34) / 0.13) ** 2)),
    )


def _hairline(bald: bool, line: list[float], male: float) -> Array:
    """The person's own: its height, a widow's peak, receding temples, sideburns."""
    height, waves, skew, temple, _, burns = line
    at = _waves()
    lift = 0.35 * height + 0.22 * waves * at.cosine + 0.12 * skew * at.sine
    base = (at.bald if bald else at.crop) + at.front * lift
    base = base + (0.3 + 0.3 * male) * (1 + 0.6 * temple) * at.temples
    return np.asarray(base - at.burns * male * max(0.4 + 0.9 * burns, 0))


def _edge(style: Style, day: list[float], scalp: Array) -> Array:
    parting, turn = np.clip(day[2], -1.5, 1.5) * style.parted, _waves().turn
    away = np.abs(turn - parting * np.clip(1 - np.abs(turn) / 1.15, 0, 1))
    base = np.interp(away, AROUND, style.edge)
    grown = base + 1.3 * np.clip(day[0], -1.5, 1.5) * np.clip((5 - base) / 8, 0, 1)
    # Hair that is parted falls from the hairline, wherever that is.
    return np.asarray(np.where(base > 8, np.minimum(scalp, grown + 0.4), grown))


@dataclass(frozen=True)
class Shell:
    """The vertices of the shell on the head: fixed tables (h)."""

    shape: tuple[int, int]
    base: Int[np.ndarray, " h"]  # index of the head's vertex
    y: Float[Tensor, "h"]
    azimuth: Float[Tensor, "h"]
    outwards: Float[np.ndarray, "3 h"]
    strand: Int[np.ndarray, " h"]
    patterns: Float[np.ndarray, "8 h"]

    def fill(self, head: Float[np.ndarray, "3 n"], hair: Hair, photos: Row) -> Float[np.ndarray, "3 h"]:
        """The shell around a shaped head (its vertices), in the same coordinates."""
        phase = float(photos["hair"][5])
        above = self.y.numpy() - hair.edge[self.strand]
        thick = _thickness(self.y.numpy(), above, self.patterns, _size(hair, phase), hair.style.long)
        if photos["hat"] > 0:
            thick *= PRESSED
        points = head[:, self.base] + self.outwards * thick
        return self._hang(points, hair, phase) if hair.style.long else points

    def _hang(self, points: Array, hair: Hair, phase: float) -> Array:
        """Below its widest place hair falls straight, in waves if it is curly."""
        x, z = points[0], points[2] - AXIS
        around = np.sqrt(x * x + z * z)
        fall = np.maximum.accumulate(around.reshape(self.shape), 0).reshape(-1) * self.patterns[FALLING]
        wave = torch.sin(self.y * 1.6 + self.azimuth * 5 + phase).numpy()
        fall = fall + (0.25 * hair.curl) * wave
        stretch = np.maximum(fall / around - 1, np.float32(-0.3)) * self.patterns[HANGS] + 1
        return np.stack([x * stretch, points[1], z * stretch + AXIS])


def _size(hair: Hair, phase: float) -> Size:
    """Centimetres more on top than at the sides, at the sides, in front; what does not taper and what does;
    the height of the bald top; curls, their phase, waves."""
    sizes = (hair.top - hair.sides, hair.sides, hair.front, hair.style.body, 1 - hair.style.body)
    rough = (0.08 + 0.22 * hair.curl, math.cos(phase), math.sin(phase), 0.06 * (1 - hair.curl))
    return tuple(np.float32(number) for number in (*sizes, hair.bald_above, *rough))


@compiled
def _thickness(y: Array, above: Array, known: Array, size: Size, long: bool) -> Array:
    """Centimetres at vertices so far above the edge: more on top, less towards it, in curls or waves."""
    higher, sides, front, body, tapered, bald_above, curls, cosine, sine, waves = size
    found = np.empty_like(y)
    for index in range(len(y)):
        thick = known[HIGH, index] * higher + sides + known[FRONT, index] * front
        taper = _step(above[index], TAPER, DENSE) * tapered + body
        if long:  # it thins out towards the face alone
            taper = (taper - ONE) * known[FACING, index] + ONE
        thick = thick * taper + LEAST
        if bald_above < BALDNESS:
            thick = thick * (BARE + GROWN * _step(bald_above - y[index], ZERO, THIN))
        rough = curls * (known[LUMPS, index] * cosine + known[HOLLOWS, index] * sine)
        found[index] = thick * (rough + known[WAVES, index] * waves + ONE)
    return found


@compiled
def _step(value: np.float32, start: np.float32, rate: np.float32) -> np.float32:
    """`step` of one number; the rate is one by the way from 0 to 1."""
    t = min(max((value - start) * rate, ZERO), ONE)
    return t * t * (THREE - TWO * t)


def patterns(y: Float[Tensor, "h"], azimuth: Float[Tensor, "h"]) -> Float[np.ndarray, "8 h"]:
    """What never changes at vertices of these template heights and azimuths."""
    away = azimuth.abs()
    beat = torch.sin(y * 1.7 + azimuth * 4)
    tables = (
        step(y, 3.0, 10.0),
        step(y, 6.5, 9.5) * (1 - step(away, 0.5, 1.4)),
        1 - step(away, 1.15, 1.5),
        torch.sin(azimuth * 9 + y * 0.9) * beat,
        torch.cos(azimuth * 9 + y * 0.9) * beat,
        torch.sin(azimuth * 23),
        1 - 0.012 * (-y - 1).clamp(min=0),
        step(away, 0.95, 1.2) * step(-y, -3.0, 0.0),
    )
    return torch.stack(tables).numpy()


def _line(values: Array) -> Array:
    return np.asarray(values, np.float32)
