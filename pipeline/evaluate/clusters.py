"""How well clusters of routing vectors, or of pooled features, agree with attributes (thesis, 5.4.2).

    purity = (1 / n) sum over clusters of the size of the cluster's largest cohort
    AMI    = (MI - E MI) / ((H(clusters) + H(cohorts)) / 2 - E MI)     0 by chance, 1 for equal ones

A cohort is a combination of attributes. Purity grows with the number of clusters, AMI does not. What is
compared must be assigned alike: k-means with the same number of clusters, seeds and metric for routing and
pooled features; the trained classifier's clusters stand beside it. Pooled features are the average-pooled
maps of the last three stages, one after the other (the thesis' baseline).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.annotators import ATTRIBUTES, UNKNOWN
from pipeline.clusters import Assign, Metric, assign
from pipeline.clusters.kmeans import kmeans
from pipeline.contracts import Outputs

METRICS: tuple[Metric, ...] = ("euclidean", "cosine")
SEEDS = 3  # runs of k-means, of different first centroids
STAGES = 3  # last ones whose maps are pooled


def purity(clusters: Int[np.ndarray, " n"], cohorts: Int[np.ndarray, " n"]) -> float:
    """Share of samples that belong to the largest cohort of their cluster."""
    if not len(clusters):
        raise ValueError("no samples: purity of nothing")
    _, cluster = np.unique(clusters, return_inverse=True)
    _, cohort = np.unique(cohorts, return_inverse=True)
    table = np.zeros((cluster.max() + 1, cohort.max() + 1), np.int64)
    np.add.at(table, (cluster, cohort), 1)
    return float(table.max(1).sum() / len(cluster))


def ami(clusters: Int[np.ndarray, " n"], cohorts: Int[np.ndarray, " n"]) -> float:
    """Adjusted mutual information, arithmetic mean of the entropies."""
    from sklearn.metrics import adjusted_mutual_info_score

    return float(adjusted_mutual_info_score(cohorts, clusters))


def agreement(
    clusters: Int[np.ndarray, " n"],
    cohorts: Int[np.ndarray, " n"],
    attributes: Mapping[str, npt.NDArray[Any]],
) -> dict[str, float]:
    """Purity and AMI with the cohorts, AMI with each attribute alone."""
    found = {"purity": purity(clusters, cohorts), "ami": ami(clusters, cohorts)}
    found |= {f"ami_{name}": ami(clusters, codes) for name, codes in attributes.items()}
    return {**found, "used": len(np.unique(clusters))}


def spread(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and standard deviation (of a sample) of every number over runs."""
    table = pd.DataFrame(list(runs))
    std = table.std(ddof=1) if len(table) > 1 else table.mean() * 0
    return {name: {"mean": float(table[name].mean()), "std": float(std[name])} for name in table.columns}


@dataclass(frozen=True)
class Clustering:
    """One run of k-means."""

    labels: npt.NDArray[np.int64]
    centroids: npt.NDArray[np.float32]


def cluster(
    features: Float[np.ndarray, "n d"], classes: int, metric: Metric, seed: int, runs: int = SEEDS
) -> list[Clustering]:
    """k-means from `runs` seeds; with the cosine metric on vectors of length 1."""
    points = torch.from_numpy(np.ascontiguousarray(features, np.float32))
    points = normalize(points.double()).float() if metric == "cosine" else points
    found = []
    for run in range(runs):
        centroids = kmeans(points, classes, seed=seed + run)
        found.append(Clustering(assign(points, centroids, metric).numpy(), centroids.numpy()))
    return found


def cosines(centroids: Float[np.ndarray, "c d"]) -> Float[np.ndarray, " pairs"]:
    """Cosine of every pair of centroids (thesis, Fig. 5.8)."""
    unit = centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    return (unit @ unit.T)[np.triu_indices(len(unit), 1)]


def features(outputs: Outputs) -> Tensor:
    """Routing vector, then pooled maps of the last stages; `widths` says where one ends."""
    parts = [] if outputs.routing is None else [outputs.routing]
    return torch.cat([*parts, *(value.mean((2, 3)) for value in _last(outputs))], 1)


def widths(outputs: Outputs) -> dict[str, int]:
    """Columns of `features`: routing (0 where the model has none) and pooled."""
    routing = 0 if outputs.routing is None else outputs.routing.shape[1]
    pooled = sum(value.shape[1] for value in _last(outputs))
    if not routing and not pooled:
        raise ValueError("this model gives neither routing vectors nor maps: there is nothing to cluster")
    return {"routing": routing, "pooled": pooled}


def _last(outputs: Outputs) -> list[Tensor]:
    return list(outputs.maps.values())[-STAGES:]


@dataclass(frozen=True)
class Cohorts:
    """Annotated faces that may be clustered."""

    frame: pd.DataFrame  # sample_id and the attributes used
    attributes: list[str]
    left_out: dict[str, int]

    def ordered(self, sample_ids: Sequence[str]) -> Cohorts:
        """The same faces in the order of `sample_ids`; an error where one of them has no annotation."""
        frame = self.frame.set_index("sample_id").reindex(list(sample_ids))
        if len(frame) != len(self.frame) or frame.isna().any(axis=None):
            raise ValueError(f"{len(self.frame)} annotated faces, {len(frame)} images: not the same ones")
        return Cohorts(frame.astype("int64").reset_index(), self.attributes, self.left_out)

    @property
    def codes(self) -> npt.NDArray[np.int64]:
        """The cohort of each face, numbered from 0."""
        return self.frame.groupby(self.attributes, sort=True).ngroup().to_numpy().astype(np.int64)


def annotated(annotations: pd.DataFrame, sample: int, seed: int, confidence: float = 0.5) -> Cohorts:
    """Faces whose every attribute is known with more than `confidence`; `sample` of them at most, by seed.

    An attribute that no face of the dataset has is left aside.
    """
    attributes = [name for name in ATTRIBUTES if (annotations[name] != UNKNOWN).any()]
    if not attributes:
        raise ValueError("no face has any attribute: nothing to compare clusters with")
    known = (annotations[attributes] != UNKNOWN).all(axis=1)
    sure = (annotations[[f"{name}_confidence" for name in attributes]] > confidence).all(axis=1)
    kept = annotations[known & sure]
    left_out = {"unknown": int((~known).sum()), "unsure": int((known & ~sure).sum())}
    left_out["not_sampled"] = max(0, len(kept) - sample)
    if len(kept) > sample:
        rows = np.random.default_rng(seed).choice(len(kept), sample, replace=False)
        kept = kept.iloc[np.sort(rows)]
    if kept.empty:
        raise ValueError(f"no face has all of {', '.join(attributes)} with confidence above {confidence}")
    return Cohorts(kept[["sample_id", *attributes]].reset_index(drop=True), attributes, left_out)


@dataclass
class Study:
    """Clusters of each view of the faces, by each rule."""

    numbers: dict[str, dict[str, Any]]  # view -> rule -> agreement
    labels: dict[str, npt.NDArray[np.int64]]  # view and rule -> cluster of each face, in the first run
    cosines: dict[str, npt.NDArray[np.float32]]  # view and rule -> of every pair of centroids


def study(
    views: Mapping[str, Float[np.ndarray, "n d"]],
    cohorts: Cohorts,
    classes: int,
    seed: int,
    trained: Assign | None,
) -> Study:
    """Every view by k-means under both metrics; the routing vectors by the trained classifier, too."""
    truth = (cohorts.codes, {name: cohorts.frame[name].to_numpy() for name in cohorts.attributes})
    found = Study({view: {} for view in views}, {}, {})
    if trained is not None and "routing" in views:
        labels = trained(np.asarray(views["routing"], np.float32))
        found.labels["classifier"] = labels
        found.numbers["routing"]["classifier"] = agreement(labels, *truth)
    for view, values in views.items():
        for metric in METRICS:
            runs = cluster(values, classes, metric, seed)
            found.numbers[view][f"kmeans_{metric}"] = spread([agreement(one.labels, *truth) for one in runs])
            found.labels[f"{view}_kmeans_{metric}"] = runs[0].labels
            found.cosines[f"{view}, {metric}"] = cosines(runs[0].centroids)
    return found
