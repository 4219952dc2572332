"""What a place of the template is, whoever's it is: a wrinkle, a fold in shadow, where a beard grows.

Shapes: (v, u) grids on the template, all fixed for every person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.template import Grid, Template, bell, smoothstep


@dataclass(frozen=True)
class Features:
    """Weights are 0..1."""

    wrinkle: Grid
    shadow: Grid  # light that never reaches a fold, as a factor
    beard: Grid


def make(head: Template) -> Features:
    return Features(wrinkle=_wrinkle(head), shadow=_shadow(head), beard=_beard(head))


def _wrinkle(head: Template) -> Grid:
    x, y, across = head.x, head.y, np.abs(head.x)
    total = np.zeros(head.shape)
    for phase, height in enumerate((5.6, 6.5, 7.3)):  # forehead
        line = bell(y - 0.12 * np.cos(x * 1.3 + phase), height, 0.09)
        total += 0.8 * line * np.exp(-((x / 3.2) ** 4))
    from_nose = np.abs(across - 2.0 - 0.42 * (-1.2 - y))
    total += 1.4 * bell(from_nose, 0, 0.14) * bell(y, -2.9, 1.1)
    for slope in (-0.35, 0.0, 0.35):  # crow's feet
        total += bell(y - slope * (across - 4.7), 2.4, 0.07) * bell(across, 5.2, 0.4)
    under_eye = bell(across, 2.9, 0.9)
    total += 1.0 * bell(y - 0.12 * (across - 3) ** 2, 1.35, 0.12) * under_eye
    total += 0.5 * bell(y - 0.1 * (across - 3) ** 2, 0.9, 0.1) * under_eye
    total += 0.7 * bell(across, 0.35, 0.08) * bell(y, 4.1, 0.5)  # between the brows
    total += 0.8 * bell(across - 0.1 * (-y - 5), 2.75, 0.12) * bell(y, -5.7, 0.8)  # beside the mouth
    return np.asarray(total * head.front)


def _shadow(head: Template) -> Grid:
    bump, bumps, y = head.bump, head.bumps, head.y
    eyes = 0.28 * bumps(1.6, 2.6, 0.5, 0.7) + 0.22 * bumps(3.0, 3.35, 1.3, 0.32)
    under_chin = (
        0.5 * smoothstep(-y, 8.6, 10.0) * (1 - smoothstep(-y, 11.5, 14.5)) * smoothstep(head.z, -7, -2)
    )
    nose = (
        0.7 * bumps(0.66, -2.02, 0.26, 0.13)
        + 0.25 * bump(0, -2.4, 1.2, 0.3)
        + 0.2 * bumps(1.75, -1.5, 0.16, 0.5)
    )
    mouth = 0.2 * bump(0, -5.7, 1.4, 0.28) + 0.25 * bumps(2.6, -4.2, 0.25, 0.25)
    fold = 0.1 * bell(np.abs(head.x) - 2.0 - 0.42 * (-1.2 - y), 0, 0.25) * bell(y, -2.6, 0.9) * head.front
    return np.asarray(1 - eyes - under_chin - nose - mouth - fold)


def _beard(head: Template) -> Grid:
    y, across = head.y, np.abs(head.x)
    jaw = smoothstep(-y, 2.3, 4.0) * (1 - smoothstep(-y, 9.3, 11)) * smoothstep(head.z, -4.5, -1.5)
    chin = smoothstep(-y, 3.2, 5.2)
    cheeks = smoothstep(across, 3.8, 5.5) * smoothstep(-y, -1, 1)
    moustache = (np.abs(y + 2.9) < 0.45) & (across < 2.3)
    return np.asarray(jaw * np.clip(chin + cheeks + moustache, 0, 1))
