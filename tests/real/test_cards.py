"""Real raw files through ingest, crop, annotate and card, by the params of experiments/cards.yaml alone.

A few images of each: `python -m pipeline run cards` takes all.
"""

import io
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from pipeline import files, records
from stages import annotate, card, crop, ingest
from tests.stages.fakes import FakeRun

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"
IMAGES = 25
EXPERIMENT = yaml.safe_load((ROOT / "experiments/cards.yaml").read_text())

pytestmark = [
    pytest.mark.real,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} is absent"),
]


def params(row):
    """params.yaml as a row of the experiment has it."""
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key, value in {**EXPERIMENT["common"], **EXPERIMENT["rows"][row]}.items():
        *parents, leaf = key.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[leaf] = value
    return values


def lay(name):
    """The raw files of a dataset, of an archive the first few images."""
    for link, source in EXPERIMENT["raw"].items():
        path, place = (ROOT / source).resolve(), Path("data/raw") / link
        if link.split("/")[0] not in (name, link):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if name == "lfw_a" and link.startswith(name):
            a_fold(place.parent)
        elif re.search(r"\.(tar|tgz|tar\.gz)$", link):
            few(path, place.with_name("few.tar"))
        elif not place.exists():
            place.symlink_to(path)


def few(path, place):
    with tarfile.open(path) as archive, tarfile.open(place, "w") as out:
        found = 0
        for member in archive:
            if member.isfile():
                data = archive.extractfile(member).read()
                member.name = member.name.replace(
                    "train/", "test/"
                )  # of CIFAR, whose test part lies far behind
                out.addfile(member, io.BytesIO(data))
                found += 1
            if found == IMAGES:
                return


def a_fold(folder):
    """LFW-a with a fold of six pairs, and their images alone."""
    lines = (SHARED / "lfw_pairs_folds1-5.txt").read_text().splitlines()
    same, others = lines[1:7], lines[301:307]
    (folder / "pairs.txt").write_text("\n".join(["1\t6", *same, *others]) + "\n")
    wanted = set()
    for line in (*same, *others):
        name, *rest = line.split("\t")
        both = [(name, rest[0]), (name, rest[1])] if len(rest) == 2 else [(name, rest[0]), tuple(rest[1:])]
        wanted |= {f"{who}_{int(number):04d}.jpg" for who, number in both}
    source = SHARED / "lfw_a_gray250_folds1-5_and_unpaired.tar"
    with tarfile.open(source) as archive, tarfile.open(folder / "few.tar", "w") as out:
        for member in archive:
            if member.name.rpartition("/")[2] in wanted:
                out.addfile(member, archive.extractfile(member))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """made(dataset) -> its crops, annotations, agreement and card."""
    monkeypatch.chdir(tmp_path)

    def make(name, row="faces"):
        lay(name)
        given = params(row)
        given["limits"]["set_aside"] = 1.0
        run = FakeRun(name, given, benchmark=True)
        for stage in run.through(ingest, crop, annotate, card):
            place = Path("data/metrics") / f"benchmark_{stage}" / f"{name}.json"
            files.write_json(place, run.told)
        folder = Path("data/benchmarks")
        told = records.read_parquet(folder / "annotate" / name / "annotations.parquet")
        agreed = files.read_json(folder / "annotate" / name / "agreement.json")
        page = (folder / "card" / name / "card.html").read_text()
        return records.Dataset(folder / "crop" / name), told, agreed, page

    return make


def test_a_bin_pack(made):
    faces, told, agreed, page = made("small_lfw")
    assert (len(faces), len(faces.pairs())) == (17, 10), "three images stand in two pairs"
    assert (told["yaw"] != -1).all()
    assert agreed["pfld, fsanet"]["yaw"]["degrees"] < 12
    assert "pfld (rows) and fsanet (columns)" in page


def test_lfw_a(made):
    faces, told, agreed, _ = made("lfw_a")
    assert len(faces.pairs()) == 12
    assert 12 <= len(faces) <= 24
    assert agreed["pose, fsanet"]["yaw"]["equal"] > 0.8
    assert (told["roll_degrees"].abs() < 15).all(), "aligned crops stand upright"


def test_utkface(made):
    faces, told, agreed, page = made("utkface")
    assert len(faces) >= 0.9 * IMAGES
    assert (told[["age_group", "gender"]] != -1).all(axis=None)
    assert set(agreed["pose, fsanet"]) == {"pitch", "yaw"}
    assert "pose (rows) and fsanet (columns) say the same of" in page


def test_orl(made):
    faces, _, agreed, _ = made("orl")
    assert len(faces) >= 0.8 * IMAGES
    assert set(agreed) == {"pose, pfld", "pose, fsanet", "pfld, fsanet"}


def test_cifar_10(made):
    faces, told, agreed, page = made("cifar10", "objects")
    assert len(faces) == IMAGES
    assert (told["cohort"] == -1).all()
    assert agreed == {}
    assert "Nothing is known of age" in page
