"""Clusters as pictures: a t-SNE map coloured by attributes, and galleries of members with their mean face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from pipeline.evaluate import figures
from pipeline.evaluate.embed import Images

POINTS = 2000  # of a t-SNE map
AVERAGED = 200  # members whose mean is the mean face
ROWS = 12  # clusters of a gallery
COLOURED = ("yaw", "gender", "race", "age_group")
NAMES = {
    "age_group": ("0-19", "20-49", "50+"),
    "gender": ("female", "male"),
    "race": ("Black", "East/Southeast Asian", "Indian", "Latino Hispanic", "Middle Eastern/White"),
    "pitch": ("down", "up", ""),
    "yaw": ("to the left", "to the right", ""),
}


def describe(codes: Mapping[str, int]) -> str:
    """Words for a combination of attribute codes."""
    return ", ".join(word for name, code in codes.items() if (word := NAMES[name][code]))


def tsne(values: Float[np.ndarray, "n d"], seed: int) -> Float[np.ndarray, "n 2"]:
    """Places in the plane; one thread, so that the same values give the same picture."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(30.0, max(1.0, (len(values) - 1) / 3))
    with threadpool_limits(1):
        placed = TSNE(perplexity=perplexity, init="pca", random_state=seed, max_iter=500, n_jobs=1)
        return np.asarray(placed.fit_transform(np.asarray(values, np.float64)), np.float64)


def maps(
    views: Mapping[str, Float[np.ndarray, "n d"]], attributes: pd.DataFrame, seed: int, path: Path
) -> None:
    """A t-SNE map of each view, coloured by the attributes that vary."""
    rows = np.arange(len(attributes))
    if len(rows) > POINTS:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), POINTS, replace=False))
    coloured = [name for name in COLOURED if name in attributes] or list(attributes.columns)[:1]
    named = {
        name: [NAMES[name][code] or "frontal" for code in attributes[name].iloc[rows]] for name in coloured
    }
    figures.scatter({view: tsne(values[rows], seed) for view, values in views.items()}, named, path)


def gallery(
    clusters: Int[np.ndarray, " n"],
    values: Float[np.ndarray, "n d"],
    attributes: pd.DataFrame,
    faces: Images,
    members: int,
    path: Path,
) -> None:
    """The largest clusters, a row each: the mean face, then the members nearest to the cluster's mean."""
    labels, sizes = np.unique(clusters, return_counts=True)
    rows = []
    for label in labels[np.argsort(-sizes, kind="stable")][:ROWS]:
        inside = np.flatnonzero(clusters == label)
        distance = np.linalg.norm(values[inside] - values[inside].mean(0), axis=1)
        shown = inside[np.argsort(distance, kind="stable")[:members]]
        evenly = inside[np.linspace(0, len(inside) - 1, min(AVERAGED, len(inside))).astype(np.int64)]
        mean = np.asarray(np.rint(faces.images(evenly).numpy().astype(np.float64).mean(0)), np.uint8)
        rows.append((title(int(label), attributes.iloc[inside]), [mean, *faces.images(shown).numpy()]))
    figures.sheet(rows, path)


def title(label: int, inside: pd.DataFrame) -> str:
    """Which cluster, how large, and its largest cohort."""
    groups = inside.groupby(list(inside.columns), sort=True).size()
    largest = groups.idxmax()
    codes: Sequence[int] = largest if isinstance(largest, tuple) else (largest,)
    words = describe(dict(zip(inside.columns, (int(code) for code in codes), strict=True)))
    return f"cluster {label}, {len(inside)} faces, {groups.max() / len(inside):.0%} {words}"
