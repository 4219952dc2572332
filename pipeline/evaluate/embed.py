"""What a model says of every face: embeddings of images and of their mirror images, or anything it outputs.

float32, eval mode, no gradients; batches of a fixed size in row order, so that the same model, faces,
device and threads give the same numbers. Pixels go in as the model's own mean and deviation ask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline import model
from pipeline.contracts import Outputs, Progress
from pipeline.runtime import Runtime

log = logging.getLogger(__name__)
BATCH = 256  # faces at a time


class Images(Protocol):
    """What is needed of `pipeline.loader.Faces`."""

    def __len__(self) -> int: ...

    def images(self, positions: npt.NDArray[np.int64]) -> Tensor: ...


def survey(
    recogniser: model.Recogniser,
    faces: Images,
    read: Callable[[Outputs], Tensor],
    runtime: Runtime,
    mirrored: bool = False,
    *,
    start: int = 0,
    stop: int | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """read(outputs) of faces start..stop in order, on the CPU; the model's mode is put back afterwards."""
    stop = len(faces) if stop is None else stop
    if start >= stop:
        raise ValueError(f"no faces to look at: {start} to {stop} of {len(faces)}")
    spec, training = recogniser.spec, recogniser.training
    recogniser.to(runtime.device).eval()
    parts = []
    try:
        with torch.inference_mode():
            for first in range(start, stop, BATCH):
                positions = np.arange(first, min(first + BATCH, stop))
                pixels = faces.images(positions).to(runtime.device)
                pixels = pixels.flip(2) if mirrored else pixels
                outputs = recogniser(model.normalise(pixels, spec.mean, spec.std))
                parts.append(read(outputs).float().cpu())
                if progress is not None:
                    progress.advance(len(positions))
    finally:
        recogniser.train(training)
    return torch.cat(parts).clone()  # a copy that may be used in training, unlike inference tensors


def embed(
    recogniser: model.Recogniser,
    faces: Images,
    runtime: Runtime,
    *,
    start: int = 0,
    stop: int | None = None,
    progress: Progress | None = None,
) -> Float[np.ndarray, "n 2 d"]:
    """Embeddings, not normalised, of faces start..stop: [:, 0] plain, [:, 1] of the mirror images."""

    def embedding(outputs: Outputs) -> Tensor:
        return outputs.embedding

    both = [
        survey(recogniser, faces, embedding, runtime, flip, start=start, stop=stop, progress=progress)
        for flip in (False, True)
    ]
    return np.stack([part.numpy() for part in both], 1)
