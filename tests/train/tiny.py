"""Small datasets of coloured noise, and a net small enough to train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import files, records
from pipeline.augment import Unchanged
from pipeline.contracts import UNLABELLED, Batch, Objective, Outputs
from pipeline.loader import Faces
from pipeline.records import Sample
from pipeline.train.batches import Batches, Stream

SIZE = 16


def write_faces(folder: Path, identities: int = 6, images: int = 5, size: int = SIZE, seed: int = 0) -> Path:
    """Every identity is a colour, with noise and 68 random points; PNG, so that pixels are exact."""
    random = np.random.default_rng(seed)
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside, rows_per_shard=7)
        for identity in range(identities):
            colour = random.integers(40, 216, 3)
            for image in range(images):
                noise = random.integers(-30, 30, (size, size, 3))
                pixels = np.clip(colour + noise, 0, 255).astype(np.uint8)
                sample = Sample(f"p{identity:03d}/{image}", records.encode(pixels, 101))
                sample.identity = f"p{identity:03d}"
                sample.points68 = random.uniform(0, size - 1, 136).astype(np.float32).tolist()
                writer.add(sample)
        writer.close({"name": folder.name})
    return folder


def two_streams(folder: Path, workers: int = 0, seed: int = 1) -> Batches:
    """30 labelled faces in batches of 8, 21 unlabelled ones in batches of 4."""
    labelled = Faces(write_faces(folder / "labelled"), needs_identity=True, cache_gb=1)
    unlabelled = Faces(write_faces(folder / "unlabelled", 3, 7, seed=1))
    return Batches(
        Stream(labelled, 8, seed, Unchanged(flip=True)),
        Stream(unlabelled, 4, seed, Unchanged(flip=True), domain=UNLABELLED),
        seed=seed,
        workers=workers,
    )


class Net(nn.Module):
    """Conv, batch norm, dropout, linear: everything whose state a resume could lose."""

    def __init__(self, dim: int = 8, dropout: float = 0.3) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3, 2), nn.BatchNorm2d(6), nn.PReLU(6), nn.Dropout(dropout), nn.Flatten()
        )
        self.last = nn.Linear(6 * 7 * 7, dim)

    def forward(self, image: Tensor) -> Outputs:
        return Outputs(embedding=self.last(self.body(image)))


class Classes(Objective):
    """Cross entropy, and centres in a buffer that every epoch and every step changes."""

    centre: Tensor
    told: Tensor

    def __init__(self, classes: int, dim: int = 8) -> None:
        super().__init__()
        self.classifier = nn.Linear(dim, classes)
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("told", torch.zeros((), dtype=torch.int64))

    def begin_epoch(self, epoch: int, survey: Any) -> None:
        self.centre.copy_(survey(lambda outputs: outputs.embedding).mean(0))
        self.told += 1

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        with torch.no_grad():
            self.centre.mul_(0.99).add_(outputs.embedding.mean(0), alpha=0.01)
        known = batch.label >= 0
        entropy = nn.functional.cross_entropy(self.classifier(outputs.embedding[known]), batch.label[known])
        return {"recognition": entropy, "spread": 0.1 * (outputs.embedding - self.centre).square().mean()}
