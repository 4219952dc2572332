"""Small datasets, models and annotations in the working directory, for the stages that measure."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pipeline import model, records
from pipeline.annotators import SIZES

SIZE = 16
DATA = {
    "labelled": "home",
    "unlabelled": "wild",
    "landmarked": "home",
    "validation": "val",
    "clustered": "wild",
    "benchmarks": ["test"],
}


def write_people(folder, people, each=4, seed=0, names=None):
    """Noisy copies of one random image a person, who is known by number: the same number, the same image."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    writer, noise = records.Writer(folder), np.random.default_rng(seed)
    for person in people:
        mean = (
            np.random.default_rng(1000 + person)
            .integers(20, 236, (SIZE // 4, SIZE // 4, 3))
            .repeat(4, 0)
            .repeat(4, 1)
        )
        for k in range(each):
            image = (mean + noise.normal(0, 12, mean.shape)).clip(0, 255).astype(np.uint8)
            identity = f"{folder.name}{person:03d}"
            name = names.get(person) if names else None
            encoded = records.encode(image, 101)
            writer.add(records.Sample(f"{identity}/{k}", encoded, identity=identity, name=name))
    rows = []
    for number in range(40):
        a, b = noise.choice(people, 2, replace=False)
        for other, same in ((a, True), (b, False)):
            first, second = noise.choice(each, 2, replace=False)
            pair = [f"{folder.name}{who:03d}/{k}" for who, k in ((a, first), (other, second))]
            row = {"protocol": "mixed", "fold": number // 8, "a": pair[0], "b": pair[1], "same": same}
            rows.append(row)
    writer.close({"crop": "aligned"}, records.pair_table(rows))


def write_model(folder="data/models/teacher", **changes):
    """An untrained net with routing; its embeddings tell these people apart all the same."""
    torch.manual_seed(0)
    shape = {"depth": [1, 1, 1], "width": [4, 8, 8, 8], "dim": 16}
    spec = model.ModelSpec(
        name="teacher", shape=shape, size=SIZE, conv="dynamic", conv_params={"experts": 4, "last_stages": 2},
        **changes,
    )  # fmt: skip
    model.save(folder, spec, model.build(spec))


def write_annotations(dataset, people, each=4):
    """Attributes by person; the last face of all is unsure of its yaw."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sample_id": [f"{dataset}{p:03d}/{k}" for p in people for k in range(each)]})
    for name, size in SIZES.items():
        frame[name] = np.repeat(rng.integers(0, size, len(people)), each).astype(np.int8)
        frame[f"{name}_confidence"] = np.float32(0.9)
    frame.loc[len(frame) - 1, "yaw_confidence"] = 0.2
    folder = Path("data/prepared/annotate") / dataset
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "annotations.parquet")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
