"""Balance against counting row by row."""

from __future__ import annotations

from collections import Counter
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import annotators, files
from pipeline.report import balance, datasets

RNG = np.random.default_rng(0)


def write(path: Path, table: pd.DataFrame) -> Path:
    table.astype("int8").to_parquet(path / "annotations.parquet")
    return path / "annotations.parquet"


def drawn(rows: int, unknown: bool = True) -> pd.DataFrame:
    low = -1 if unknown else 0
    return pd.DataFrame({name: RNG.integers(low, size, rows) for name, size in annotators.SIZES.items()})


@pytest.fixture
def table() -> pd.DataFrame:
    return drawn(400)


@pytest.fixture
def counts(tmp_path: Path, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(balance, "ROWS", 64)  # several batches
    return balance.counts_of(write(tmp_path, table))


def test_every_attribute_is_that_of_the_report(counts: Any, table: pd.DataFrame) -> None:
    found = balance.attributes(counts)
    assert list(found) == list(datasets.TITLES.values())
    for name, title in datasets.TITLES.items():
        assert found[title]["faces"] == datasets.histogram(table[name], datasets.ATTRIBUTES[name])


def test_cohorts_are_those_of_the_annotators(counts: Any, table: pd.DataFrame) -> None:
    numbers = Counter(number for number in annotators.cohort(table).tolist() if number >= 0)
    found = balance.cohorts(counts)
    assert (found["seen"], found["faces"]) == (len(numbers), sum(numbers.values()))
    assert found["unknown"] == len(table) - found["faces"]
    assert found["largest"]["faces"] == max(numbers.values())
    assert sum(found["cohorts"]) == found["of"] == 270
    assert found["cohorts"][0] == 270 - len(numbers)
    shares = [count / sum(numbers.values()) for count in numbers.values()]
    wanted = -sum(share * log(share) for share in shares) / log(270)
    assert found["evenness"] == pytest.approx(wanted, abs=1e-4)


def test_groups_are_counted_one_by_one(counts: Any, table: pd.DataFrame) -> None:
    found = balance.groups(counts)
    assert found is not None
    known = table[(table[["race", "gender", "age_group"]] >= 0).all(axis=1)]
    races, genders, ages = (datasets.ATTRIBUTES[name] for name in ("race", "gender", "age_group"))
    for race, row in found["rows"].items():
        for column, faces in zip(found["columns"], row, strict=True):
            mine = [
                1
                for _, face in known.iterrows()
                if races[face["race"]] == race
                and f"{genders[face['gender']]}, {ages[face['age_group']]}" == column
            ]
            assert faces == len(mine)


def test_the_largest_cohort_is_named(tmp_path: Path) -> None:
    one = {"age_group": 1, "gender": 0, "race": 3, "pitch": 2, "yaw": 0}
    table = pd.concat([drawn(20, unknown=False), pd.DataFrame([one] * 30)], ignore_index=True)
    largest = balance.cohorts(balance.counts_of(write(tmp_path, table)))["largest"]
    assert largest.pop("faces") >= 30
    assert list(largest.values()) == ["20-49 years", "female", "Latino", "within 30°", "below -30°"]


@pytest.mark.parametrize(
    ("groups", "told"), [([5, 5, 5], 1.0), ([9, 0], 0.0), ([0, 0], None), ([3, 1], 0.8113)]
)
def test_evenness(groups: list[int], told: float | None) -> None:
    assert balance.evenness(np.array(groups)) == told
    assert str(balance.evenness(np.array([9, 0]))) == "0.0", "no minus"


@pytest.mark.parametrize("rows", [0, 7])
def test_of_nobody_anything_is_known(tmp_path: Path, rows: int) -> None:
    counts = balance.counts_of(write(tmp_path, pd.DataFrame(-1, range(rows), list(annotators.ATTRIBUTES))))
    assert (balance.attributes(counts), balance.groups(counts)) == ({}, None)
    found = balance.cohorts(counts)
    assert (found["seen"], found["faces"], found["unknown"], found["evenness"]) == (0, 0, rows, None)
    assert "largest" not in found


def test_one_attribute_alone(tmp_path: Path) -> None:
    table = pd.DataFrame(-1, range(4), list(annotators.ATTRIBUTES)).assign(yaw=[0, 1, 2, -1])
    counts = balance.counts_of(write(tmp_path, table))
    faces = {"below -30°": 1, "within 30°": 1, "above 30°": 1, "unknown": 1}
    assert balance.attributes(counts) == {"yaw": {"faces": faces, "evenness": 1.0}}
    assert balance.groups(counts) is None


def test_two_annotators_are_compared_in_the_order_of_names(tmp_path):
    """Codes of yaw are below, above, within; their names run below, within, above."""
    told = {"faces": 10, "equal": 0.5, "kappa": None, "degrees": 7.5}
    told["confusion"] = [[1, 2, 0], [0, 3, 0], [3, 0, 1]]
    files.write_json(tmp_path / "agreement.json", {"truth, pose": {"yaw": told}})
    (found,) = balance.agreement(tmp_path / "agreement.json")
    assert found["names"] == ["below -30°", "within 30°", "above 30°"]
    assert found["table"] == [[1, 0, 2], [3, 1, 0], [0, 0, 3]]
    assert (found["first"], found["second"], found["attribute"]) == ("truth", "pose", "yaw")
    assert (found["faces"], found["kappa"], found["degrees"]) == (10, None, 7.5)
    assert balance.agreement(tmp_path / "gone.json") == []


def test_a_cohort_by_its_name():
    number = 1 * 90 + 1 * 45 + 2 * 9 + 2 * 3 + 1
    assert balance.cohort_name(number) == "20-49 years, male, Indian, pitch within 30°, yaw above 30°"
