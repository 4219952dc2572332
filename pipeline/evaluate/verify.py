"""How well a model in training tells validation identities apart, on random pairs of them.

For training curves and choices; folds share people, so it is no benchmark result. The metrics are those of
`pipeline.evaluate.curves` and `pipeline.evaluate.folds`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from jaxtyping import Int

from pipeline.evaluate.curves import auc, eer, roc
from pipeline.evaluate.embed import embed
from pipeline.evaluate.folds import contiguous_folds, kfold
from pipeline.evaluate.vectors import cosine, fuse
from pipeline.loader import Faces
from pipeline.model import Recogniser
from pipeline.runtime import Runtime

PAIRS, SEED = 3000, 0  # genuine pairs at most; the same seed whatever the model's, whose curves share a chart


def random_pairs(
    labels: Int[np.ndarray, " faces"], count: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Rows a and b and sameness of up to `count` different genuine pairs and as many impostor pairs."""
    labels = np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    ends = np.cumsum(sizes * (sizes - 1) // 2)
    if len(sizes) < 2 or ends[-1] < 1:
        raise ValueError("no pairs: validation needs two identities, and one of them with two images")
    rng = np.random.default_rng(seed)
    chosen = rng.choice(ends[-1], size=min(count, int(ends[-1])), replace=False)
    person = np.searchsorted(ends, chosen, side="right")
    place = chosen - (ends - sizes * (sizes - 1) // 2)[person]  # pair (i, j < i) of a person stands at
    i = (1 + np.sqrt(1 + 8 * place)).astype(np.int64) // 2  # i (i - 1) / 2 + j
    a, b = order[starts[person] + i], order[starts[person] + place - i * (i - 1) // 2]
    first = rng.integers(0, len(labels), len(chosen))
    second = rng.integers(0, len(labels), len(chosen))
    while (clash := labels[first] == labels[second]).any():
        second[clash] = rng.integers(0, len(labels), int(clash.sum()))
    same = np.repeat([True, False], len(chosen))
    return np.concatenate([a, first]), np.concatenate([b, second]), same


class Validation:
    """Accuracy over 10 folds (flip: sum), AUC and EER of a net on random pairs of `faces` of known people.

    The pairs are drawn when it is made, before a training is paid for, and the same for every model.
    Errors: fewer than two genuine pairs, or one person alone.
    """

    def __init__(self, faces: Faces, runtime: Runtime, count: int = PAIRS) -> None:
        self.faces, self.runtime = faces, runtime
        try:
            self.a, self.b, self.same = random_pairs(faces.labels, count, SEED)
        except ValueError as error:
            raise ValueError(f"{faces.folder} can't validate a training: {error}") from error
        if self.same.sum() < 2:
            raise ValueError(f"{faces.folder} can't validate a training: it has one genuine pair, not two")

    def __call__(self, recogniser: Recogniser) -> dict[str, float]:
        unit = fuse(embed(recogniser, self.faces, self.runtime), "sum", self.faces.sample_ids)
        scores = cosine(unit, self.a, self.b)
        curve = roc(scores, self.same)
        folds = kfold(scores, self.same, contiguous_folds(self.same, min(10, curve.genuine)))
        return {"accuracy": folds.mean, "auc": auc(curve), "eer": eer(curve)}
