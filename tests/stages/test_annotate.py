from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from pipeline import annotators, files, plugin, records
from pipeline.params.schema import Dataset
from pipeline.records import Sample
from stages import annotate

OUT = Path("data/prepared/annotate/faces")


def lay(samples):
    folder = Path("data/prepared/crop/faces")
    folder.mkdir(parents=True)
    writer = records.Writer(folder)
    for sample in samples:
        writer.add(sample)
    writer.close({"dataset": "faces"})


@pytest.fixture
def faces(landmarks):
    known = {"gender": 1, "race": 2, "age": 33.0, "pitch": 0.0, "roll": 0.0}
    return [
        Sample("a", b"", points5=landmarks(0), yaw=0.0, **known),
        Sample("b", b"", points5=landmarks(1), yaw=50.0, **known),
        Sample("c", b"", points5=landmarks(2)),
        Sample("d", b""),
    ]


def test_truth_counts_first_and_pose_fills_what_it_does_not_know(run, faces):
    lay(faces)
    ran = run()
    annotate.main(ran)
    table = pd.read_parquet(OUT / "annotations.parquet")
    assert set(table.columns) == {"sample_id", "cohort", *annotators.COLUMNS}
    assert table["sample_id"].tolist() == ["a", "b", "c", "d"]
    assert table["yaw"].tolist() == [2, 1, 2, -1]
    assert table["yaw_confidence"].tolist()[:2] == [1, 1]
    assert 0.5 < table["yaw_confidence"][2] < 1
    assert table["gender"].tolist() == [1, 1, -1, -1]
    assert table["cohort"].tolist() == [*(1 * 90 + 1 * 45 + 2 * 9 + 2 * 3 + yaw for yaw in (2, 1)), -1, -1]
    assert ran.told["known"] == {"age_group": 2, "gender": 2, "race": 2, "pitch": 3, "yaw": 3}
    assert ran.told["cohorts"] == {"seen": 2, "faces": 2}


def test_agreement_of_both_is_written_as_it_is(run, faces):
    """Face b is said to be turned by 50 degrees, its landmarks are frontal."""
    lay(faces)
    annotate.main(run())
    found = files.read_json(OUT / "agreement.json")["truth, pose"]
    pose = plugin.load("annotators", "pose")
    frame = records.Dataset("data/prepared/crop/faces").frame()
    degrees = pose.build(pose.Params()).annotate(frame)["yaw_degrees"][:2]
    assert found["yaw"]["faces"] == 2
    assert found["yaw"]["equal"] == 0.5
    assert found["yaw"]["degrees"] == pytest.approx(np.abs(degrees - [0, 50]).mean(), abs=1e-4)
    assert set(found) == {"pitch", "yaw"}


def test_one_annotator_alone(run, faces):
    lay(faces)
    annotate.main(run(annotators=["pose"]))
    table = pd.read_parquet(OUT / "annotations.parquet")
    assert table["yaw"].tolist() == [2, 2, 2, -1]
    assert (table["cohort"] == -1).all()
    assert files.read_json(OUT / "agreement.json") == {}


def test_running_twice_gives_equal_bytes(run, faces):
    lay(faces)
    written = []
    for _ in range(2):
        annotate.main(run())
        written.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert written[0] == written[1]


def test_in_shards_the_same_and_a_finished_one_is_not_made_again(run, faces, monkeypatch):
    """Five photos, looked at by their place in the whole dataset; killed in the last of three shards."""

    class Looking:
        seen, kill = [], True

        def annotate(self, frame, photos):
            self.seen += [photos.face(row).image[0, 0, 0] for row in range(len(frame))]
            if self.kill and len(frame) == 1:
                raise KeyboardInterrupt
            return annotators.answer({}, {}, {"yaw": np.float32(self.seen[-len(frame) :])}, frame.index)

    lay([Sample(f"{k}", records.encode(np.full((9, 9, 3), k, np.uint8), 101)) for k in range(5)])
    module = SimpleNamespace(Params=dict, build=lambda _: Looking())
    loaded = plugin.load
    monkeypatch.setattr(plugin, "load", lambda f, name: module if name == "looking" else loaded(f, name))
    monkeypatch.setattr(annotate, "FEWEST", 2)
    ran = run(annotators=["looking"])
    with pytest.raises(KeyboardInterrupt):
        annotate.main(ran)
    assert not OUT.exists()
    Looking.kill = False
    annotate.main(ran)
    assert Looking.seen == [0, 1, 2, 3, 4, 4]
    assert pd.read_parquet(OUT / "annotations.parquet")["yaw_degrees"].tolist() == [0, 1, 2, 3, 4]


def test_shards_of_any_size_give_equal_bytes(run, faces, monkeypatch):
    lay(faces)
    written = []
    for fewest in (1, 3, 512):
        monkeypatch.setattr(annotate, "FEWEST", fewest)
        annotate.main(run())
        written.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert written[0] == written[1] == written[2]


def test_an_empty_dataset(run):
    lay([])
    ran = run()
    annotate.main(ran)
    assert ran.told["faces"] == 0
    assert pd.read_parquet(OUT / "annotations.parquet").empty


def test_an_unknown_annotator(run, faces):
    lay(faces)
    with pytest.raises(plugin.UnknownPluginError, match="did you mean 'truth'"):
        annotate.main(run(annotators=["thruth"]))


def test_defaults_are_the_schema_s():
    assert list(annotate.DEFAULT) == Dataset(source="x").annotators
