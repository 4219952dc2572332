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
    """Shows a face in its photo, by its row."""

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


def agreement(answers: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, dict[str, float]]]:
    """Annotators "a, b" -> attribute -> faces both know, share of equal codes, mean difference in degrees."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (first, a), (second, b) in combinations(answers.items(), 2):
        pair = {name: _agree(a, b, name) for name in ATTRIBUTES}
        found[f"{first}, {second}"] = {name: value for name, value in pair.items() if value["faces"]}
    return found


def _agree(a: pd.DataFrame, b: pd.DataFrame, name: str) -> dict[str, float]:
    both = ((a[name] != UNKNOWN) & (b[name] != UNKNOWN)).to_numpy()
    result: dict[str, float] = {"faces": int(both.sum())}
    if both.any():
        result["equal"] = float((a[name][both] == b[name][both]).mean())
        if name in ANGLES:
            apart = (a[f"{name}_degrees"] - b[f"{name}_degrees"])[both].abs()
            result["degrees"] = float(apart.mean())
    return result
