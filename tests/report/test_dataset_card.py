"""The card of a dataset, against counts made by hand and by loops."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import crops, files, records
from pipeline.report import blur, dataset_card
from tests.report.conftest import make_annotations, make_dataset
from tests.report.test_page import Structure

ENTRY = {"source": "folder"}
REMOVED = {
    "faces": 39, "people": 6, "removed_faces": 8, "removed_people": 2, "by_name": 1, "by_embedding": 5,
    "by_duplicate": 0, "by_mutual": 2, "roles": ["labelled"],
    "expected_false_removals": 0.0123, "supported": False,
}  # fmt: skip


def cropped(faces: int) -> dict[str, Any]:
    resolution = crops.Resolution(16)
    for number in range(faces):
        resolution.add(200 + number, 12 + number)
    return {"resolution": resolution.told()}


def describe(folder: Path, name: str = "home", aside: int = 2, **changes: Any) -> dict[str, Any]:
    dataset = records.Dataset(folder / "crop")
    given: dict[str, Any] = {
        "entry": ENTRY,
        "ingested": {"samples": len(dataset) + 1, "set_aside": aside},
        "cropped": cropped(len(dataset)),
        "annotations": folder / "annotate/annotations.parquet",
        "overlap": {"removed": {"home": REMOVED}},
    }
    sharpness = blur.measure(dataset, lambda: None)
    return dataset_card.describe(name, dataset, sharpness, **{**given, **changes})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """39 faces of 6 people, with pairs; two set aside by ingest, one by crop."""
    folder = tmp_path_factory.mktemp("home")
    make_dataset(folder / "crop", 6, 6, known=True, pairs=True)
    make_annotations(folder / "annotate", 39)
    return folder


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody known, nothing described, nothing set aside."""
    folder = tmp_path_factory.mktemp("wild")
    lay(folder, [records.Sample(str(n), records.encode(np.zeros((4, 4, 3), np.uint8))) for n in range(3)])
    return folder


def lay(folder: Path, samples: list[records.Sample], about: Any = None, lists: Any = None) -> None:
    (folder / "crop").mkdir(parents=True)
    writer = records.Writer(folder / "crop")
    for sample in samples:
        writer.add(sample)
    writer.close(about or {}, None, lists)
    (folder / "annotate").mkdir()
    columns = ["age_group", "gender", "race", "pitch", "yaw"]
    table = pd.DataFrame(-1, range(len(samples)), columns).astype("int8")
    table.to_parquet(folder / "annotate/annotations.parquet")


def test_counts_are_those_of_loops(home: Path) -> None:
    card = describe(home)
    dataset = records.Dataset(home / "crop")
    people = Counter(sample.identity for sample in dataset.samples())
    assert card["counts"] == {"read": 42, "faces": 39, "identities": len(people), "nobody_known": 0}
    each = card["images_per_identity"]
    assert (each["min"], each["median"], each["max"], each["single"]) == (6, 6.5, 7, 0)
    ends = [1, *each["edges"], 10**9]
    bins = pairwise(ends)
    assert each["identities"] == [sum(low <= n < high for n in people.values()) for low, high in bins]
    assert [(row["list"], row["genuine"], row["impostor"]) for row in card["lists"]] == [
        ("bench_front", 1, 2),
        ("bench_wild", 1, 2),
    ]
    assert card["blur"]["measured"] == 39
    assert card["resolution"]["enlarged"] == 4
    assert card["attributes"]["gender"]["faces"] == {"female": 19, "male": 19, "unknown": 1}


def test_what_reading_and_cropping_set_aside_is_told_apart(home: Path) -> None:
    found = describe(home)["set_aside"]
    assert found["reading"] == {
        "count": 2,
        "other": 0,
        "reasons": [{"reason": "only … of … bytes", "count": 2, "examples": ["bad/1", "bad/2"]}],
    }
    assert found["cropping"]["reasons"] == [{"reason": "no face found", "count": 1, "examples": ["bad/3"]}]


def test_many_reasons_are_bounded_and_the_rest_is_counted() -> None:
    aside = pd.DataFrame(
        [{"sample_id": f"{kind}{n}", "reason": f"because {kind}"} for kind in map(chr, range(97, 122))
         for n in range(1 + (kind == "m") * 5)]
    )  # fmt: skip
    found = dataset_card.reasons(aside)
    assert found["reasons"][0] == {"reason": "because m", "count": 6, "examples": ["m0", "m1", "m2"]}
    assert (len(found["reasons"]), found["other"], found["count"]) == (20, 5, 30)


def test_overlap_is_told_of_each_kind_of_dataset(home: Path) -> None:
    assert describe(home)["overlap"] == {"searched": True, **REMOVED}
    other = describe(home, name="other")
    assert other["overlap"] == {"searched": False, "why": dataset_card.NOT_SEARCHED}
    bench = describe(home, overlap=None)
    assert bench["overlap"] == {"searched": False, "why": dataset_card.PROTECTED}
    page = dataset_card.page(describe(home), None)
    assert "8 of 39 faces, 2 of 6 people" in page
    assert dataset_card.NOT_SEARCHED in dataset_card.page(other, None)
    assert dataset_card.PROTECTED in dataset_card.page(bench, None)


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (None, "Not stated."),
        ("research only & <b>no</b> sale", "<p>research only &amp; &lt;b&gt;no&lt;/b&gt; sale</p>"),
        ("https://x.org/terms", '<a href="https://x.org/terms">https://x.org/terms</a>'),
        ("javascript:alert(1)", "<p>javascript:alert(1)</p>"),
    ],
)
def test_terms_of_use(home: Path, terms: str | None, told: str) -> None:
    card = describe(home, entry=ENTRY | ({"terms": terms} if terms else {}))
    assert card["terms"] == terms
    assert told in dataset_card.page(card, None)
    assert ("not stated" in dataset_card.in_a_line(card)) == (terms is None)


def test_the_page_is_whole_and_the_same_every_time(home: Path) -> None:
    card = describe(home)
    faces = dataset_card.sheet(records.Dataset(home / "crop"), range(39))
    before = copy.deepcopy(card)
    page = dataset_card.page(card, faces)
    assert page == dataset_card.page(card, faces)
    assert card == before
    found = Structure(page)
    assert len(found.resources) == 1
    assert found.resources[0].startswith("data:image/jpeg")
    assert page.count("<svg") == 4
    assert len(found.ids) == len(set(found.ids))
    own = [name for name in found.references if not name.startswith("#")]
    assert not own
    assert "20-49 years" in page
    assert "of 39 faces spread evenly" in page


def test_without_identities_attributes_or_anything_set_aside(wild: Path) -> None:
    card = describe(wild, aside=0, ingested={"samples": 3, "set_aside": 0})
    assert card["counts"] == {"read": 3, "faces": 3, "identities": 0, "nobody_known": 3}
    assert "min" not in card["images_per_identity"]
    assert (card["attributes"], card["groups"], card["lists"]) == ({}, None, [])
    page = dataset_card.page(card, None)
    Structure(page)
    assert "every image gave a face" in page
    assert "Nothing is known of age" in page
    assert dataset_card.numbers(card)["images_per_identity"]["median"] is None
    assert dataset_card.in_a_line(card).startswith("3 faces of nobody known, 0 set aside")


def test_an_empty_dataset(tmp_path: Path) -> None:
    lay(tmp_path, [], {"notes": ["it holds no samples"]})
    card = describe(tmp_path, ingested={"samples": 0, "set_aside": 0})
    assert (card["counts"]["faces"], card["blur"]["measured"]) == (0, 0)
    assert dataset_card.sheet(records.Dataset(tmp_path / "crop"), []) is None
    page = dataset_card.page(card, None)
    Structure(page)
    assert "Note: it holds no samples." in page
    assert "<svg" not in page


def test_some_people_are_known(tmp_path: Path) -> None:
    image = records.encode(np.zeros((4, 4, 3), np.uint8))
    lay(tmp_path, [records.Sample(str(n), image, identity="a" if n else None) for n in range(4)])
    card = describe(tmp_path)
    assert (card["counts"]["identities"], card["counts"]["nobody_known"]) == (1, 1)
    assert "without identity</dt><dd>1 faces" in dataset_card.page(card, None)


def test_templates_and_searches_are_counted(tmp_path: Path) -> None:
    templates = [("t1", "a", "0", "m"), ("t1", "a", "1", "m"), ("t2", "b", "2", "m")]
    pairs = [("one", 0, "t1", "t2", False), ("two", 0, "t1", "t1", True)]
    searches = [("s", "gallery", "t1"), ("s", "mated", "t2"), ("s", "gallery", "t2")]
    splits = [("all", part, "", who, str(n)) for part in (0, 1) for n, who in enumerate("ab")]
    rows = {"templates": templates, "template_pairs": pairs, "searches": searches, "splits": splits}
    tables = {
        name: pa.Table.from_pylist([dict(zip(records.LISTS[name].names, row, strict=True)) for row in found])
        for name, found in rows.items()
    }
    image = records.encode(np.zeros((4, 4, 3), np.uint8))
    lay(tmp_path, [records.Sample(str(n), image) for n in range(3)], lists=tables)
    assert describe(tmp_path)["lists"] == [
        {"list": "templates", "kind": "templates", "templates": 2, "images": 3},
        {"list": "one", "kind": "pairs of templates", "genuine": 0, "impostor": 1},
        {"list": "two", "kind": "pairs of templates", "genuine": 1, "impostor": 0},
        {"list": "s", "kind": "search", "gallery": 2, "mated": 1},
        {"list": "all", "kind": "all pairs of splits", "splits": 2, "faces": 2},
    ]


def test_sizes_of_cohorts_in_words() -> None:
    told = dataset_card.cohort_sizes({"edges": [1, 10, 1000], "cohorts": [5, 0, 3, 1]})
    assert told == {"no face": 5, "10 to 999": 3, "1,000 or more": 1}


def test_how_far_annotators_agree_is_drawn(home: Path, tmp_path: Path) -> None:
    assert describe(home)["agreement"] == []
    told = {"faces": 10, "equal": 0.6, "kappa": 0.25, "confusion": [[4, 1], [3, 2]]}
    folder = tmp_path / "annotate"
    make_annotations(folder, 39)
    files.write_json(folder / "agreement.json", {"truth, fairface": {"gender": told}})
    card = describe(home, annotations=folder / "annotations.parquet")
    page = dataset_card.page(card, None)
    assert (
        "gender: truth (rows) and fairface (columns) say the same of 60.0 % of 10 faces, kappa 0.25" in page
    )
    assert ">80.0</td>" in page
    assert "background: rgb(60 110 210 / 0.4)" in page
