"""Images of one set that are in another, a protected one: the same photograph, saved again.

    near-duplicate   Hamming distance of the hashes <= radius, and cosine of the embeddings >= similarity

A photograph that was made smaller, cut a little differently, mirrored, compressed or recoloured keeps its
hash within a few bits (`pipeline.evaluate.hashes`). So do a few in a hundred thousand others, which the
embedding tells apart: on LFW-a, with a foreign net, the pairs that are left at 8 bits and 0.9 are photographs
that LFW has twice, under two names among them, and shots of one moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.evaluate import hashes
from pipeline.evaluate.overlap import Faces, Spares, listed
from pipeline.evaluate.vectors import normalise

REASON = "duplicate"


@dataclass(frozen=True)
class Near:
    """The likest protected image of a face that is a near-duplicate."""

    benchmark: str
    sample_id: str
    distance: int  # bits
    similarity: float


def find(
    training: Faces,
    protected: Sequence[Faces],
    radius: int,
    similarity: float,
    spares: Spares = lambda *_: False,
) -> dict[int, Near]:
    """Row of `training` -> the likest protected image, where that is a near-duplicate of it."""
    found: dict[int, Near] = {}
    for faces in protected:
        if training.hashes is None or faces.hashes is None:
            raise ValueError(
                f"{training.dataset}, {faces.dataset}: near-duplicates need hashes of the images"
            )
        for a, b, bits in hashes.within(training.hashes, faces.hashes, radius):
            alike = _cosines(training, faces, a, b)
            for i in np.flatnonzero(alike >= similarity):
                if spares(training.dataset, int(a[i]), faces, int(b[i])):
                    continue
                row, matched = int(a[i]), faces.sample_id[b[i]]
                near = Near(faces.dataset, matched, int(bits[i]), float(alike[i]))
                if row not in found or near.similarity > found[row].similarity:
                    found[row] = near
    return found


def _cosines(
    training: Faces, other: Faces, a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    left, right = (normalise(faces.vector[rows]) for faces, rows in ((training, a), (other, b)))
    return np.einsum("nd,nd->n", left.astype(np.float64), right.astype(np.float64))


def rows(
    training: Faces, found: dict[int, Near], threshold: float, whole_identity: bool
) -> list[dict[str, Any]]:
    """What is removed: the images, and with `whole_identity` all others of their people too."""
    gone = dict(found)
    if whole_identity:
        people = {
            training.identity[row]: near for row, near in found.items() if training.identity[row] is not None
        }
        for row, person in enumerate(training.identity):
            if person in people:
                gone.setdefault(row, people[person])
    return [
        listed(training, row, REASON, near.benchmark, near.sample_id, near.similarity, threshold)
        for row, near in sorted(gone.items())
    ]
