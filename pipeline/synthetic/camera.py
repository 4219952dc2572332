"""From heads in centimetres to pixels of the frame: pose, perspective and framing.

    camera = R (X - centre),  R = roll yaw pitch,  u = camera_xy * D / (D - camera_z)
    pixel = origin + scale * (u_x, -u_y)

With this order the line through the eyes has the angle `roll` in the image (but for perspective), and
yaw and pitch are those of the direction the face looks to. Shapes: b images, n points.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.synthetic.sampler import Photos

DISTANCE = 75.0  # camera to head, cm
CENTRE = (0.0, 0.0, -2.0)  # what a head turns around
FRAME = 31.0  # centimetres across the frame
# A face crop's middle lies this far above the mean of eyes, nose tip and mouth corners.
LIFT = 2.8
BODY = (0.35, 0.2, 0.25)  # share of the head's yaw, pitch and roll that the shoulders follow


def rotation(
    yaw: Float[Tensor, "b"], pitch: Float[Tensor, "b"], roll: Float[Tensor, "b"]
) -> Float[Tensor, "b 3 3"]:
    """Of degrees: yaw positive to +x (image right), pitch to +y (up), roll clockwise in the image."""
    cy, sy = torch.cos(yaw * math.pi / 180), torch.sin(yaw * math.pi / 180)
    cp, sp = torch.cos(pitch * math.pi / 180), torch.sin(pitch * math.pi / 180)
    cr, sr = torch.cos(roll * math.pi / 180), torch.sin(roll * math.pi / 180)
    # Products are written out: a batched matrix product may round differently in another batch.
    rows = [
        torch.stack([cr * cy, sr * cp - cr * sy * sp, cr * sy * cp + sr * sp], 1),
        torch.stack([-sr * cy, cr * cp + sr * sy * sp, cr * sp - sr * sy * cp], 1),
        torch.stack([-sy, -cy * sp, cy * cp], 1),
    ]
    return torch.stack(rows, 1)


def turn(matrix: Float[Tensor, "b 3 3"], points: Float[Tensor, "b 3 n"]) -> Float[Tensor, "b 3 n"]:
    """`matrix` times the points about CENTRE, in camera coordinates."""
    x, y, z = points.unbind(1)
    rows = []
    for row in range(3):
        a, b, c = matrix[:, row, :, None].unbind(1)
        moved = -(a * CENTRE[0] + b * CENTRE[1] + c * CENTRE[2])
        rows.append((x * a).add_(y * b).add_(z * c).add_(moved))  # no fused steps: they round differently
    return torch.stack(rows, 1)


def bend(
    turned: Float[Tensor, "b 3 n"],
    points: Float[Tensor, "b 3 n"],
    photos: Photos,
    stiff: Float[Tensor, "n"],
) -> Float[Tensor, "b 3 n"]:
    """`turned` where `stiff` is 1, and `points` turned as the shoulders are where it is 0."""
    shoulders = [
        angle * share for angle, share in zip((photos.yaw, photos.pitch, photos.roll), BODY, strict=True)
    ]
    body = turn(rotation(*shoulders), points)
    return (turned - body).mul_(stiff).add_(body)


@dataclass(frozen=True)
class Frame:
    """Where camera coordinates land: pixel = origin + scale * projection."""

    scale: Float[Tensor, "b"]
    origin: Float[Tensor, "b 2"]

    def pixels(self, points: Float[Tensor, "b 3 n"]) -> Float[Tensor, "b 2 n"]:
        """Pixels with the first pixel's corner at 0."""
        factor = (self.scale * DISTANCE)[:, None] / (DISTANCE - points[:, 2])
        x = (points[:, 0] * factor).add_(self.origin[:, :1])
        y = (points[:, 1] * factor).neg_().add_(self.origin[:, 1:])
        return torch.stack([x, y], 1)


def five(points: Float[Tensor, "b c 68"]) -> Float[Tensor, "b c 5"]:
    """Eye centres, nose tip and mouth corners of the 68 points."""
    eyes = [points[:, :, first : first + 6].mean(2) for first in (36, 42)]
    return torch.stack([*eyes, points[:, :, 30], points[:, :, 48], points[:, :, 54]], 2)


def frame(landmarks: Float[Tensor, "b 3 68"], photos: Photos, size: int) -> Frame:
    """The face's crop in the middle of a frame of `size` pixels, but for the photograph's shift and zoom."""
    scale = size / FRAME * photos.zoom
    projected = Frame(scale, torch.zeros(len(photos), 2)).pixels(landmarks)
    face = five(projected).mean(2)
    roll = photos.roll * math.pi / 180
    up = torch.stack([torch.sin(roll), -torch.cos(roll)], 1)
    middle = face + up * (LIFT * scale)[:, None]
    return Frame(scale, size * (0.5 + photos.shift) - middle)
