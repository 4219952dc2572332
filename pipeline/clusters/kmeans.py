"""k-means clustering loss on routing vectors (thesis, 5.2.2; https://arxiv.org/abs/1807.05520).

    before epoch e >= start * epochs:  k-means of beta over the whole labelled set gives centroids mu
                                       and pseudo-labels P; classifier weights w <- mu
    in epoch e:                        L = weight * CE(classifier(beta), P)        (Eqs. 5.5 and 5.6)

The thesis has the identity as projection and "a linear classifier with normalized weight", whose weights
are the centroids, and names the released code of SwAV and DeepCluster-v2 as its source. So the default is
theirs: vectors and centroids of length 1, T = 0.1; k-means on normalised vectors, and labels by the nearest
normalised centroid, so that the classifier begins every epoch by predicting its pseudo-labels exactly.
`metric: euclidean` is k-means of the vectors as they are, with the linear rule that reproduces it (see
`pipeline.clusters`). Either way w is trained on by gradient.
New clusters take the places of the old ones that they resemble most: the order means nothing to the loss,
but the optimiser's momentum belongs to a place. A cluster that nothing is assigned to keeps its centroid.
"""

from __future__ import annotations

import logging
import math
import warnings
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from pipeline.clusters import Metric, assign, save_classifier, scores
from pipeline.contracts import LABELLED, Batch, Objective, Outputs, Strict, Survey

logger = logging.getLogger(__name__)


class Params(Strict):
    classes: int = Field(300, ge=2)  # clusters C
    weight: float = Field(1.0, ge=0)  # lambda of Eq. 5.6
    start: float = Field(0.5, ge=0, lt=1)  # share of the epochs that are trained before it sets in
    temperature: float = Field(0.1, gt=0)  # T of the classifier's softmax
    metric: Metric = "cosine"  # cosine: the released code's; euclidean: plain k-means
    restarts: int = Field(1, ge=1)  # runs of k-means, of which the best counts
    sample: int = Field(0, ge=0)  # vectors that k-means is fitted on, all are assigned; 0: all


def kmeans(
    points: Float[Tensor, "n r"], classes: int, *, seed: int, restarts: int = 1, sample: int = 0
) -> Float[Tensor, "c r"]:
    """Centroids (Lloyd's algorithm from k-means++); the same on any number of threads of one machine."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    if len(points) < classes:
        raise ValueError(f"{classes} clusters of {len(points)} routing vectors; lower clustering.classes")
    values = points.double().numpy()
    if sample and sample < len(values):
        chosen = np.random.default_rng(seed).choice(len(values), max(sample, classes), replace=False)
        values = values[np.sort(chosen)]
    with threadpool_limits(1), warnings.catch_warnings():
        # fewer distinct vectors than clusters: the caller counts the empty ones
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(classes, n_init=restarts, random_state=seed, algorithm="lloyd").fit(values)
    return torch.from_numpy(found.cluster_centers_).float()


def in_old_order(new: Float[Tensor, "c r"], old: Float[Tensor, "c r"]) -> Float[Tensor, "c r"]:
    """`new`, permuted so that the sum of the cosines of new[c] and old[c] is as large as can be."""
    from scipy.optimize import linear_sum_assignment

    likeness = (normalize(old.double()) @ normalize(new.double()).T).numpy()
    return new[torch.from_numpy(linear_sum_assignment(likeness, maximize=True)[1])]


class KMeansClusters(Objective):
    """The term "cluster", from epoch `first_epoch` on. `labels` are the pseudo-labels, -1 before that."""

    labels: Tensor
    fitted: Tensor

    def __init__(
        self,
        routing_size: int,
        rows: int,
        first_epoch: int,
        *,
        classes: int = 300,
        weight: float = 1.0,
        temperature: float = 0.1,
        metric: Metric = "cosine",
        restarts: int = 1,
        sample: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if routing_size < 1:
            raise ValueError("a clustering loss needs routing vectors: use conv dynamic or dynamic_group")
        if rows < classes:
            raise ValueError(f"{classes} clusters of {rows} labelled faces; lower clusters.kmeans.classes")
        self.first_epoch, self.scale, self.temperature = first_epoch, weight, temperature
        self.classes, self.metric, self.seed = classes, metric, seed
        self.restarts, self.sample = restarts, sample
        self.weight = nn.Parameter(torch.zeros(classes, routing_size))
        self.weight.no_decay = True  # type: ignore[attr-defined]  # a centroid is a place, not to be shrunk
        self.register_buffer("labels", torch.full((rows,), -1, dtype=torch.int64))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def begin_epoch(self, epoch: int, survey: Survey) -> None:
        if epoch < self.first_epoch:
            return
        routing = survey(_routing)
        if len(routing) != len(self.labels):
            raise ValueError(f"{len(routing)} routing vectors of {len(self.labels)} labelled faces")
        if not bool(torch.isfinite(routing).all()):
            raise FloatingPointError("a routing vector is not finite: nothing to cluster")
        points = normalize(routing.double()) if self.metric == "cosine" else routing.double()
        centroids = kmeans(
            points, self.classes, seed=self.seed + epoch, restarts=self.restarts, sample=self.sample
        )
        centroids = normalize(centroids) if self.metric == "cosine" else centroids
        if bool(self.fitted):
            centroids = in_old_order(centroids, self.weight.detach().cpu())
        labels = assign(points, centroids, self.metric)
        used = len(labels.unique())
        if used < self.classes:
            logger.warning("k-means: %d of %d clusters are empty", self.classes - used, self.classes)
        with torch.no_grad():
            self.weight.copy_(centroids)
            self.labels.copy_(labels)
            self.fitted.fill_(True)

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        here = batch.domain == LABELLED
        if not self._on or not bool(here.any()):
            return {}
        logits = self.logits(_routing(outputs)[here])
        return {"cluster": self.scale * cross_entropy(logits, self.labels[batch.row[here]])}

    @property
    def _on(self) -> bool:
        return self.scale > 0 and bool(self.fitted)

    def logits(self, routing: Float[Tensor, "b r"]) -> Float[Tensor, "b c"]:
        return scores(routing, self.weight, self.metric) / self.temperature

    def save(self, folder: str | Path) -> None:
        """Keeps the classifier with the model in `folder`; nothing before the loss has set in."""
        if bool(self.fitted):
            save_classifier(folder, self.weight, self.metric)


def _routing(outputs: Outputs) -> Tensor:
    if outputs.routing is None:
        raise ValueError("a clustering loss needs routing vectors: use conv dynamic or dynamic_group")
    return outputs.routing


def first_epoch(params: Params, epochs: int) -> int:
    """The epoch that it sets in with; as many as `epochs` is never."""
    return math.ceil(params.start * epochs - 1e-9)


def build(params: Params, routing_size: int, rows: int, epochs: int, seed: int) -> Objective | None:
    first = first_epoch(params, epochs)
    if first >= epochs:
        raise ValueError(
            f"the clustering loss sets in after {first} of {epochs} epochs, that is never: "
            f"lower its start ({params.start}), or train longer"
        )
    return KMeansClusters(
        routing_size,
        rows,
        first,
        classes=params.classes,
        weight=params.weight,
        temperature=params.temperature,
        metric=params.metric,
        restarts=params.restarts,
        sample=params.sample,
        seed=seed,
    )
