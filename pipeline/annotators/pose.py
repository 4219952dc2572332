"""Yaw, pitch and roll of a head from its landmarks: perspective-n-point with a generic face and a mild prior.

    minimise over R, s, t    sum_i |p_i - s project(R m_i) - t|^2 / noise^2  +  (pitch^2 + roll^2) / tilt^2
    R = roll yaw pitch       project(x, y, z) = (x, -y) distance / (distance - z)

p = landmarks in face sizes (moved to mean 0, scaled to root mean square radius 1), so that neither place nor
size of a face matters; m = a generic adult face in millimetres, scaled likewise. Of 68 landmarks the
rigid ones of `MODEL68` are used, else the five. The prior decides what a profile leaves open: at a yaw of 90
degrees pitch and roll are one rotation. Without a prior they are off by tens of degrees there (on synthetic
faces beyond a yaw of 75, pitch by 67 degrees on average with OpenCV's solvePnP, by 9 here).

    confidence = exp(-(e / spread)^2),   e = root of the mean squared distance, in face sizes

Degrees: yaw positive where the face looks to image right, pitch positive up, roll positive clockwise.
A face without landmarks, or with all of them in one place, is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipeline.annotators import ANGLES, Photos, angle_bin, answer
from pipeline.strict import Strict

Grid = npt.NDArray[np.float64]

# x to image right, y down, z towards the camera; the middle between the eyes is the origin
MODEL5 = np.array(
    [[-31.5, 0, 0], [31.5, 0, 0], [0, 38, 35], [-26, 70, 9], [26, 70, 9]], np.float64
)  # eyes, nose tip, mouth corners
MODEL68 = {
    36: (-45, 0, -5),  # outer and inner corners of the eyes
    39: (-16.5, 1, 0),
    42: (16.5, 1, 0),
    45: (45, 0, -5),
    27: (0, -1, 14),  # root of the nose
    30: (0, 38, 35),  # its tip
    31: (-13, 46, 15),  # its wings
    33: (0, 48, 20),  # where it ends
    35: (13, 46, 15),
    48: (-26, 70, 9),  # corners of the mouth
    54: (26, 70, 9),
    8: (0, 113, 8),  # chin
}
CHUNK = 4096  # faces at a time
LEAP = 0.5  # longest step, radians for angles: points that are no face would send it anywhere
STEP = 1e-6  # of the differences that stand for derivatives


class Params(Strict):
    """Camera, prior and doubt. A face size is the landmarks' root mean square radius, about 45 mm."""

    # camera to face, face sizes: a metre; nearer than 2 a turned head would touch the camera
    distance: float = Field(20.0, ge=2, le=1000)
    # how far a person's landmarks lie from the generic face's, face sizes; 1 is the face itself
    noise: float = Field(0.08, ge=1e-3, le=1)
    tilt: float = Field(20.0, ge=0.1, le=180)  # standard deviation of pitch and roll, degrees
    spread: float = Field(0.25, ge=1e-3, le=10)  # residual, face sizes, at which confidence is 1/e
    landmarks: Literal[5, 68] | None = None  # only so many; without, 68 where a face has them, else 5


def rotations(angles: Grid) -> Grid:
    """(b, 3, 3) R = roll yaw pitch of (b, 3) yaw, pitch, roll in radians; axes x right, y up, z to camera."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cr * cy, sr * cp - cr * sy * sp, cr * sy * cp + sr * sp],
        [-sr * cy, cr * cp + sr * sy * sp, cr * sp - sr * sy * cp],
        [-sy, -cy * sp, cy * cp],
    ]
    return np.stack([np.stack(row, -1) for row in rows], 1)


def project(theta: Grid, model: Grid, distance: float) -> Grid:
    """(b, n, 2) where the camera sees `model` (n, 3; y up); `theta` (b, 6): three angles, log s, t."""
    seen = model @ rotations(theta[:, :3]).transpose(0, 2, 1)
    factor = np.exp(theta[:, 3:4]) * distance / (distance - seen[:, :, 2])
    return np.stack([factor * seen[:, :, 0] + theta[:, 4:5], -factor * seen[:, :, 1] + theta[:, 5:6]], 2)


def sized(points: Grid) -> Grid:
    """Mean 0 and root mean square radius 1 over the last two axes (n, 2); NaN if all are in one place."""
    points = points - points.mean(-2, keepdims=True)
    radius = np.sqrt((points**2).sum((-2, -1), keepdims=True) / points.shape[-2])
    return np.asarray(points / np.where(radius > 0, radius, np.nan))


def estimate(points: Grid, model: Grid, distance: float, noise: float, tilt: float) -> tuple[Grid, Grid]:
    """(b, 3) yaw, pitch, roll in degrees and (b) residuals in face sizes; `points` (b, n, 2), `model` (n, 3).

    Levenberg and Marquardt's steps for all faces at once, from the pose of the best affine camera.
    """
    model = (model - model.mean(0)) / np.sqrt((model - model.mean(0))[:, :2].var(0).sum())
    model = model * [1, -1, 1]
    points = sized(points)
    prior = np.array([0.0, 1.0, 1.0]) / np.radians(tilt)

    def wrong(theta: Grid) -> Grid:
        apart = (project(theta, model, distance) - points) / noise
        return np.concatenate([apart.reshape(len(theta), -1), theta[:, :3] * prior], 1)

    theta = _minimised(wrong, _affine(points, model))
    apart = wrong(theta)[:, :-3] * noise
    degrees = (np.degrees(theta[:, :3]) + 180) % 360 - 180
    return degrees, np.sqrt((apart**2).sum(1) / len(model))


def _affine(points: Grid, model: Grid) -> Grid:
    """(b, 6) start: yaw as the affine camera that fits best has it, all else level."""
    camera = np.linalg.pinv(model) @ points  # (b, 3, 2)
    scale = np.sqrt((camera**2).sum((1, 2)) / 2)
    theta = np.zeros((len(points), 6))
    theta[:, 0] = np.arcsin(np.clip(camera[:, 2, 0] / scale, -0.99, 0.99))
    return theta


def _minimised(wrong: Callable[[Grid], Grid], theta: Grid, steps: int = 30) -> Grid:
    """`theta` (b, k) at which the sum of squares of `wrong(theta)` (b, m) is least, each row by itself."""
    damping, settled = np.full(len(theta), 1e-2), np.zeros(len(theta), bool)
    now = wrong(theta)
    cost = (now**2).sum(1)
    shifts = np.eye(theta.shape[1]) * STEP
    for _ in range(steps):
        slope = np.stack([(wrong(theta + shift) - now) / STEP for shift in shifts], 2)
        normal = slope.transpose(0, 2, 1) @ slope
        heavier = normal + damping[:, None, None] * np.eye(len(shifts)) * normal
        step = np.linalg.solve(heavier, slope.transpose(0, 2, 1) @ now[:, :, None])[:, :, 0]
        new = theta - np.clip(step, -LEAP, LEAP)
        there = wrong(new)
        # a row that is done stays as it is, whichever rows it shares the array with
        better = ((there**2).sum(1) < cost) & ~settled
        gain = np.where(better, cost - (there**2).sum(1), 0)
        theta, now = np.where(better[:, None], new, theta), np.where(better[:, None], there, now)
        cost, damping = cost - gain, np.where(better, damping / 5, damping * 8)
        settled |= (better & (gain <= 1e-6 * cost)) | (damping > 1e6)
        if settled.all():
            break
    return theta


class Pose:
    """Angles of every face that has landmarks."""

    def __init__(
        self, distance: float, noise: float, tilt: float, spread: float, landmarks: int | None = None
    ) -> None:
        self.distance, self.noise, self.tilt, self.spread = distance, noise, tilt, spread
        self.landmarks = landmarks

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame:
        degrees, residual = np.full((len(frame), 3), np.nan), np.full(len(frame), np.nan)
        for rows, points, model in self._groups(frame):
            for start in range(0, len(rows), CHUNK):
                part = slice(start, start + CHUNK)
                found = estimate(points[part], model, self.distance, self.noise, self.tilt)
                degrees[rows[part]], residual[rows[part]] = found
        confidence = np.exp(-((residual / self.spread) ** 2))
        named = dict(zip(ANGLES, degrees.T, strict=True))
        codes = {name: angle_bin(named[name]) for name in ("pitch", "yaw")}
        return answer(codes, dict.fromkeys(codes, confidence), named, frame.index)

    def _groups(self, frame: pd.DataFrame) -> Iterator[tuple[npt.NDArray[np.int64], Grid, Grid]]:
        """Rows, points and model of the faces that have 68 landmarks, then of those that have only five."""
        left = np.ones(len(frame), bool)
        for column, keep, model in (
            ("points68", list(MODEL68), np.array(list(MODEL68.values()), np.float64)),
            ("points5", list(range(5)), MODEL5),
        ):
            if self.landmarks is not None and column != f"points{self.landmarks}":
                continue
            rows = np.flatnonzero(left & frame[column].notna().to_numpy())
            if len(rows):
                points = np.stack(frame[column].iloc[rows].tolist()).astype(np.float64)
                points = points.reshape(len(rows), -1, 2)[:, keep]
                good = np.isfinite(sized(points)).all((1, 2))
                left[rows[good]] = False
                yield rows[good], points[good], model


def build(params: Params) -> Pose:
    return Pose(params.distance, params.noise, params.tilt, params.spread, params.landmarks)
