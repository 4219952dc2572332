"""From heads in centimetres to pixels of the frame: pose, perspective and framing.

    camera = R (X - centre),  R = roll yaw pitch,  u = camera_xy * D / (D - camera_z)
    pixel = origin + scale * (u_x, -u_y)

With this order the line through the eyes has the angle `roll` in the image (but for perspective), and
yaw and pitch are those of the direction the face looks to. Shapes: b images, n points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.compiled import Array, compiled
from pipeline.synthetic.sampler import Photos
from pipeline.synthetic.singly import singly

DISTANCE = 75.0  # camera to head, cm
CAMERA = np.float32(DISTANCE)
CENTRE = (0.0, 0.0, -2.0)  # what a head turns around
FRAME = 31.0  # centimetres across the frame
# A face crop's middle lies this far above the mean of eyes, nose tip and mouth corners.
LIFT = 2.8
BODY = (0.35, 0.2, 0.25)  # share of the head's yaw, pitch and roll that the shoulders follow


def rotation(
    yaw: Float[Tensor, "b"], pitch: Float[Tensor, "b"], roll: Float[Tensor, "b"]
) -> Float[Tensor, "b 3 3"]:
    """Of degrees: yaw positive to +x (image right), pitch to +y (up), roll clockwise in the image."""
    (cy, sy), (cp, sp), (cr, sr) = _cosine(yaw), _cosine(pitch), _cosine(roll)
    # Products are written out: a batched matrix product may round differently in another batch.
    rows = [
        torch.stack([cr * cy, sr * cp - cr * sy * sp, cr * sy * cp + sr * sp], 1),
        torch.stack([-sr * cy, cr * cp + sr * sy * sp, cr * sp - sr * sy * cp], 1),
        torch.stack([-sy, -cy * sp, cy * cp], 1),
    ]
    return torch.stack(rows, 1)


def _cosine(degrees: Float[Tensor, "b"]) -> tuple[Float[Tensor, "b"], Float[Tensor, "b"]]:
    """And the sine."""
    radians = degrees * math.pi / 180
    return singly(math.cos, radians), singly(math.sin, radians)


def turn(
    matrix: Float[Tensor, "b 3 3"],
    points: Float[Tensor, "b 3 n"],
    body: Float[Tensor, "b 3 3"],
    stiff: Float[Tensor, "n"],
) -> Float[Tensor, "b 3 n"]:
    """The points in camera coordinates, turned about CENTRE.

    By `matrix` where `stiff` is 1, by `body` where it is 0.
    """
    found = torch.empty_like(points)
    _turn(matrix.numpy(), points.numpy(), body.numpy(), stiff.numpy(), found.numpy())
    return found


@compiled
def _turn(matrix: Array, points: Array, body: Array, stiff: Array, found: Array) -> None:
    for image in range(len(points)):
        for axis in range(3):
            head, moved = matrix[image, axis], _moved(matrix[image, axis])
            neck, carried = body[image, axis], _moved(body[image, axis])
            x, y, z = points[image, 0], points[image, 1], points[image, 2]
            for point in range(len(stiff)):
                turned = x[point] * head[0] + y[point] * head[1] + z[point] * head[2] + moved
                if stiff[point] < 1:
                    follows = x[point] * neck[0] + y[point] * neck[1] + z[point] * neck[2] + carried
                    turned = (turned - follows) * stiff[point] + follows
                found[image, axis, point] = turned


@compiled
def _moved(row: Array) -> np.float32:
    """What turning about CENTRE, not the origin, adds to a coordinate."""
    return np.float32(-(row[0] * CENTRE[0] + row[1] * CENTRE[1] + row[2] * CENTRE[2]))


def shoulders(photos: Photos) -> Float[Tensor, "b 3 3"]:
    """The rotation of the shoulders."""
    angles = (photos.yaw, photos.pitch, photos.roll)
    return rotation(*(angle * share for angle, share in zip(angles, BODY, strict=True)))


@dataclass(frozen=True)
class Frame:
    """Where camera coordinates land: pixel = origin + scale * projection."""

    scale: Float[Tensor, "b"]
    origin: Float[Tensor, "b 2"]

    def pixels(self, points: Float[Tensor, "b 3 n"]) -> Float[Tensor, "b 3 n"]:
        """Pixels with the first pixel's corner at 0, and depth."""
        found = torch.empty_like(points)
        _pixels(points.numpy(), (self.scale * DISTANCE).numpy(), self.origin.numpy(), found.numpy())
        return found


@compiled
def _pixels(points: Array, scale: Array, origin: Array, found: Array) -> None:
    for image in range(len(points)):
        for point in range(points.shape[2]):
            z = points[image, 2, point]
            factor = scale[image] / (CAMERA - z)
            found[image, 0, point] = points[image, 0, point] * factor + origin[image, 0]
            found[image, 1, point] = origin[image, 1] - points[image, 1, point] * factor
            found[image, 2, point] = z


def five(points: Float[Tensor, "b c 68"]) -> Float[Tensor, "b c 5"]:
    """Eye centres, nose tip and mouth corners of the 68 points."""
    eyes = [points[:, :, first : first + 6].mean(2) for first in (36, 42)]
    return torch.stack([*eyes, points[:, :, 30], points[:, :, 48], points[:, :, 54]], 2)


def frame(landmarks: Float[Tensor, "b 3 68"], photos: Photos, size: int) -> Frame:
    """The face's crop in the middle of a frame of `size` pixels, but for the photograph's shift and zoom."""
    scale = size / FRAME * photos.zoom
    projected = Frame(scale, torch.zeros(len(photos), 2)).pixels(landmarks)[:, :2]
    face = five(projected).mean(2)
    cosine, sine = _cosine(photos.roll)
    up = torch.stack([sine, -cosine], 1)
    middle = face + up * (LIFT * scale)[:, None]
    return Frame(scale, size * (0.5 + photos.shift) - middle)
