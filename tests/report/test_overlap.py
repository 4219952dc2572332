"""What overlap removed: training and validation apart, chance beside it, the truth of synthetic worlds."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import files, records
from pipeline.report import overlap, page
from pipeline.report.gather import Results

WORLD = {
    "labelled": {"identities": 5, "images": 2, "planted": 2},  # l000003, l000004
    "unlabelled": {"identities": 4, "images": 3, "planted": 1},  # u000003
    "validation": {"identities": 3, "images": 2},
    "test": {"identities": 6, "images": 2},
}
PARAMS: dict[str, Any] = {
    "size": "tiny",
    "sizes": {"tiny": {"world": WORLD}},
    "data": {"labelled": "home", "unlabelled": "wild", "validation": "held", "benchmarks": []},
}
GONE = {
    "home": ["l000003/0", "l000003/1", "l000000/0", "l000000/1"],  # one of two planted, one other
    "wild": ["u000003/0", "u000003/2", "u000001/1"],  # two of three planted faces, one other
    "held": ["v000001/0", "v000001/1"],  # nobody is planted there
}


def write_part(data: Path, dataset: str, part: str) -> None:
    size = WORLD[part]
    folder = data / "prepared/crop" / dataset
    folder.mkdir(parents=True)
    writer, image = records.Writer(folder), records.encode(np.zeros((8, 8, 3), np.uint8), 90)
    for person in (f"{part[0]}{index:06d}" for index in range(size["identities"])):
        for shot in range(size["images"]):
            identity = None if part == "unlabelled" else person
            writer.add(records.Sample(f"{person}/{shot}", image, identity=identity))
    writer.close({"part": part})


@pytest.fixture
def world(tmp_path: Path) -> Results:
    """Three parts of a synthetic world, and what was removed of them."""
    parts = {"home": "labelled", "wild": "unlabelled", "held": "validation"}
    removed = {}
    for dataset, part in parts.items():
        write_part(tmp_path, dataset, part)
        people = 0 if part == "unlabelled" else WORLD[part]["identities"]
        removed[dataset] = {
            **{"faces": WORLD[part]["identities"] * WORLD[part]["images"], "people": people},
            **{"removed_faces": len(GONE[dataset]), "by_name": 0},
            **{"by_embedding": len(GONE[dataset]) - (dataset == "home"), "by_mutual": int(dataset == "home")},
            "removed_people": len({row.split("/")[0] for row in GONE[dataset]}) if people else 0,
            **{"roles": [part], "expected_false_removals": 0.25, "supported": part != "unlabelled"},
        }
    metrics = {"model": "data/models/scout", "false_match_rate": 1e-4, "mutual_rate": 1e-3}
    metrics |= {"held_out": 3, "removed": removed}
    files.write_json(tmp_path / "metrics/overlap.json", metrics)
    rows = [{"dataset": name, "sample_id": row} for name, gone in GONE.items() for row in gone]
    (tmp_path / "prepared/overlap").mkdir()
    pd.DataFrame(rows).to_parquet(tmp_path / "prepared/overlap/exclusions.parquet")
    return Results(tmp_path, PARAMS)


def test_what_is_removed_from_validation_is_not_removed_from_training(world: Results) -> None:
    found = overlap.overlap(world)
    assert found is not None
    assert (found.removed("faces", True), found.removed("people", True)) == (7, 2)
    assert (found.removed("faces", False), found.removed("people", False)) == (2, 1)
    assert [(row.dataset, row.roles) for row in found.cleaned] == [
        ("home", ["labelled"]), ("wild", ["unlabelled"]), ("held", ["validation"])]  # fmt: skip
    assert [row.supported for row in found.cleaned] == [True, False, True]


def test_a_synthetic_world_says_who_was_found_and_who_went_for_nothing(world: Results) -> None:
    found = overlap.overlap(world)
    assert found is not None
    assert [row.truth for row in found.cleaned] == [
        overlap.Truth("people", planted=2, found=1, false=1),
        overlap.Truth("faces", planted=3, found=2, false=1),
        overlap.Truth("people", planted=0, found=0, false=1),
    ]
    assert [row.dataset for row in found.leaks] == ["home", "wild"]


def test_found_is_who_left_nothing_and_single_images_are_no_people() -> None:
    """p is planted; a face of hers stays, and b lost one of two."""
    ids = [f"{who}/{shot}" for who in "abp" for shot in range(2)]
    frame = pd.DataFrame({"sample_id": ids, "identity": [name[0] for name in ids]})
    some = {"a/0", "a/1", "b/1", "p/0"}
    assert overlap.compare(frame, some, {"p"}) == overlap.Truth("people", 1, found=0, false=1, images=1)
    assert overlap.compare(frame, {"p/0", "p/1"}, {"p"}) == overlap.Truth("people", 1, found=1, false=0)
    nobody = frame.assign(identity=None)
    assert overlap.compare(nobody, some, {"p"}) == overlap.Truth("faces", 2, found=1, false=3)
    assert overlap.compare(frame, set(), set()) == overlap.Truth("people", 0, 0, 0)


def test_misplaced_faces_are_told_apart(world: Results) -> None:
    """Three of home's four went as misplaced, whoever is in a benchmark."""
    metrics = world.metrics("overlap")
    metrics["removed"]["home"] |= {"by_misplaced": 3, "by_embedding": 1, "by_mutual": 0}
    metrics["removed"]["held"] |= {"by_misplaced": 2, "by_embedding": 0}
    files.write_json(world.root / "metrics/overlap.json", metrics)
    found = overlap.overlap(world)
    assert found is not None
    assert (found.removed("faces", True), found.misplaced(True), found.misplaced(False)) == (4, 3, 2)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.build(world.root, PARAMS)))
    assert "From training 4 faces were removed (2 identities), because" in text
    assert "validation set. 3 more went as misplaced" in text
    assert "From the validation set 0 faces were removed" in text
    assert "2 more went as misplaced" in text


def test_the_page_tells_all_of_it(world: Results) -> None:
    html = page.build(world.root, PARAMS)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "From training 7 faces were removed (2 identities), because" in text
    assert "From the validation set 2 faces were removed (1 identity), because" in text
    assert "home labelled 1 of 2 people 1 people 10 5 4 2 0 3 1 0.25" in text
    assert "wild unlabelled 2 of 3 faces 1 faces 12 unknown 3 unknown 0 3 0 0.25 few impostors" in text
    assert "rate of 0.0001 a comparison (0.001 for two people who are each other's nearest)" in text
    assert "Planted ones are people of the test set" in text


def test_copied_images_have_a_column_where_there_are_any(world: Results) -> None:
    found = overlap.overlap(world)
    assert found is not None
    assert list(found.reasons) == ["by_name", "by_embedding", "by_mutual"]
    metrics = world.metrics("overlap")
    metrics["removed"]["wild"]["by_duplicate"] = 7
    files.write_json(world.root / "metrics/overlap.json", metrics)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.build(world.root, PARAMS)))
    assert "nearest Copied images Expected by chance" in text
    assert "wild unlabelled 2 of 3 faces 1 faces 12 unknown 3 unknown 0 3 0 7 0.25" in text


def test_pairs_near_the_threshold_and_decisions_are_listed(world: Results) -> None:
    pair = {"dataset": "home", "benchmark": "bench", "similarity": 0.612, "threshold": 0.605, "kind": "x"}
    rows = [{**pair, "who": f"l{n}", "matched": f"t{n}", "goes": n % 2 == 0} for n in range(30)]
    (world.root / "prepared/overlap/evidence").mkdir()
    pd.DataFrame(rows).to_parquet(world.root / "prepared/overlap/evidence/borderline.parquet")
    one = {"dataset": "home", "who": "l7", "benchmark": "bench", "matched": "Ann <b>", "faces": 4}
    pairs = [{**one, "verdict": verdict, "similarity": 0.5, "note": None} for verdict in ("accept", "reject")]
    metrics = world.metrics("overlap") | {"borderline": 30, "decisions": {"pairs": pairs}}
    files.write_json(world.root / "metrics/overlap.json", metrics)
    html = page.build(world.root, PARAMS)
    assert "Ann <b>" not in html
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    assert "30 pairs are so near to the threshold that a look is worth it; the nearest 24 are here" in text
    assert "home l0 bench t0 0.612 0.605 goes home l1 bench t1 0.612 0.605 stays" in text
    assert text.count("0.605 goes") == 12
    assert "the same person: removed 4 0.5" in text
    assert "two people: kept 4 0.5" in text


def test_mistakes_inside_a_set_are_told(world: Results) -> None:
    about = {"merges": 3, "merge_threshold": 0.71, "misplaced": 12, "misplaced_threshold": 0.2}
    told = {"home": about | {"misplaced_share": 0.004}, "wild": {}}
    files.write_json(world.root / "metrics/overlap.json", world.metrics("overlap") | {"inside": told})
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.build(world.root, PARAMS)))
    assert "home 3 0.71 12 0.2 0.004 All of them are in" in text


def test_of_real_people_nobody_knows_the_truth(data: Path, params: dict[str, Any], html: str) -> None:
    found = overlap.overlap(Results(data, params))
    assert found is not None
    assert (found.removed("faces", True), found.removed("people", True), found.true) == (8, 2, False)
    assert found.settings == {"model": "data/models/scout", "false match rate": 1e-5, "mutual rate": 1e-3}
    assert [picture.caption[:7] for picture in found.pictures] == ["Similar", "Removed"]
    assert "labelled, landmarked" in html
    assert "Planted" not in html


def test_no_picture_of_removals_where_nothing_was_removed(data: Path, tmp_path: Path) -> None:
    metrics = files.read_json(data / "metrics/overlap.json")
    metrics["removed"]["home"] |= {"removed_faces": 0, "removed_people": 0}
    files.write_json(tmp_path / "metrics/overlap.json", metrics)
    shutil.copytree(data / "prepared/overlap", tmp_path / "prepared/overlap")
    found = overlap.overlap(Results(tmp_path, {}))
    assert found is not None
    assert [picture.caption[:7] for picture in found.pictures] == ["Similar"]
    assert "Nothing had to be removed" in page.build(tmp_path, {"data": {}, "train": {}, "distill": {}})
