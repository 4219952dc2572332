"""Params and small datasets in the working directory, for the stages that train."""

from pathlib import Path

import pandas as pd

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


def datasets(excluded=()):
    """Datasets `home` (6 people, 5 images each) and `validation` (4, 5), and who may not be trained on."""
    prepared = Path("data/prepared")
    write_faces(prepared / "crop" / "home", 6, 5)
    write_faces(prepared / "crop" / "validation", 4, 5, seed=9)
    (prepared / "overlap").mkdir()
    rows = [{"dataset": "home", "sample_id": sample, "reason": "name"} for sample in excluded]
    frame = pd.DataFrame(rows, columns=["dataset", "sample_id", "reason"])
    frame.to_parquet(prepared / "overlap" / "exclusions.parquet")
    none = pd.DataFrame({"dataset": [], "identity": [], "into": []}, dtype=str)
    none.to_parquet(prepared / "overlap" / "merged.parquet")
