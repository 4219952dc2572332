"""Clustering losses: terms that gather routing vectors into clusters while a recogniser is trained.

A plugin's `build(params, routing_size, rows, epochs, seed)` gives an `Objective` with `save(folder)`, or
none. `rows` counts the labelled faces, `Batch.row` points among them. A plugin that waits for a while has
`first_epoch(params, epochs)` too: the epoch that it sets in with. What was learned is a classifier of routing
vectors, kept with the model: `load_classifier(model folder)` gives it back to the cluster stage.

    cosine      logit_c = <beta / |beta|, w_c / |w_c|> / T
    euclidean   logit_c = -|beta - w_c|^2 / (2 T)       up to a constant: (beta w_c - |w_c|^2 / 2) / T

beta: routing vector (b, r), w: weight (C, r). Both are linear classifiers; the argmax is the nearest
centroid.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from pipeline import files

Metric = Literal["cosine", "euclidean"]
Assign = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.int64]]
"""Routing vectors (n, r) -> cluster of each (n)."""

FILE = "clusters.pt"
_AT_A_TIME = 65536


def scores(
    routing: Float[Tensor, "b r"], weight: Float[Tensor, "c r"], metric: Metric
) -> Float[Tensor, "b c"]:
    """Logits at T = 1: the higher, the nearer is the centroid."""
    if metric == "cosine":
        return normalize(routing) @ normalize(weight).T
    if metric == "euclidean":
        return routing @ weight.T - weight.square().sum(1) / 2
    raise ValueError(f"metric {metric!r} is unknown (cosine or euclidean)")


def assign(routing: Float[Tensor, "n r"], weight: Float[Tensor, "c r"], metric: Metric) -> Tensor:
    """The nearest centroid of each routing vector, in float64 and a part at a time."""
    wide = weight.double()
    parts = [scores(part.double(), wide, metric).argmax(1) for part in routing.split(_AT_A_TIME)]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.int64)


def save_classifier(folder: str | Path, weight: Float[Tensor, "c r"], metric: Metric) -> None:
    """Writes `clusters.pt` into a model's folder."""
    buffer = io.BytesIO()
    torch.save({"weight": weight.detach().cpu().float().contiguous().clone(), "metric": metric}, buffer)
    files.write_bytes(Path(folder) / FILE, buffer.getvalue())


def load_classifier(folder: str | Path) -> Assign:
    """The trained classifier of a model's routing vectors; FileNotFoundError where none was trained."""
    path = Path(folder) / FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist: this model was trained without a clustering loss")
    state = torch.load(path, map_location="cpu", weights_only=True)
    weight, metric = state["weight"], state["metric"]

    def classify(routing: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        if routing.ndim != 2 or routing.shape[1] != weight.shape[1]:
            raise ValueError(f"{path} takes routing vectors (n, {weight.shape[1]}), got {routing.shape}")
        return assign(torch.from_numpy(np.ascontiguousarray(routing)), weight, metric).numpy()

    return classify
