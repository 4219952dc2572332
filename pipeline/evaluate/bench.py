"""A model under test: its embeddings of each benchmark, computed once, and the metrics of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from pipeline import sharpness
from pipeline.evaluate import (
    classify,
    cost,
    curves,
    embed,
    exhaustive,
    fairness,
    intervals,
    scored,
    templated,
    vectors,
)
from pipeline.evaluate.folds import contiguous_folds
from pipeline.loader import Faces
from pipeline.model import Model
from pipeline.protocols import Asked, Exhausted, Pooled, Searched, Verified
from pipeline.records import Dataset, read_parquet
from pipeline.runtime import Runtime

SEED = 0  # of the bootstrap: the same draws for every model


class Measuring:
    """Faces whose `sharpness` is measured, where `wanted`, as their images pass by: none is decoded twice."""

    def __init__(self, faces: embed.Images, wanted: bool) -> None:
        self._faces, self._wanted = faces, wanted
        self.sharpness = np.full(len(faces), np.nan)

    def __len__(self) -> int:
        return len(self._faces)

    def images(self, positions: npt.NDArray[np.int64]) -> Tensor:
        images = self._faces.images(positions)
        if self._wanted:
            self.sharpness[positions] = [sharpness.variance(image) for image in images.numpy()]
        return images


class ModelBench:
    """What `pipeline.protocols.Bench` asks for, of one model and benchmark folders by name.

    `described` are the folders of their annotations, where there are any.
    """

    def __init__(
        self,
        model: Model,
        folders: Mapping[str, Path],
        runtime: Runtime,
        onnx: Path | None,
        described: Mapping[str, Path] | None = None,
    ) -> None:
        self.model, self.folders, self.runtime, self.onnx = model, dict(folders), runtime, onnx
        self.described = dict(described or {})
        self._embeddings: dict[str, npt.NDArray[np.float32]] = {}
        self._sharpness: dict[str, npt.NDArray[np.float64]] = {}

    @cached_property
    def datasets(self) -> Mapping[str, Dataset]:
        return {name: Dataset(folder) for name, folder in self.folders.items()}

    def embeddings(self, dataset: str) -> npt.NDArray[np.float32]:
        """(rows, 2, d) of every face and its mirror image, in the dataset's order."""
        if dataset not in self._embeddings:
            faces = Measuring(Faces(self.folders[dataset]), dataset in self.described)
            self._embeddings[dataset] = embed.embed(self.model.recogniser, faces, self.runtime)
            self._sharpness[dataset] = faces.sharpness
        return self._embeddings[dataset]

    def verify(
        self,
        dataset: str,
        pairs: pd.DataFrame,
        *,
        folds: int,
        flip: str,
        fars: Sequence[float],
        bootstrap: int,
    ) -> Verified:
        frame = self.datasets[dataset].frame(["sample_id", "identity"])
        ids = frame["sample_id"].tolist()
        unit = vectors.fuse(self.embeddings(dataset), cast(vectors.Flip, flip), ids)
        row = pd.Index(ids)
        scores = vectors.cosine(unit, row.get_indexer(pairs["a"]), row.get_indexer(pairs["b"]))
        given = pairs["fold"].nunique() > 1
        if not given:
            pairs = pairs.assign(fold=contiguous_folds(pairs["same"].to_numpy(bool), folds))
        identity = dict(zip(ids, frame["identity"], strict=True))
        who = intervals.people(pairs, identity)
        tested = verified(pairs, scores, who, list(fars), bootstrap)
        tested.metrics |= scored.people_in_folds(pairs, who, identity, given)
        return tested

    def attributes(self, dataset: str) -> pd.DataFrame | None:
        path = self.described.get(dataset)
        if path is None:
            return None
        found = read_parquet(path / "annotations.parquet").set_index("sample_id")
        known = self.datasets[dataset].frame(["sample_id", "age"]).set_index("sample_id")
        self.embeddings(dataset)  # which measures sharpness on the way
        known["sharpness"] = self._sharpness[dataset]
        return found.join(known)

    def cohorts(
        self,
        scored: pd.DataFrame,
        described: pd.DataFrame,
        attributes: Sequence[str],
        *,
        far: float,
        yaw_edges: Sequence[float],
        bootstrap: int,
        age_edges: Sequence[float] = (),
    ) -> tuple[dict[str, Any], pd.DataFrame]:
        settings = far, yaw_edges, bootstrap, SEED, age_edges
        return fairness.measured(scored, described, attributes, *settings)

    def pool(self, dataset: str, members: pd.DataFrame, *, flip: str, keep_norm: bool) -> Pooled:
        ids = self.datasets[dataset].frame(["sample_id"])["sample_id"]
        rows = pd.Index(ids).get_indexer(members["sample_id"])
        if (rows < 0).any():
            raise KeyError(f"{members['sample_id'].iloc[int(np.argmin(rows))]} is no face of {dataset}")
        return templated.pool(self.embeddings(dataset)[rows], members, cast(vectors.Flip, flip), keep_norm)

    def verify_templates(
        self, pooled: Pooled, pairs: pd.DataFrame, *, fars: Sequence[float], bootstrap: int
    ) -> Verified:
        return templated.verify(pooled, pairs, fars, bootstrap, SEED)

    def search(self, pooled: Pooled, galleries: Mapping[str, pd.DataFrame], asked: Asked) -> Searched:
        return templated.search(pooled, galleries, asked, SEED)

    def search_distractors(
        self,
        pooled: Pooled,
        search: pd.DataFrame,
        *,
        sizes: Sequence[int],
        ranks: Sequence[int],
        fars: Sequence[float],
        bootstrap: int = 0,
    ) -> Searched:
        return templated.among_distractors(pooled, search, sizes, ranks, fars, bootstrap, SEED)

    def exhaust(
        self,
        dataset: str,
        faces: pd.DataFrame,
        *,
        flip: str,
        fars: Sequence[float],
        fpirs: Sequence[float],
        rank: int,
        bootstrap: int = 0,
    ) -> Exhausted:
        ids = self.datasets[dataset].frame(["sample_id"])["sample_id"].tolist()
        unit = vectors.fuse(self.embeddings(dataset), cast(vectors.Flip, flip), ids)
        splits, people = exhaustive.splits(faces, ids)
        return exhaustive.told(
            exhaustive.blufr(unit, people, splits, fars, fpirs, rank, draws=bootstrap, seed=SEED)
        )

    def classify(
        self, dataset: str, *, tops: Sequence[int], mirrored: bool
    ) -> tuple[dict[str, Any], pd.DataFrame] | str:
        head, classes = self.model.head, pd.Index(self.model.classes)
        if head is None or not len(classes):
            return "the model has no classifier"
        frame = self.datasets[dataset].frame(["sample_id", "identity"])
        label = classes.get_indexer(pd.Index(frame["identity"]))
        if (label < 0).any():
            strange = sorted(set(frame["identity"][label < 0].dropna().astype(str)))
            first = f", {strange[0]!r} is one" if strange else ""
            return (
                f"{int((label < 0).sum())} of {len(frame)} images are of none of the model's classes{first}"
            )
        return classify.of(head, self.embeddings(dataset), frame["sample_id"], label, classes, tops, mirrored)

    def size(self) -> dict[str, Any]:
        return cost.size(self.model.recogniser, self.onnx)

    def milliseconds(self, batches: Sequence[int], repeats: int) -> list[dict[str, Any]]:
        return cost.milliseconds(self.model.recogniser, batches, repeats, self.runtime)


def verified(
    pairs: pd.DataFrame,
    scores: npt.NDArray[np.float64],
    who: intervals.Pairs,
    fars: list[float],
    bootstrap: int,
) -> Verified:
    """Every number of one scored list."""
    accuracy, correct = scored.in_folds(scores, pairs["fold"].to_numpy(), who, bootstrap, SEED)
    curve = curves.roc(scores, who.same)
    metrics = {
        **accuracy,
        "tar_at_far": scored.tars(curve, scores, who, fars, bootstrap, SEED),
        "eer": curves.eer(curve),
        "auc": curves.auc(curve),
        "genuine": curve.genuine,
        "impostors": curve.impostors,
    }
    table = pairs[["fold", "a", "b", "same"]].assign(
        score=scores.astype(np.float32), correct=correct, person_a=who.a, person_b=who.b
    )
    return Verified(metrics, table, scored.thin(curve))
