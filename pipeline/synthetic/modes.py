"""What can change in a head: shape modes (who), expression and age modes (when).

    positions = mean + sum_k shape_k * shape_mode_k + sum_j expression_j * expression_mode_j

A mode is a displacement (3, v, u) in centimetres for a weight of one.
"""

from __future__ import annotations

import numpy as np

from pipeline.synthetic.template import EYE, Grid, Template, bell, smoothstep

RANDOM_MODES = 30
Modes = dict[str, Grid]


def _move(head: Template, dx: Grid | float = 0.0, dy: Grid | float = 0.0, dz: Grid | float = 0.0) -> Grid:
    zero = np.zeros(head.shape)
    return np.stack([zero + dx, zero + dy, zero + dz])


def shape_modes(head: Template) -> Modes:
    """38 modes with a meaning, then random bumps."""
    return {**_nose(head), **_eyes(head), **_mouth(head), **_jaw(head), **_skull(head), **_random(head)}


def expression_modes(head: Template) -> Modes:
    """Mouth, brows and cheeks, then the ages `child` and `old`."""
    return {**_lips(head), **_mimic(head), "child": _child(head), "old": _old(head)}


def _nose(head: Template) -> Modes:
    y, side, nose, bump, bumps = head.y, head.side, head.nose(), head.bump, head.bumps
    return {
        "nose_length": _move(head, dy=-0.45 * bump(0, -1.3, 1.8, 1.2)),
        "nose_height": _move(head, dz=0.5 * nose * bell(y, -0.6, 1.3)),
        "nose_bridge": _move(head, dz=0.38 * nose * bell(y, 1.6, 1.1)),
        "nose_width": _move(
            head, dx=side * 0.28 * bumps(1.2, -1.3, 0.8, 0.9), dz=0.12 * bumps(1.25, -1.35, 0.5, 0.5)
        ),
        "nose_upturn": _move(head, dy=0.35 * bump(0, -1.4, 0.9, 0.7), dz=0.15 * bump(0, -1.3, 0.8, 0.6)),
        "nose_hump": _move(head, dz=0.28 * nose * bell(y, 0.7, 0.6)),
        "nose_tip_width": _move(head, dx=side * 0.2 * bumps(0.6, -0.8, 0.6, 0.6)),
        "nose_bridge_width": _move(head, dx=side * 0.18 * bumps(0.8, 1.2, 0.7, 1.2)),
    }


def _around_eyes(head: Template, height: float, mirrored: bool) -> Grid:
    """Distance to the nearer eye's centre along x, faded away from it."""
    x, y = EYE
    right = (head.x - x) * head.bump(x, y + 0.05, 1.4, height)
    left = (head.x + x) * head.bump(-x, y + 0.05, 1.4, height)
    return right - left if mirrored else right + left


def _eyes(head: Template) -> Modes:
    side, bump, bumps = head.side, head.bump, head.bumps
    taller = 0.16 * (head.y - 2.55) * bumps(3.15, 2.55, 1.4, 1.0)
    return {
        "eye_spacing": _move(head, dx=side * 0.27 * bumps(3.1, 2.8, 1.7, 1.6)),
        "eye_size": _move(head, dx=0.16 * _around_eyes(head, 1.0, False), dy=taller),
        "eye_tilt": _move(head, dy=0.2 * _around_eyes(head, 1.1, True)),
        "eye_depth": _move(head, dz=-0.38 * bumps(2.8, 2.6, 1.6, 1.2)),
        "eye_height": _move(head, dy=0.3 * bumps(3.0, 2.9, 2.2, 1.6)),
        "brow_ridge": _move(head, dz=0.3 * bumps(2.6, 4.0, 1.9, 0.65) + 0.15 * bump(0, 4.1, 1, 0.8)),
        "brow_height": _move(head, dy=0.3 * bumps(3, 4.4, 2.0, 0.7)),
        "cheekbone": _move(
            head, dx=side * 0.3 * bumps(5.6, 0.2, 1.8, 1.5), dz=0.3 * bumps(4.3, 0.1, 1.6, 1.2)
        ),
        "cheek_fat": _move(
            head, dx=side * 0.45 * bumps(5.0, -3.2, 2.2, 2.2), dz=0.35 * bumps(3.8, -3, 1.8, 2.0)
        ),
    }


def _mouth(head: Template) -> Modes:
    y, bump = head.y, head.bump
    return {
        "mouth_width": _move(head, dx=0.17 * head.x * bump(0, -4.2, 2.6, 1.2)),
        "upper_lip": _move(
            head, dy=0.2 * bell(y, -3.4, 0.4) * bump(0, -3.4, 1.8, 9), dz=0.2 * bump(0, -3.6, 1.7, 0.4)
        ),
        "lower_lip": _move(
            head, dy=-0.22 * bell(y, -5.2, 0.45) * bump(0, -5, 1.7, 9), dz=0.22 * bump(0, -4.9, 1.6, 0.45)
        ),
        "lip_protrusion": _move(head, dz=0.26 * bump(0, -4.1, 2.0, 1.2)),
        "mouth_height": _move(head, dy=0.3 * bump(0, -4.2, 3, 1.3)),
        "philtrum": _move(head, dy=0.2 * bump(0, -3.4, 2, 0.8)),
    }


def _jaw(head: Template) -> Modes:
    x, y, bump = head.x, head.y, head.bump
    turn = np.abs(head.azimuth)
    return {
        "chin_length": _move(head, dy=-0.55 * smoothstep(-y, 4.5, 8.5) * head.above_neck * head.front),
        "chin_protrusion": _move(head, dz=0.5 * bump(0, -8, 2.4, 1.5)),
        "chin_width": _move(
            head, dx=0.12 * x * bump(0, -8, 3.0, 1.4), dz=0.1 * head.bumps(1.5, -8, 0.9, 0.9)
        ),
        "chin_cleft": _move(head, dz=-0.16 * bump(0, -7.9, 0.25, 0.7)),
        "jaw_width": _move(head, dx=0.09 * x * smoothstep(-y, 1, 6) * head.above_neck),
        "jaw_angle": _move(
            head,
            dx=head.side * 0.4 * bell(y, -6.2, 1.4) * bell(turn, 1.3, 0.5),
            dy=-0.3 * bell(y, -6.2, 1.4) * bell(turn, 1.2, 0.5),
        ),
    }


def _skull(head: Template) -> Modes:
    x, y, z, bump, above = head.x, head.y, head.z, head.bump, head.above_neck
    temple = head.side * 0.25 * bell(np.abs(head.azimuth), 1.2, 0.4) * bell(y, 5.5, 2)
    return {
        "forehead_height": _move(head, dy=0.55 * smoothstep(y, 4.5, 9)),
        "forehead_slope": _move(head, dz=-0.5 * smoothstep(y, 4.5, 10) * head.front),
        "forehead_bulge": _move(head, dz=0.3 * bump(0, 7.5, 3, 1.8)),
        "head_width": _move(head, dx=0.05 * x * above),
        "face_length": _move(head, dy=0.045 * (y - 2.5) * above),
        "head_depth": _move(head, dz=0.05 * (z + 3) * (1 - head.front)),
        "neck_width": _move(head, dx=0.08 * x * (1 - above), dz=0.06 * (z + 4) * (1 - above)),
        "temple": _move(head, dx=temple),
        "asymmetry": _move(head, dx=0.12 * bump(0, -3, 9, 4), dy=0.1 * x / 4 * bump(0, -4, 9, 3)),
    }


def _random(head: Template) -> Modes:
    """Bumps at random places: what no word describes. The seed is part of the template."""
    rng = np.random.default_rng(7)
    modes = {}
    for index in range(RANDOM_MODES):
        x, y = rng.uniform(-6, 6), rng.uniform(-9, 8)
        width, height = rng.uniform(1.0, 2.4, 2)
        direction = rng.normal(0, 1, 3) * [0.12, 0.14, 0.25]
        modes[f"random_{index}"] = direction[:, None, None] * head.bump(x, y, width, height)
    return modes


def _lips(head: Template) -> Modes:
    """`open` drops the jaw by a centimetre; `close` shuts the slit between the lips."""
    x, y, front = head.x, head.y, head.front
    slit = np.sqrt(np.clip(1 - (x / 2.45) ** 2, 0, 1))
    across = np.clip((-y - 3.98) / 0.44, 0, 1)  # 0 at the upper lip's edge, 1 at the lower one's
    below = smoothstep(-y, 1.5, 7)
    jaw = np.exp(-(np.abs(x / 6.5) ** 4)) * head.above_neck * front
    drop = (slit * across + (1 - slit) * below) * jaw
    lower = np.where(y < -4.42, bell(y, -4.42, 0.5), 1) * slit * across * front
    upper = slit * (1 - across) * front * bell(np.minimum(0, -3.98 - y), 0, 0.5)
    return {
        "open": _move(head, dy=-drop, dz=-0.25 * drop),
        "close": _move(head, dy=0.22 * (lower - upper)),
        "jaw_side": _move(head, dx=0.5 * below * jaw),
    }


def _mimic(head: Template) -> Modes:
    side, bump, bumps = head.side, head.bump, head.bumps
    corners = bumps(2.6, -4.2, 1.3, 1.1)
    apple = 0.35 * bumps(3.9, -0.6, 1.4, 1.0) - 0.1 * bumps(3, -2.8, 0.4, 1.2)
    return {
        "smile": _move(
            head,
            dx=side * 0.5 * corners,
            dy=0.5 * corners + 0.3 * bumps(4, -1.2, 1.6, 1.2),
            dz=-0.35 * corners + apple,
        ),
        "pucker": _move(head, dx=-0.22 * head.x * bump(0, -4.2, 1.9, 1.2), dz=0.45 * bump(0, -4.2, 1.5, 1.0)),
        "brow_up": _move(head, dy=0.55 * bumps(2.8, 4.5, 2.2, 1.0) + 0.3 * bump(0, 6, 4, 1.5)),
        "frown": _move(
            head,
            dx=-side * 0.25 * bumps(1.3, 4.2, 0.9, 0.8),
            dy=-0.35 * bumps(1.6, 4.2, 1.1, 0.8),
            dz=0.12 * bump(0, 4.0, 0.8, 0.8),
        ),
        "sad": _move(head, dy=-0.4 * corners + 0.2 * bumps(1.4, 4.3, 0.8, 0.7)),
        "puff": _move(head, dx=side * 0.4 * bumps(4.6, -3.6, 1.6, 1.4), dz=0.35 * bumps(3.6, -3.8, 1.4, 1.3)),
        "sneer": _move(head, dy=0.25 * bumps(1.4, -2.2, 1.0, 1.0)),
    }


def _child(head: Template) -> Grid:
    """A small face low on a large skull: large eyes, round cheeks, button nose, small mouth and chin."""
    x, y, bump, bumps = head.x, head.y, head.bump, head.bumps
    below = np.clip(2.5 - y, 0, 11)
    narrow = (0.05 * smoothstep(y, 3, 9) - 0.13 * smoothstep(-y, 3, 8)) * x * head.above_neck
    narrow = narrow - 0.28 * x * (1 - head.above_neck) * smoothstep(-y, 8, 12)
    cheeks = head.side * (0.35 * bumps(4.6, -2.4, 1.8, 1.6) - 0.32 * bumps(1.3, -1.4, 0.7, 0.8))
    mouth = -0.13 * x * bump(0, -4.2, 2.2, 1.0)
    short = 0.17 * below * head.above_neck + 0.9 * smoothstep(y, 4, 9) + 1.6 * (1 - head.above_neck)
    eyes = 0.26 * (y - 2.5) * bumps(3.15, 2.5, 1.5, 1.0) - 0.25 * bumps(3, 4.4, 2.0, 0.7)
    relief = 0.45 * bumps(3.9, -2.2, 1.8, 1.6) + 0.5 * bump(0, 7.5, 4, 2.5) - 0.3 * bumps(2.6, 4.1, 1.9, 0.65)
    nose = -0.95 * head.nose() * bell(y, -0.1, 1.7) - 0.45 * bumps(1.25, -1.4, 0.5, 0.5)
    chin = -0.6 * bump(0, -7.6, 2.4, 1.3) + 0.15 * bump(0, -4.1, 1.6, 0.8)
    return _move(
        head,
        dx=narrow + cheeks + mouth + 0.14 * _around_eyes(head, 1.0, False),
        dy=short + eyes + 0.35 * bump(0, -1.4, 1.6, 0.9),
        dz=nose + relief + chin,
    )


def _old(head: Template) -> Grid:
    """Hollow cheeks, jowls, bags under sunken eyes, heavy lids, a longer nose, thin lips."""
    side, bump, bumps = head.side, head.bump, head.bumps
    jowls = side * 0.4 * bumps(4.4, -6.2, 1.3, 1.1) - side * 0.3 * bumps(4.8, -1.8, 1.5, 1.5)
    sag = -0.5 * bumps(4.0, -5.6, 1.6, 1.4) - 0.35 * bump(0, -1.2, 1.3, 1.0)
    lids = (
        -0.28 * bumps(3.7, 3.3, 1.5, 0.7) - 0.2 * bumps(2.6, -4.2, 1.3, 1.1) - 0.2 * bumps(3.4, 4.5, 1.5, 0.7)
    )
    hollow = -0.4 * bumps(4.4, -2, 1.4, 1.4) - 0.3 * bumps(2.9, 3.0, 1.4, 0.8)
    bags = 0.24 * bumps(2.8, 1.3, 1, 0.35) - 0.2 * bump(0, -4.1, 1.6, 0.8)
    folds = 0.3 * bumps(3.5, -6.3, 1.2, 1.0) - 0.3 * bumps(2.9, -3.0, 0.35, 1.2)
    return _move(head, dx=jowls, dy=sag + lids, dz=hollow + bags + folds)
