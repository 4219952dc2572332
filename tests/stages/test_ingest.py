import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipeline import pools, records, shards
from pipeline.params.schema import Dataset
from pipeline.sources import SourceError
from stages import crop, ingest

OUT = Path("data/prepared/ingest/faces")
LIST = b"1\nAl\t1\t2\nAl\t1\tBo\t1\n"


def read(folder=OUT):
    return records.Dataset(folder, "data/raw/faces")


def test_a_folder_becomes_a_dataset(run, raw, jpeg):
    names = ("Al/Al_0001.jpg", "Al/Al_0002.jpg", "Bo/Bo_0001.jpg")
    raw({name: jpeg(i) for i, name in enumerate(names)} | {"pairs.txt": LIST})
    ran = run(pairs="pairs.txt", crop="tight", detector="source", annotators=["truth"])
    ingest.main(ran)
    assert [s.sample_id for s in read().samples()] == list(names)
    assert [s.identity for s in read().samples()] == ["Al", "Al", "Bo"]
    assert read().pairs()["b"].tolist() == ["Al/Al_0002.jpg", "Bo/Bo_0001.jpg"]
    assert read().about == {
        "count": 3,
        "set_aside": 0,
        "dataset": "faces",
        "source": "folder",
        "other_files": 1,
        "pairs_list": "pairs.txt",
        "notes": ["1 of 2 identities have a single image"],
    }
    assert ran.told == {
        "samples": 3,
        "set_aside": 0,
        "reasons": {},
        "pairs": 2,
        "identities": 2,
        "images_per_identity": {"min": 1, "median": 1.5, "max": 2},
    }


def test_a_benchmark_goes_to_its_own_place(run, raw, jpeg):
    raw({"Al/Al_0001.jpg": jpeg()})
    ingest.main(run(benchmark=True))
    assert len(read(Path("data/benchmarks/ingest/faces"))) == 1
    assert not Path("data/prepared").exists()


def test_one_identity_and_one_image_are_told_but_no_error(run, raw, jpeg):
    raw({"Al/1.jpg": jpeg()})
    ingest.main(run())
    one, single = read().about["notes"]
    assert one == "it holds one identity: labels teach nothing"
    assert single == "1 of 1 identities have a single image"


def test_bad_images_are_set_aside_and_counted(run, raw, jpeg):
    raw({"Al/1.jpg": jpeg(1), "Al/2.jpg": jpeg(2)[:400], "Al/3.jpg": b"<html>", "Bo/4.jpg": jpeg(4)})
    ran = run()
    ingest.main(ran)
    assert ran.told["set_aside"] == 2
    assert ran.told["reasons"] == {"truncated image": 1, "not an image, or truncated": 1}
    assert read().set_aside().to_dict("records") == [
        {"sample_id": "Al/2.jpg", "reason": "truncated image"},
        {"sample_id": "Al/3.jpg", "reason": "not an image, or truncated"},
    ]
    assert ran.steps == 4


def test_too_many_bad_images_fail_and_leave_what_was_there(run, raw, jpeg):
    raw({"Al/1.jpg": jpeg(1)})
    ingest.main(run())
    before = {path.name: path.read_bytes() for path in OUT.iterdir()}
    raw({"Al/2.jpg": b"<html>"})
    ran = run(limit=0.4)
    with pytest.raises(
        records.TooManySetAsideError, match=r"dataset faces: 1 of 2 .*50\.0%.*40\.0%.*Al/2\.jpg: not"
    ):
        ingest.main(ran)
    assert {path.name: path.read_bytes() for path in OUT.iterdir()} == before
    assert [path.name for path in OUT.parent.iterdir()] == ["faces"]
    assert ran.told == {}


def test_what_was_set_aside_is_listed_where_the_stage_fails(run, raw, jpeg):
    torn = {f'Al/{i},"b".jpg': b"" for i in range(5)}
    raw({"Al/9.jpg": jpeg(1), **torn})
    with pytest.raises(records.TooManySetAsideError, match=r"All 5 are listed in (\S+)$") as told:
        ingest.main(run())
    path = Path(str(told.value).rsplit(" ", 1)[1])
    listed = pd.read_csv(path)
    assert listed["sample_id"].tolist() == sorted(torn)
    assert set(listed["reason"]) == {"empty file"}
    ingest.main(run(limit=1.0))
    assert not path.exists(), "a list of an earlier try misleads"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, "data/raw/faces does not exist: put a folder or an archive there"),
        ({"source": "pairs"}, "data/raw/faces does not exist"),
    ],
)
def test_a_dataset_that_is_not_there(run, entry, message):
    with pytest.raises(SourceError, match=message):
        ingest.main(run(**entry))
    assert not Path("data/prepared").exists()


def test_a_pair_that_names_a_missing_file_writes_nothing(run, raw, jpeg):
    raw({"Al/Al_0001.jpg": jpeg(), "pairs.txt": LIST})
    with pytest.raises(
        SourceError, match=r"pairs\.txt line 2: the pair \(Al_0001, Al_0002\) names Al/Al_0002"
    ):
        ingest.main(run(source="pairs"))
    assert not Path("data/prepared").exists()


def test_the_file_of_detections_is_part_of_the_dataset(run, raw, jpeg):
    raw({"Al/1.jpg": jpeg(), "faces.json": b"{}"})
    ingest.main(run(detector="file", detections="faces.json"))
    assert read().about["detections_sha256"] == hashlib.sha256(b"{}").hexdigest()
    with pytest.raises(SourceError, match=r"detections: data/raw/faces/gone\.json does not exist"):
        ingest.main(run(detector="file", detections="gone.json"))
    for outside in (str(Path("data/raw/faces/faces.json").resolve()), "../faces/faces.json"):
        with pytest.raises(SourceError, match=r"detections: .* must lie inside data/raw/<dataset>"):
            ingest.main(run(detector="file", detections=outside))
        with pytest.raises(ValueError, match="must lie inside data/raw/<dataset>"):
            ingest.main(run(list=outside))


def test_an_empty_role(run):
    ran = run("none", source="none")
    ingest.main(ran)
    assert read(Path("data/prepared/ingest/none")).about["notes"] == ["it holds no samples"]
    assert ran.told["identities"] == ran.told["samples"] == 0


def test_reading_twice_gives_equal_bytes(run, raw, jpeg):
    raw({f"{i % 3}/{i}.jpg": jpeg(i) for i in range(7)})
    written = []
    for _ in range(2):
        ingest.main(run())
        written.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert written[0] == written[1]


def test_a_world_is_made_by_workers_and_its_lists_reach_the_crops(run, monkeypatch):
    started, begin = [], pools.processes

    def spied(task, workers, *others):
        started.append(workers)
        return begin(task, workers, *others)

    monkeypatch.setattr(pools, "processes", spied)
    monkeypatch.setattr(shards, "SMALLEST", 6)
    part = {"identities": 2, "images": 1}
    test = {"identities": 6, "images": 2, "distractors": 2, "probes": 1, "stills": 1, "frames": 1}
    sizes = {"tiny": {"world": {"labelled": part, "unlabelled": part, "validation": part, "test": test}}}
    world = {"worlds": {"home": {"image_size": 32}}, "world_seed": 0, "sizes": sizes}
    entry = {
        "source": "synthetic",
        "part": "test",
        "protocols": ["templates", "distractors", "surveillance", "splits"],
        "negatives": ["random"],
    }
    place, written = Path("data/benchmarks/ingest/faces"), {}
    for workers in (1, 2):
        ran = run("faces", **entry, workers=workers, benchmark=True)
        ran.params |= world
        ingest.main(ran)
        written[workers] = {path.name: path.read_bytes() for path in place.iterdir()}
    assert started == [2]
    assert sum(name.startswith("part-") for name in written[1]) == 5
    assert written[1] == written[2]
    dataset = read(place)
    assert len(dataset) == ran.told["samples"] == ran.steps == 4 * (2 + 3) + 2 * 2 + 2 * 1 + 2
    assert {name: table.schema for name, table in dataset.lists().items()} == records.LISTS
    assert {name: ran.told[name] for name in records.LISTS} == {
        name: table.num_rows for name, table in dataset.lists().items()
    }
    ran = replace(ran, checkpoints=Path(".ckpt/crop/0"))
    crop.main(ran)
    cropped = read(Path("data/benchmarks/crop/faces"))
    assert cropped.lists() == dataset.lists()
    assert ran.told["crops"] == len(dataset)


def test_shards_that_are_kept_are_of_the_same_run(run):
    part = {"identities": 2, "images": 1}
    parts = dict.fromkeys(("labelled", "unlabelled", "validation", "test"), part)
    world = {"worlds": {"home": {"image_size": 32}}, "world_seed": 0, "sizes": {"tiny": {"world": parts}}}
    ran = run("faces", source="synthetic", part="labelled")
    ran.params |= world
    ingest.main(ran)
    (shard,) = ran.checkpoints.glob("shards/00000/part-*.arrow")
    before, written = shard.stat().st_mtime_ns, (OUT / "part-00000.arrow").read_bytes()
    ingest.main(ran)
    assert shard.stat().st_mtime_ns == before
    assert (OUT / "part-00000.arrow").read_bytes() == written == shard.read_bytes()
    parts["labelled"] = {"identities": 300, "images": 1}
    with pytest.raises(shards.ShardError, match="of other params, data or code"):
        ingest.main(ran)


def test_an_entry_s_common_keys_are_the_schema_s():
    assert set(ingest.COMMON) == set(Dataset.model_fields)
