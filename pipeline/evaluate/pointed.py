"""A landmark net under test: its errors on a benchmark, by normaliser and by yaw, with intervals over people.

    m = sum_i w_i f(e_i) / sum_i w_i     over faces i with error e_i (`evaluate.landmarks`)
    f(e) = e                  NME        w_i = 1; in a draw of the vertex bootstrap how often the person of
    f(e) = max(0, 1 - e / L)  AUC              face i was drawn (`resampled.People`); a face of nobody
    f(e) = [e > L]            failures         known is a person of its own

Yaw bins hold |yaw| in degrees, as the annotate stage knows it; people are drawn once for all bins. Faces
whose size is not known (no box, eyes behind one another) are left out of that normaliser and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float, Int

from pipeline.evaluate import fairness, intervals, landmarks, points
from pipeline.evaluate.resampled import People
from pipeline.landmarks import LandmarkNet
from pipeline.loader import Faces
from pipeline.model import ModelSpec
from pipeline.records import Dataset, read_parquet
from pipeline.runtime import Runtime

SEED = 0  # of the bootstrap
COLUMNS = {68: "points68", 5: "points5"}
NO_POINTS = "no face of it has landmarks"


class LandmarkBench:
    """What `pipeline.protocols.LandmarkBench` asks for, of one net and benchmark folders by name.

    `described` are the folders of their annotations, where there are any.
    """

    def __init__(
        self,
        spec: ModelSpec,
        net: LandmarkNet,
        folders: Mapping[str, Path],
        runtime: Runtime,
        described: Mapping[str, Path] | None = None,
    ) -> None:
        self.spec, self.net, self.runtime = spec, net.to(runtime.device).eval(), runtime
        self.folders, self.described = dict(folders), dict(described or {})

    @cached_property
    def datasets(self) -> Mapping[str, Dataset]:
        return {name: Dataset(folder) for name, folder in self.folders.items()}

    def landmarks(
        self,
        dataset: str,
        *,
        normalisers: Sequence[landmarks.Normaliser],
        limits: Sequence[float],
        yaw_edges: Sequence[float],
        bootstrap: int,
    ) -> tuple[dict[str, Any], pd.DataFrame] | str:
        faces, count = self._faces(dataset)
        if not count:
            return NO_POINTS
        truth, box = faces.points(COLUMNS[count]), faces.points("box").reshape(-1, 4)
        box = np.where((box[:, 2:] > 0).all(1, keepdims=True), box, np.nan)  # no area, no size
        predicted = points.predict(self.net, faces, self.spec, self.runtime.device)
        predicted = predicted if count == 68 else points.five(predicted)
        table = pd.DataFrame({"sample_id": faces.sample_ids, "yaw": self._yaw(dataset, faces.sample_ids)})
        told: dict[str, Any] = {"points": count, "faces": len(faces)}
        told["without_points"] = len(self.datasets[dataset]) - len(faces)
        people = self._people(dataset, faces.sample_ids)
        told |= {"people": int(pd.Series(people).nunique()), "normalisers": {}}
        for name in normalisers:
            if name in landmarks.NORMALISERS[count]:
                table[name] = landmarks.nme(predicted, truth, box, name)
                yaw = table["yaw"].to_numpy()
                numbers = measured(table[name].to_numpy(), people, yaw, limits, yaw_edges, bootstrap)
                told["normalisers"][name] = numbers
        return told, table

    def _faces(self, dataset: str) -> tuple[Faces, int]:
        """(faces with 68 landmarks, 68), or with 5 where none has 68, or none and 0."""
        folder = self.folders[dataset]
        for count, column in COLUMNS.items():
            faces = Faces(folder, known=[column])
            if len(faces):
                return faces, count
        return faces, 0

    def _yaw(self, dataset: str, ids: Sequence[str]) -> npt.NDArray[np.float64]:
        folder = self.described.get(dataset)
        path = folder / "annotations.parquet" if folder else None
        if path is None or not path.exists():
            return np.full(len(ids), np.nan)
        found = read_parquet(path).set_index("sample_id")
        return np.asarray(found["yaw_degrees"].reindex(list(ids)), np.float64)

    def _people(self, dataset: str, ids: Sequence[str]) -> npt.NDArray[Any]:
        """Whose each face is."""
        frame = self.datasets[dataset].frame(["sample_id", "identity"]).set_index("sample_id")
        known = frame["identity"].reindex(list(ids))
        nobody = np.array([f"of {one}" for one in ids], object)
        return np.where(known.isna(), nobody, "is " + known.astype(object).fillna("").astype(str))


def measured(
    errors: Float[np.ndarray, " n"],
    people: npt.NDArray[Any],
    yaw: Float[np.ndarray, " n"],
    limits: Sequence[float],
    yaw_edges: Sequence[float],
    draws: int = 0,
    seed: int = SEED,
) -> dict[str, Any]:
    """NME, AUC and failures up to each limit, of all faces and `by_yaw`; NaN errors are left out, counted."""
    drawn = People.of(people, draws, seed)
    person = drawn.number(people)
    known = np.isfinite(errors)

    def of(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return told(errors[mask & known], person[mask & known], limits, drawn)

    groups = fairness.bins(np.abs(yaw), yaw_edges)
    by_yaw = {name: of(mask) for name, mask in groups.items()}
    return {**of(known), "left_out": int((~known).sum()), "by_yaw": by_yaw}


def told(
    errors: Float[np.ndarray, " n"], person: Int[np.ndarray, " n"], limits: Sequence[float], people: People
) -> dict[str, Any]:
    """Of faces whose every error is known; None where there is no face, or too few people for an interval."""
    names, values = ["nme"], [np.asarray(errors, np.float64)]
    for limit in limits:
        for kind, of in (("auc", landmarks.closeness), ("failures", landmarks.failed)):
            names.append(landmarks.named(kind, limit))
            values.append(np.asarray(of(errors, limit), np.float64))
    counts: dict[str, Any] = {"faces": len(errors), "people": len(np.unique(person))}
    several = counts["people"] > 1  # one person says nothing of others
    if not len(errors):
        return counts | {name: {"value": None, "low": None, "high": None} for name in names}
    for name, value, draws in zip(names, values, resampled(np.stack(values), person, people), strict=True):
        low, high = (intervals.interval(draws) if len(draws) and several else None) or (None, None)
        counts[name] = {"value": float(value.mean()), "low": low, "high": high}
    return counts


def resampled(
    values: Float[np.ndarray, "kinds n"], person: Int[np.ndarray, " n"], people: People
) -> Float[np.ndarray, "kinds draws"]:
    """Mean of each kind of value in each draw of people; NaN where none of theirs was drawn."""
    size = len(people.names)
    sums = np.stack([np.bincount(person, weights=row, minlength=size) for row in values])
    count = np.bincount(person, minlength=size)
    parts = [np.zeros((len(values), 0))]
    for weight in people.weights(len(values)):
        with np.errstate(invalid="ignore", divide="ignore"):
            parts.append(np.asarray((weight @ sums.T).T / (weight @ count)))
    return np.concatenate(parts, 1)
