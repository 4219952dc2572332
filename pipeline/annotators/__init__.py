"""The five attributes of a face, their cohorts, and who of several annotators is believed.

    age_group   0: below 20 years, 1: below 50, 2: 50 and above      gender   0 female, 1 male
    race        0 Black, 1 East or Southeast Asian, 2 Indian, 3 Latino Hispanic, 4 Middle Eastern or White
    pitch, yaw  0: below -30 degrees, 1: above 30, 2: between
    cohort    = (((age_group 2 + gender) 5 + race) 3 + pitch) 3 + yaw,   0..269

-1 stands for unknown; a cohort is unknown where any attribute is. Every plugin has `build(params) ->
Annotator`, whose `annotate(frame, photos)` takes the columns of `records.SCHEMA` but the image, and what
shows the photo of each row to those that look at pixels; it gives a frame of the same index with `COLUMNS`:
codes (int8), confidences (0..1, 0 where unknown), angles in degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

SIZES = {"age_group": 3, "gender": 2, "race": 5, "pitch": 3, "yaw": 3}  # codes of each attribute
COHORTS = 270
UNKNOWN = -1
ATTRIBUTES = tuple(SIZES)
ANGLES = ("yaw", "pitch", "roll")
COLUMNS = (
    *ATTRIBUTES,
    *(f"{name}_confidence" for name in ATTRIBUTES),
    *(f"{name}_degrees" for name in ANGLES),
)
STEEP = 30.0  # degrees

Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Face:
    """A photo (RGB), where the face is in it (box, landmarks if known), and the crop's turn in degrees."""

    image: npt.NDArray[np.uint8]
    box: npt.NDArray[np.float64]
    points5: npt.NDArray[np.float64] | None
    turn: float  # clockwise, against the photo


class Photos(Protocol):
    """Shows a face in its photo, by its row; `raw` is the dataset's place on disk."""

    raw: Path

    def face(self, row: int) -> Face: ...


class Annotator(Protocol):
    """Says what it can of every row."""

    def annotate(self, frame: pd.DataFrame, photos: Photos | None = None) -> pd.DataFrame: ...


def age_group(years: Floats) -> Codes:
    """0-19: 0, 20-49: 1, 50+: 2, NaN: -1."""
    return np.where(np.isnan(years), UNKNOWN, np.digitize(years, [20, 50])).astype(np.int8)


def angle_bin(degrees: Floats) -> Codes:
    """Below -30: 0, above 30: 1, between: 2, NaN: -1."""
    between = np.where(degrees < -STEEP, 0, np.where(degrees > STEEP, 1, 2))
    return np.where(np.isnan(degrees), UNKNOWN, between).astype(np.int8)


def answer(
    codes: Mapping[str, Codes],
    confidences: Mapping[str, Floats],
    degrees: Mapping[str, Floats],
    index: pd.Index,
) -> pd.DataFrame:
    """A frame of `COLUMNS`; what is not given is unknown."""
    nothing = np.full(len(index), np.nan, np.float32)
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in ATTRIBUTES:
        columns[name] = np.asarray(codes.get(name, np.full(len(index), UNKNOWN)), np.int8)
        confidence = np.asarray(confidences.get(name, 0.0 * nothing), np.float32)
        columns[f"{name}_confidence"] = np.where(columns[name] == UNKNOWN, np.float32(0), confidence)
    for name in ANGLES:
        columns[f"{name}_degrees"] = np.asarray(degrees.get(name, nothing), np.float32)
    return pd.DataFrame(columns, index=index)[list(COLUMNS)]


def combine(answers: Mapping[str, pd.DataFrame], index: pd.Index) -> pd.DataFrame:
    """Of several annotators in order the first that knows an attribute of a face counts; plus `cohort`."""
    best = answer({}, {}, {}, index)
    for given in answers.values():
        for name in ATTRIBUTES:
            new = (best[name] == UNKNOWN) & (given[name] != UNKNOWN)
            for column in (name, f"{name}_confidence"):
                best[column] = best[column].where(~new, given[column])
        for name in ANGLES:
            best[f"{name}_degrees"] = best[f"{name}_degrees"].fillna(given[f"{name}_degrees"])
    return best.assign(cohort=cohort(best))


def cohort(frame: pd.DataFrame) -> npt.NDArray[np.int16]:
    """The mixed-radix number of the five codes, -1 where one is unknown."""
    number = np.zeros(len(frame), np.int64)
    known = np.ones(len(frame), bool)
    for name, size in SIZES.items():
        code = frame[name].to_numpy(np.int64)
        if len(code) and not (code.min() >= UNKNOWN and code.max() < size):
            raise ValueError(f"{name}: codes {code.min()} to {code.max()}, should be -1 to {size - 1}")
        number = number * size + code
        known &= code != UNKNOWN
    return np.where(known, number, UNKNOWN).astype(np.int16)


def codes_of(number: int) -> dict[str, int]:
    """Attribute -> code of a cohort: the way back from its number."""
    if not 0 <= number < COHORTS:
        raise ValueError(f"cohort {number}: should be 0 to {COHORTS - 1}")
    codes = {}
    for name, size in reversed(SIZES.items()):
        number, codes[name] = divmod(number, size)
    return {name: codes[name] for name in ATTRIBUTES}


def cohort_confidence(frame: pd.DataFrame) -> Floats:
    """That of the least sure of the five attributes; 0 where one is unknown."""
    return frame[[f"{name}_confidence" for name in ATTRIBUTES]].to_numpy(np.float32).min(1)


def balanced(frame: pd.DataFrame, each: int, confidence: float, seed: int) -> npt.NDArray[np.int64]:
    """Rows of `each` faces of every cohort that has so many, drawn at random, in the frame's order.

    Of faces whose cohort's confidence exceeds `confidence`; with 200 and 0.5 this is the thesis' Sub200
    (5.4.1). A face's draw depends on `seed` and its row alone.
    """
    codes = np.where(cohort_confidence(frame) > confidence, cohort(frame), UNKNOWN)
    drawn = np.random.default_rng(seed).random(len(frame))
    order = np.lexsort((drawn, codes))
    _, first, count = np.unique(codes[order], return_index=True, return_counts=True)
    full = [
        order[start : start + each]
        for start, number in zip(first, count, strict=True)
        if number >= each and codes[order[start]] != UNKNOWN
    ]
    return np.sort(np.concatenate([np.empty(0, np.int64), *full]))


def agreement(answers: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, Any]]]:
    """Annotators "a, b" -> attribute -> `_agree` of the faces whose attribute both know."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for (first, a), (second, b) in combinations(answers.items(), 2):
        pair = {name: _agree(a, b, name) for name in ATTRIBUTES}
        found[f"{first}, {second}"] = {name: value for name, value in pair.items() if value["faces"]}
    return found


def kappa(table: npt.NDArray[np.int64]) -> float | None:
    """Cohen's (https://doi.org/10.1177/001316446002000104): (equal - by chance) / (1 - by chance).

    Of a square table of counts; by chance the shares of both annotators multiply. None where both know one
    code alone, the same: chance explains all.
    """
    shares = table / table.sum()
    chance = float(shares.sum(0) @ shares.sum(1))
    return None if chance >= 1 else float((np.trace(shares) - chance) / (1 - chance))


def _agree(a: pd.DataFrame, b: pd.DataFrame, name: str) -> dict[str, Any]:
    """Faces, share of equal codes, kappa, table of a's codes (rows) by b's, mean difference in degrees."""
    both = ((a[name] != UNKNOWN) & (b[name] != UNKNOWN)).to_numpy()
    result: dict[str, Any] = {"faces": int(both.sum())}
    if both.any():
        table = np.zeros((SIZES[name], SIZES[name]), np.int64)
        np.add.at(table, (a[name][both].to_numpy(np.int64), b[name][both].to_numpy(np.int64)), 1)
        result["equal"] = float(np.trace(table) / table.sum())
        result |= {"kappa": kappa(table), "confusion": table.tolist()}
        if name in ANGLES:
            apart = (a[f"{name}_degrees"] - b[f"{name}_degrees"])[both].abs()
            result["degrees"] = float(apart.mean())
    return result
