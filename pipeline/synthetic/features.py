"""What a texel of the template is: part of an eye, a lip, a wrinkle, a beard; and the 68 landmarks.

Shapes: (v, u) grids on the template, all fixed for every person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.synthetic.template import EYE, Grid, Template, bell, smoothstep

NOWHERE = 9.0  # eye coordinates of texels that are no eye
EYE_RADIUS = 1.45


@dataclass(frozen=True)
class Features:
    """Weights are 0..1; `eye_x`, `eye_y` are in half eye widths from the eye's centre."""

    eye_x: Grid
    eye_y: Grid
    side: Grid  # -1, 0, 1
    mouth: Grid  # 1 inside the slit between the lips
    slit: Grid  # 0 at the upper edge of the slit, 1 at the lower
    lip: Grid
    wrinkle: Grid
    shadow: Grid  # light that never reaches a fold, as a factor
    beard: Grid


def make(head: Template) -> Features:
    x, y = head.x, head.y
    eye_x, eye_y = (np.abs(x) - EYE[0]) / EYE_RADIUS, (y - EYE[1]) / EYE_RADIUS
    near = (np.abs(eye_x) < 1.6) & (np.abs(eye_y) < 1.2) & (head.front > 0.5)
    opening = np.sqrt(np.clip(1 - (x / 2.45) ** 2, 0, 1))
    slit = (-y - 3.98) / 0.44
    mouth: npt.NDArray[np.bool_] = (slit > -0.05) & (slit < 1.05) & (opening > 0.15) & (head.front > 0.5)
    lip = _lip(head)
    return Features(
        eye_x=np.where(near, eye_x, NOWHERE),
        eye_y=np.where(near, eye_y, NOWHERE),
        side=np.sign(x),
        mouth=mouth.astype(np.float64),
        slit=np.clip(slit, 0, 1),
        lip=lip,
        wrinkle=_wrinkle(head),
        shadow=_shadow(head),
        beard=_beard(head) * (1 - lip),
    )


def _lip(head: Template) -> Grid:
    """Both lips; the upper one dips under the nose."""
    x, y, across = head.x, head.y, np.abs(head.x)
    bow = 0.62 - 0.12 * np.exp(-((x / 0.25) ** 2)) + 0.06 * np.exp(-(((across - 0.55) / 0.35) ** 2))
    top = -3.98 + bow * np.clip(1 - (across / 2.5) ** 2, 0, 1) ** 0.8
    bottom = -4.42 - 0.80 * np.clip(1 - (across / 2.45) ** 2, 0, 1) ** 0.75
    inside = smoothstep(top - y, -0.06, 0.08) * smoothstep(y - bottom, -0.08, 0.1)
    return np.asarray(inside * (across < 2.5) * head.front)


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
    bump, bumps = head.bump, head.bumps
    eyes = 0.45 * bumps(1.7, 2.5, 0.6, 0.8) + 0.25 * bumps(3.0, 3.25, 1.2, 0.3)
    neck = 0.5 * bell(head.y, -10.3, 1.0) * smoothstep(head.z, -7, -1)
    nose = 0.65 * bumps(0.68, -1.98, 0.27, 0.15) + 0.35 * bump(0, -2.35, 1.2, 0.3)
    mouth = 0.2 * bump(0, -5.75, 1.4, 0.3) + 0.25 * bumps(2.65, -4.2, 0.3, 0.3)
    return np.asarray(1 - eyes - neck - nose - mouth)


def _beard(head: Template) -> Grid:
    y, across = head.y, np.abs(head.x)
    jaw = smoothstep(-y, 2.3, 4.0) * (1 - smoothstep(-y, 9.3, 11)) * smoothstep(head.z, -4.5, -1.5)
    chin = smoothstep(-y, 3.2, 5.2)
    cheeks = smoothstep(across, 3.8, 5.5) * smoothstep(-y, -1, 1)
    moustache = (np.abs(y + 2.9) < 0.45) & (across < 2.3)
    return np.asarray(jaw * np.clip(chin + cheeks + moustache, 0, 1))


def landmarks(head: Template) -> npt.NDArray[np.int64]:
    """Flat texel indices of the 68 points in the iBUG order (0 is the jaw at image left)."""
    found = _contour(head)
    for x in (-4.6, -3.9, -3.1, -2.3, -1.4, 1.4, 2.3, 3.1, 3.9, 4.6):
        found.append(head.nearest(x, 4.55 - 0.12 * (abs(x) - 2.8) ** 2))
    found += [head.nearest(0, y) for y in (2.4, 1.3, 0.2, -0.8)]
    found += [head.nearest(x, y) for x, y in _NOSTRILS]
    for eye in (-EYE[0], EYE[0]):
        for x, y in _LIDS:
            found.append(head.nearest(eye + 1.4 * x, EYE[1] + y))
    found += [head.nearest(x, y) for x, y in (*_LIPS_OUTSIDE, *_LIPS_INSIDE)]
    return np.asarray(found)


_NOSTRILS = ((-1.2, -2.0), (-0.6, -2.15), (0, -2.3), (0.6, -2.15), (1.2, -2.0))
_LIDS = ((-1, 0), (-0.35, 0.55), (0.35, 0.55), (1, 0), (0.35, -0.42), (-0.35, -0.42))
_LIPS_OUTSIDE = (
    *((-2.4, -4.2), (-1.4, -3.5), (-0.55, -3.3), (0, -3.42), (0.55, -3.3), (1.4, -3.5), (2.4, -4.2)),
    *((1.4, -4.95), (0.55, -5.2), (0, -5.22), (-0.55, -5.2), (-1.4, -4.95)),
)
_LIPS_INSIDE = (
    *((-2.1, -4.2), (-0.7, -3.97), (0, -3.97), (0.7, -3.97)),
    *((2.1, -4.2), (0.7, -4.43), (0, -4.43), (-0.7, -4.43)),
)


def _contour(head: Template) -> list[int]:
    """The 17 points of the jaw, ear to ear over the chin."""
    found = []
    for index in range(17):
        from_chin = abs(index - 8) / 8
        azimuth = (-1 if index < 8 else 1) * 1.48 * from_chin**0.85
        row = np.interp(from_chin, [0, 0.25, 0.5, 0.75, 1], [11.9, 11.55, 10.6, 8.9, 6.9])
        found.append(int(((head.azimuth - azimuth) ** 2 * 30 + (head.row - row) ** 2).argmin()))
    return found
