"""What a model says of every face: embeddings of images and of their mirror images, or anything it outputs.

float32, eval mode, no gradients; batches of a fixed size in row order, so that the same model, faces,
device and threads give the same numbers. Pixels go in as the model's own mean and deviation ask.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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
    (found,) = _looked_at(recogniser, faces, read, runtime, (mirrored,), start, stop, progress)
    return found


def _looked_at(
    recogniser: model.Recogniser,
    faces: Images,
    read: Callable[[Outputs], Tensor],
    runtime: Runtime,
    flips: Sequence[bool],
    start: int,
    stop: int | None,
    progress: Progress | None,
) -> list[Tensor]:
    """`survey` of every way in `flips`, each image decoded once, the next batch while the net works."""
    stop = len(faces) if stop is None else stop
    if start >= stop:
        raise ValueError(f"no faces to look at: {start} to {stop} of {len(faces)}")
    spec, training = recogniser.spec, recogniser.training
    recogniser.to(runtime.device).eval()
    parts: list[list[Tensor]] = [[] for _ in flips]
    try:
        with torch.inference_mode(), closing(_ahead(faces, start, stop)) as batches:
            for images in batches:
                pixels = images.to(runtime.device)
                for mirrored, part in zip(flips, parts, strict=True):
                    shown = pixels.flip(2) if mirrored else pixels
                    part.append(read(recogniser(model.normalise(shown, spec.mean, spec.std))).float().cpu())
                    if progress is not None:
                        progress.advance(len(pixels))
    finally:
        recogniser.train(training)
    return [torch.cat(part).clone() for part in parts]  # copies that may be used in training


def _ahead(faces: Images, start: int, stop: int) -> Generator[Tensor, None, None]:
    """Batches in order, one decoded ahead in a thread: OpenCV and torch both work without Python's lock."""
    rows = [np.arange(first, min(first + BATCH, stop)) for first in range(start, stop, BATCH)]
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(faces.images, rows[0])
        for following in [*rows[1:], None]:
            images = coming.result()
            if following is not None:
                coming = pool.submit(faces.images, following)
            yield images


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

    flips = (False, True)
    both = _looked_at(recogniser, faces, embedding, runtime, flips, start, stop, progress)
    return np.stack([part.numpy() for part in both], 1)
