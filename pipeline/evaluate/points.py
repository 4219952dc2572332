"""Landmarks that a net finds on faces: score maps of an image averaged with those of its mirror image.

68 points (iBUG) in pixels of the image; five of them where only five are known (`five`: the eyes as means of
their outlines, nose tip, mouth corners). Errors: faces of another size than the net's, points that are NaN.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from pipeline import geometry, model
from pipeline.landmarks import LandmarkNet, flip_average
from pipeline.loader import Faces

BATCH = 128  # faces at a time


def predict(
    net: LandmarkNet, faces: Faces, spec: model.ModelSpec, device: torch.device | str
) -> Float[np.ndarray, "n 68 2"]:
    """Points of every face in pixels; `net` in eval mode."""
    if len(faces) and faces.size != (spec.size, spec.size):
        height, width = faces.size
        raise ValueError(
            f"{faces.folder}: landmark net {spec.name!r} takes {spec.size}x{spec.size} faces, "
            f"got {height}x{width}: use a crop of size {spec.size}"
        )
    parts = [np.zeros((0, net.points, 2), np.float32)]
    for start in range(0, len(faces), BATCH):
        pixels = faces.images(np.arange(start, min(start + BATCH, len(faces)))).to(device)
        with torch.no_grad():
            scores = flip_average(net, model.normalise(pixels, spec.mean, spec.std))
            found = net.decode(scores, spec.size).float().cpu().numpy()
        known = np.isfinite(found).all((1, 2))
        if not known.all():
            sample = faces.sample_ids[start + int(np.argmin(known))]
            raise ValueError(
                f"landmark net {spec.name!r}: sample {sample!r} of {faces.folder} gives NaN: retrain it"
            )
        parts.append(found)
    return np.concatenate(parts)


def five(points: Float[np.ndarray, "n 68 2"]) -> Float[np.ndarray, "n 5 2"]:
    """Eyes, nose tip and mouth corners of 68 points, in the order of `points5`."""
    return np.asarray([geometry.five_of_68(face) for face in points]).reshape(-1, 5, 2)
