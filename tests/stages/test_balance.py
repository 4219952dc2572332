"""As many faces of every cohort, out of two datasets, and back in as a dataset of their own."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import annotators, records
from pipeline.records import Sample
from stages import annotate, balance, crop, ingest
from tests.stages.fakes import FakeRun

OUT = Path("data/raw/even")


def lay(name, codes, size=8, group="prepared"):
    """Cropped and annotated faces whose ages, by `codes`, make two cohorts; the third is unknown."""
    folder = Path("data") / group / "crop" / name
    folder.mkdir(parents=True)
    writer, image = records.Writer(folder), records.encode(np.zeros((size, size, 3), np.uint8), 101)
    for number in range(len(codes)):
        writer.add(Sample(f"{number}", image, identity=f"{name}{number}", box=[0, 0, 4, 4]))
    writer.close({"image_size": size})
    known = {name: np.zeros(len(codes), np.int8) for name in annotators.ATTRIBUTES} | {"age_group": codes}
    sure = {name: np.full(len(codes), 0.9) for name in known}
    said = annotators.answer(known, sure, {}, pd.RangeIndex(len(codes)))
    said = said.assign(cohort=annotators.cohort(said), sample_id=[str(n) for n in range(len(codes))])
    place = Path("data") / group / "annotate" / name
    place.mkdir(parents=True)
    said.to_parquet(place / "annotations.parquet")


def run(**entry):
    entry = {"of": ["one", "two"], "each": 4, "confidence": 0.5, "seed": 0} | entry
    return FakeRun("even", {"balanced": {"even": entry}})


@pytest.fixture
def two(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay("one", [0] * 3 + [1] * 3 + [-1] * 9)
    lay("two", [0] * 5 + [1] * 2 + [2] * 3, group="benchmarks")


def test_as_many_of_every_cohort(two):
    """8 and 5 faces of two cohorts, 3 of another, which is left out."""
    ran = run()
    balance.main(ran)
    dataset, table = records.Dataset(OUT), records.read_parquet(OUT / "annotations.parquet")
    assert table["age_group"].value_counts().to_dict() == {0: 4, 1: 4}
    assert table["sample_id"].tolist() == dataset.frame()["sample_id"].tolist()
    assert {name.split("/")[0] for name in table["sample_id"]} == {"one", "two"}
    identities = dataset.frame()["identity"].tolist()
    assert identities == [name.replace("/", "") for name in table["sample_id"]]
    assert (ran.told["faces"], ran.told["cohorts"]) == (8, 2)
    assert sum(ran.told["of"].values()) == 8


def test_nothing_to_balance(two):
    with pytest.raises(balance.BalanceError, match=r"balanced\.even: no cohort has 9 faces"):
        balance.main(run(each=9))
    with pytest.raises(balance.BalanceError, match=r"balanced\.even\.of: three is not annotated"):
        balance.main(run(of=["one", "three"]))
    lay("large", [0] * 9, size=32)
    with pytest.raises(balance.BalanceError, match=r"crops differ in size: \{'one': 8, 'large': 32\}"):
        balance.main(run(of=["one", "large"]))
    assert not OUT.exists()


def test_it_comes_in_again_with_its_annotations(two):
    lay("fit", [0] * 6, size=16)
    balance.main(run(of=["fit"]))
    entry = {"source": "shards", "crop": "as_is", "annotators": ["given"]}
    params = {
        "datasets": {"even": entry}, "limits": {"set_aside": 0.0}, "annotators": {"given": {}},
        "crops": {"as_is": {"method": "as_is", "image_size": 16}}, "detectors": {"source": {}},
    }  # fmt: skip
    assert len(list(FakeRun("even", params).through(ingest, crop, annotate))) == 3
    told = records.read_parquet("data/prepared/annotate/even/annotations.parquet")
    before = records.read_parquet(OUT / "annotations.parquet")
    assert told["cohort"].tolist() == before["cohort"].tolist()
    assert told["race_confidence"].tolist() == before["race_confidence"].tolist()
