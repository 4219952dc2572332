"""What detectors share: a smaller copy to search, suppression of doubles, and the way back to the image."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.detectors import Detection, Points
from pipeline.records import Image


def shrunk(image: Image, longest: int) -> tuple[Image, Points]:
    """The image, averaged down where its longer side exceeds `longest`, and how much larger (2) it was."""
    height, width = image.shape[:2]
    share = min(1.0, longest / max(height, width))
    small = max(1, round(width * share)), max(1, round(height * share))
    if share < 1:
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
    return image, np.array([width / small[0], height / small[1]])


def detection(box: Points, points: Points, score: float, grow: Points) -> Detection:
    """A face of the copy in pixels of the image: `box` x, y, width, height, `points` (5, 2)."""
    corner = (box[:2] + 0.5) * grow - 0.5
    points = (points + 0.5) * grow - 0.5
    return Detection(np.concatenate([corner, box[2:] * grow]), points, float(score))


def suppressed(corners: Points, scores: Points, overlap: float) -> list[int]:
    """Rows that stay, surest first: of two whose intersection over union exceeds `overlap` the surer one.

    `corners` (n, 4) x1, y1, x2, y2. Pixels count at both ends (width x2 - x1 + 1), as in the released code
    of RetinaFace and SCRFD.
    """
    low, high = corners[:, :2], corners[:, 2:] + 1
    area = np.prod(high - low, 1)
    order, kept = np.argsort(-scores, kind="stable"), []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        shared = np.prod(
            np.clip(np.minimum(high[first], high[rest]) - np.maximum(low[first], low[rest]), 0, None), 1
        )
        order = rest[shared <= overlap * (area[first] + area[rest] - shared)]
    return kept
