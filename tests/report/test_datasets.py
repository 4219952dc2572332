"""Datasets as the page shows them, against counts made here by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.report import datasets
from pipeline.report.gather import Results


def test_counts(data: Path, params: dict[str, Any]) -> None:
    home, wild, bench = datasets.describe(Results(data, params))
    assert (home.name, home.roles) == ("home", ["labelled", "landmarked"])
    assert (wild.roles, bench.roles) == (["unlabelled", "clustered"], ["benchmark"])
    assert (home.faces, home.identities, home.per_identity) == (6 * 6 + 3, 6, "6.5 (6-7)")
    assert (wild.faces, wild.identities, wild.per_identity) == (5 * 4 + 2, None, "")
    assert home.read == home.faces + 3
    assert home.reasons == [("only … of … bytes", 2), ("no face found", 1)]
    assert bench.pairs == [("bench_front", 1, 2), ("bench_wild", 1, 2)]
    assert home.sheet is not None
    assert home.sheet.startswith("data:image/jpeg")


def test_attributes_are_counted_in_a_readers_order(data: Path, params: dict[str, Any]) -> None:
    home, wild, _ = datasets.describe(Results(data, params))
    assert list(home.attributes) == ["age", "gender", "race", "pitch", "yaw"]
    assert home.attributes["age"] == {"0-19 years": 13, "20-49 years": 13, "50+ years": 13}
    assert home.attributes["gender"] == {"female": 19, "male": 19, "unknown": 1}
    assert list(home.attributes["yaw"]) == ["below -30°", "within 30°", "above 30°"]
    assert wild.attributes == {}


def test_histogram_of_nothing_known() -> None:
    names = datasets.ATTRIBUTES["gender"]
    assert datasets.histogram(pd.Series([-1, -1]), names) == {"unknown": 2}
    assert datasets.histogram(pd.Series([], dtype="int8"), names) == {"unknown": 0}


def test_codes_are_those_of_the_annotators() -> None:
    from pipeline.annotators import SIZES

    assert {name: len(codes) for name, codes in datasets.ATTRIBUTES.items()} == SIZES
    assert all(sorted(codes) == list(range(len(codes))) for codes in datasets.ATTRIBUTES.values())


def test_a_dataset_without_faces(tmp_path: Path, params: dict[str, Any]) -> None:
    from pipeline import records

    folder = tmp_path / "prepared/crop/home"
    folder.mkdir(parents=True)
    records.Writer(folder).close({})
    (only,) = datasets.describe(Results(tmp_path, params))
    assert (only.faces, only.identities, only.sheet) == (0, None, None)
