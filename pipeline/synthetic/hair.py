"""Hair of one photograph: where it ends, and the shell of the head that it fills.

The shell is every second row and column of the head, moved outwards; from the ears down it hangs
instead of following the neck. What lies below the style's edge, strand by strand, is not drawn.
Shapes: k texels or samples, h vertices of the shell (rows x columns), a azimuths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.rows import Row
from pipeline.synthetic.styles import AROUND, CROP, STYLES, Style
from pipeline.synthetic.template import AXIS

STRANDS = 640  # around the head
BALD = (12.9, 12.9, 12.9, 12.6, 11.5, 8.0, 3.4, 2.6, 4.2, 2.0, -3.2, -5.0)
THINNING = (28.0, 55.0)  # years in which bald men lose their hair
NO_CAP = 99.0


def step(value: Tensor, start: float | Tensor, end: float | Tensor) -> Tensor:
    """0 before `start`, 1 after `end`, a cubic between."""
    t = ((value - start) * (1 / (end - start))).clamp_(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Hair:
    """What one photograph shows. Edges are template heights (cm) at STRANDS azimuths from -pi to pi."""

    style: Style
    scalp: Float[Tensor, "a"]  # where hair grows
    edge: Float[Tensor, "a"]  # where it ends, smooth
    tips: Float[Tensor, "a"]  # where it ends, strand by strand
    bald_above: float  # height of the top that has lost its hair
    top: float  # thickness, cm
    sides: float
    front: float
    curl: float
    shell: bool


def tables(hairs: Sequence[Hair]) -> dict[str, Tensor]:
    """What formulas of pixels read of the hair of every image, a row each."""
    found = {name: torch.stack([getattr(hair, name) for hair in hairs]) for name in ("scalp", "edge")}
    numbers = [[hair.bald_above, hair.curl, float(hair.shell)] for hair in hairs]
    columns = torch.tensor(numbers).unbind(1)
    return found | dict(zip(("bald_above", "worn_curl", "shell"), columns, strict=True))


def strand(azimuth: Tensor) -> Tensor:
    """The index of the strand at `azimuth`."""
    return ((azimuth + math.pi) * (STRANDS / (2 * math.pi))).long().clamp_(0, STRANDS - 1)


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
    turn = np.linspace(-math.pi, math.pi, STRANDS, endpoint=False)
    scalp = _hairline(turn, BALD if bald else CROP, line, float(people["male"]))
    edge = scalp if style.edge == CROP else _edge(turn, style, day, scalp)
    ragged = (
        (0.22 + 0.05 * abs(day[3])) * (0.6 if style.curly else 1.0) * (1 + np.clip((3 - edge) / 6, 0, 1.5))
    )
    seed = int(abs(day[4]) * 1e6)
    noise = np.random.Generator(np.random.PCG64(seed)).standard_normal(STRANDS)
    wide = np.convolve(np.tile(noise, 3), np.full(9, 1 / 5), "same")[STRANDS : 2 * STRANDS]
    flat = 1 / (1 + np.abs(np.gradient(edge)) * 4)  # where the edge is steep, strands would hang alone
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


def _hairline(turn: np.ndarray, knots: tuple[float, ...], line: list[float], male: float) -> np.ndarray:
    """The person's own: its height, a widow's peak, receding temples, sideburns."""
    away = np.abs(turn)
    height, waves, skew, temple, _, burns = line
    base = np.interp(away, AROUND, knots)
    front = np.exp(-((away / 1.0) ** 4))
    base = base + front * (0.35 * height + 0.22 * waves * np.cos(turn * 4.5) + 0.12 * skew * np.sin(turn * 2))
    base = base + (0.3 + 0.3 * male) * (1 + 0.6 * temple) * np.exp(-(((away - 0.72) / 0.2) ** 2))
    beside = np.exp(-(((away - 1.34) / 0.13) ** 2))
    return np.asarray(base - beside * male * max(0.4 + 0.9 * burns, 0))


def _edge(turn: np.ndarray, style: Style, day: list[float], scalp: np.ndarray) -> np.ndarray:
    parting = np.clip(day[2], -1.5, 1.5) * style.parted
    away = np.abs(turn - parting * np.clip(1 - np.abs(turn) / 1.15, 0, 1))
    base = np.interp(away, AROUND, style.edge)
    grown = base + 1.3 * np.clip(day[0], -1.5, 1.5) * np.clip((5 - base) / 8, 0, 1)
    # Hair that is parted falls from the hairline, wherever that is.
    return np.asarray(np.where(base > 8, np.minimum(scalp, grown + 0.4), grown))


@dataclass(frozen=True)
class Shell:
    """The vertices of the shell on the head: fixed tables (h)."""

    shape: tuple[int, int]
    base: Tensor  # index of the head's vertex
    y: Tensor
    azimuth: Tensor
    outwards: Float[Tensor, "3 h"]
    patterns: dict[str, Tensor]  # by name, see `patterns`

    def fill(self, head: Float[Tensor, "3 n"], hair: Hair, photos: Row) -> Float[Tensor, "3 h"]:
        """The shell around a shaped head (its vertices), in the same coordinates."""
        thick, known = self._thickness(hair), self.patterns
        phase = float(photos["hair"][5])
        rough = (0.08 + 0.22 * hair.curl) * (
            known["lumps"] * math.cos(phase) + known["hollows"] * math.sin(phase)
        )
        rough = rough + known["waves"] * (0.06 * (1 - hair.curl)) + 1
        thick = thick * rough * (0.35 if photos["hat"] > 0 else 1.0)
        points = head.index_select(1, self.base).add_(self.outwards * thick)
        return self._hang(points, hair, phase) if hair.style.long else points

    def _thickness(self, hair: Hair) -> Tensor:
        known, body = self.patterns, hair.style.body
        total = known["high"] * (hair.top - hair.sides) + hair.sides
        if hair.front:
            total += known["front"] * hair.front
        above = self.y - hair.edge.index_select(0, known["strand"])
        taper = step(above, -0.2, 2.4).mul_(1 - body).add_(body)
        if hair.style.long:
            taper = (taper - 1) * known["facing"] + 1
        total = total * taper + 0.12
        if hair.bald_above < NO_CAP:
            total = total * (0.2 + 0.8 * step(hair.bald_above - self.y, 0.0, 3.0))
        return total

    def _hang(self, points: Tensor, hair: Hair, phase: float) -> Tensor:
        """Below its widest place hair falls straight, in waves if it is curly."""
        x, z = points[0], points[2] - AXIS
        around = torch.sqrt(x * x + z * z)
        fall = around.view(self.shape).cummax(0).values.view(-1) * self.patterns["falling"]
        fall = fall + (0.25 * hair.curl) * torch.sin(self.y * 1.6 + self.azimuth * 5 + phase)
        stretch = (fall / around - 1).clamp_(min=-0.3).mul_(self.patterns["hangs"]).add_(1)
        return torch.stack([x * stretch, points[1], z * stretch + AXIS])


def patterns(y: Float[Tensor, "h"], azimuth: Float[Tensor, "h"]) -> dict[str, Tensor]:
    """What never changes at the vertices of a shell."""
    away = azimuth.abs()
    beat = torch.sin(y * 1.7 + azimuth * 4)
    return {
        "strand": strand(azimuth),
        "high": step(y, 3.0, 10.0),
        "front": step(y, 6.5, 9.5) * (1 - step(away, 0.5, 1.4)),
        "facing": 1 - step(away, 1.15, 1.5),
        "lumps": torch.sin(azimuth * 9 + y * 0.9) * beat,
        "hollows": torch.cos(azimuth * 9 + y * 0.9) * beat,
        "waves": torch.sin(azimuth * 23),
        "falling": 1 - 0.012 * (-y - 1).clamp(min=0),
        "hangs": step(away, 0.95, 1.2) * step(-y, -3.0, 0.0),
    }


def _line(values: npt.NDArray[np.float64]) -> Float[Tensor, "a"]:
    return torch.from_numpy(values.astype(np.float32))
