"""A tiny dataset on disk and a tiny model, for whatever measures models."""

import numpy as np
import pytest

from pipeline import model, records
from pipeline.runtime import Runtime

SIZE = 16


def images(people, each, seed=0):
    """(people * each) noisy copies of one random image a person."""
    rng = np.random.default_rng(seed)
    mean = rng.integers(40, 215, (people, 1, SIZE, SIZE, 3))
    return (mean + rng.normal(0, 20, (people, each, SIZE, SIZE, 3))).clip(0, 255).astype(np.uint8)


@pytest.fixture
def dataset(tmp_path):
    """write(name, people, each) -> folder of a dataset whose pairs are of two people or of one."""

    def write(name="test", people=12, each=4, seed=0, folds=True, identity=True):
        folder = tmp_path / name
        folder.mkdir()
        writer = records.Writer(folder)
        for person, faces in enumerate(images(people, each, seed)):
            for k, face in enumerate(faces):
                who = f"p{person:02d}" if identity else None
                writer.add(records.Sample(f"p{person:02d}/{k}", records.encode(face, 101), identity=who))
        rng = np.random.default_rng(seed)
        rows = []
        for number in range(20):
            a, b = rng.choice(people, 2, replace=False)
            fold = number // 5 if folds else 0
            for other, same in ((a, True), (b, False)):
                first, second = rng.choice(each, 2, replace=False)
                pair = {"a": f"p{a:02d}/{first}", "b": f"p{other:02d}/{second}", "same": same}
                rows.append({"protocol": "mixed", "fold": fold, **pair})
        writer.close({"crop": "aligned"}, records.pair_table(rows))
        return folder

    return write


@pytest.fixture
def spec():
    """A net of a few thousand parameters."""
    shape = {"depth": [1, 1], "width": [4, 4, 8], "dim": 6, "stem_stride": 1}
    return model.ModelSpec(name="tiny", shape=shape, size=SIZE, mean=(120.0, 127.5, 130.0), std=64.0)


@pytest.fixture
def recogniser(spec):
    import torch

    torch.manual_seed(0)
    return model.build(spec).eval()


@pytest.fixture
def runtime():
    return Runtime(device="cpu", threads=1)
