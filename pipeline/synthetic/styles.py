"""Ways of wearing hair: how far down it reaches all around the head, and how thick it lies.

A style's edge is the template height (cm) where hair ends, at the azimuths `AROUND` from the front (0)
over the ear (about 1.6) to the back (pi).
"""

from __future__ import annotations

from dataclasses import dataclass

AROUND = (0.0, 0.35, 0.6, 0.8, 0.95, 1.1, 1.25, 1.4, 1.6, 1.85, 2.2, 3.15)
CROP = (8.8, 8.75, 8.6, 8.1, 7.0, 5.0, 2.8, 2.2, 3.9, 2.0, -3.2, -5.0)


@dataclass(frozen=True)
class Style:
    """Lengths in centimetres; `women` and `men` are how usual it is."""

    name: str
    edge: tuple[float, ...]
    top: float  # thickness
    sides: float
    women: float
    men: float
    front: float = 0.0  # more thickness above the forehead
    body: float = 0.2  # share of the thickness that is left at the front edge
    parted: float = 0.3  # how far the parting may lie from the middle, radians
    curly: bool = False
    shell: bool = True  # False: so short that it is only painted on the scalp

    @property
    def long(self) -> bool:
        return self.edge[-1] < -7


STYLES = (
    Style("buzz", CROP, 0.15, 0.1, 0.03, 1.0, shell=False),
    Style("short", CROP, 0.75, 0.4, 0.12, 2.6),
    Style("swept", CROP, 1.0, 0.4, 0.1, 1.8, front=0.9, body=0.5),
    Style(
        "fringe",
        (6.2, 6.3, 6.4, 6.4, 5.8, 4.0, 2.4, 1.8, 3.6, 1.5, -4.0, -6.0),
        0.9,
        0.6,
        0.15,
        1.2,
        body=0.5,
    ),
    Style(
        "shaggy",
        (6.8, 6.4, 5.6, 5.4, 4.6, 2.5, 0.0, -2.0, -2.5, -4.0, -6.5, -8.0),
        1.2,
        1.0,
        0.4,
        0.5,
        body=0.5,
    ),
    Style("tied", (8.9, 8.85, 8.7, 8.2, 7.2, 5.4, 3.4, 2.6, 3.9, 1.5, -3.4, -5.0), 0.45, 0.3, 1.6, 0.04),
    Style("bob", (8.9, 8.3, 7.3, 5.6, 2.6, -2.0, -6.0, -7.5, -8.0, -8.0, -8.0, -8.0), 0.9, 1.0, 1.5, 0.08),
    Style(
        "bangs",
        (4.9, 4.8, 4.7, 4.4, 3.0, -1.5, -6.0, -7.5, -8.0, -8.0, -8.0, -8.0),
        1.0,
        1.0,
        1.0,
        0.06,
        body=0.6,
    ),
    Style(
        "long", (8.9, 8.2, 7.2, 5.8, 3.2, -2.0, -9.0, -14.0, -15.0, -16.0, -16.0, -16.0), 0.8, 0.9, 2.0, 0.06
    ),
    Style(
        "long_bangs",
        (5.1, 4.9, 4.8, 4.6, 3.4, -1.0, -8.0, -13.0, -15.0, -16.0, -16.0, -16.0),
        *(0.9, 0.9, 0.8, 0.02),
        body=0.6,
    ),
    Style("afro", CROP, 2.8, 2.0, 1.2, 0.6, front=0.4, body=0.45, curly=True),
    Style("curls", CROP, 1.2, 0.8, 0.25, 1.4, body=0.5, curly=True),
    Style(
        "long_curls",
        (8.6, 8.0, 7.0, 5.0, 2.0, -2.5, -7.0, -9.0, -10.0, -11.0, -11.0, -11.0),
        *(1.7, 1.9, 1.6, 0.05),
        curly=True,
    ),
)
