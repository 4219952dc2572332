"""What the training stages use of `stage.Run`, in memory, over small datasets in the working directory."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from pipeline.runtime import Runtime
from tests.train.tiny import write_faces

ENTRY = {
    "backbone": "ir", "shape": "small", "conv": "plain", "head": "cosface", "margin": "mild",
    "augment": "flip", "schedule": "sgd", "epochs": "size", "seed": 3,
}  # fmt: skip
PARAMS = {
    "data": {"labelled": "home", "validation": "validation", "landmarked": "home"},
    "scout": ENTRY | {"holdout": 0.34},
    "landmark": {
        "net": "fan",
        "preset": "tiny",
        "schedule": "adam",
        "epochs": 2,
        "augment": "flip",
        "seed": 4,
    },
    "train": {
        "alone": ENTRY | {"cluster": "none", "init": "data/models/none", "landmark": "data/models/none"},
    },
    "backbones": {"ir": {"small": {"depth": [1, 1], "width": [4, 8, 8], "dim": 9}}},
    "convs": {"plain": {}, "dynamic": {"experts": 2, "last_stages": 1}},
    "heads": {"cosface": {"mild": {"m": 0.1, "s": 16.0}}},
    "augment": {"flip": {}, "wild": {}},
    "schedules": {
        "sgd": {"optimiser": "sgd", "lr": 0.05, "batch": 8, "warmup": 0.1},
        "adam": {"optimiser": "adam", "lr": 0.002, "weight_decay": 0.0, "batch": 8},
    },
    "clusters": {"none": {}, "kmeans": {"classes": 3, "start": 0.5}},
    "landmarks": {"fan": {"tiny": {"stacks": 1, "width": 8, "depth": 1}}},
    "sizes": {"smoke": {"epochs": {"scout": 2, "landmark": 1, "train": 3, "distill": 2}}},
}


@dataclass
class TrainingRun:
    item: str | None
    params: dict
    told: dict = field(default_factory=dict)
    logged: list = field(default_factory=list)
    runtime: Runtime = field(default_factory=lambda: Runtime(device="cpu", threads=1, workers=0))
    prepared: Path = Path("data/prepared")
    checkpoints: Path = Path(".ckpt/stage/fingerprint")
    steps: int = 0

    def metrics(self, values):
        self.told = dict(values)

    def log(self, values, step=None):
        self.logged.append((step, dict(values)))

    @contextlib.contextmanager
    def progress(self, total, what):
        def advance(steps=1):
            self.steps += steps

        yield SimpleNamespace(advance=advance)


def datasets(excluded=()):
    """Datasets `home` (6 people, 5 images each) and `validation` (4, 5), and who may not be trained on."""
    prepared = Path("data/prepared")
    write_faces(prepared / "crop" / "home", 6, 5)
    write_faces(prepared / "crop" / "validation", 4, 5, seed=9)
    (prepared / "overlap").mkdir()
    rows = [{"dataset": "home", "sample_id": sample, "reason": "name"} for sample in excluded]
    frame = pd.DataFrame(rows, columns=["dataset", "sample_id", "reason"])
    frame.to_parquet(prepared / "overlap" / "exclusions.parquet")
