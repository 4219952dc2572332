import json

import numpy as np
import pandas as pd
import pytest

from pipeline.detectors import DetectorError, file
from pipeline.records import Sample

IMAGE = np.zeros((8, 8, 3), np.uint8)
ENTRY = [10, 20, 30, 40, 0.9, *range(10)]
COLUMNS = [
    "path",
    "x",
    "y",
    "width",
    "height",
    "score",
    *(f"{axis}{i}" for i in range(1, 6) for axis in "xy"),
]


def detector(tmp_path, entries, name="faces.json"):
    if name.endswith(".json"):
        (tmp_path / name).write_text(json.dumps(entries))
    else:
        frame = pd.DataFrame([[key, *value] for key, value in entries.items()], columns=COLUMNS)
        frame.to_csv(tmp_path / name, index=False) if name.endswith("csv") else frame.to_parquet(
            tmp_path / name
        )
    return file.build(file.Params(path=name), tmp_path)


def the_face(found, path):
    (face,) = found.detect(Sample(path, b""), IMAGE)
    return face


@pytest.mark.parametrize("name", ["faces.json", "faces.csv", "faces.parquet"])
def test_every_form_says_the_same(tmp_path, name):
    face = the_face(detector(tmp_path, {"1.jpg": ENTRY}, name), "x/1.jpg")
    assert face.box.tolist() == [10, 20, 30, 40]
    assert face.score == 0.9
    assert face.points5.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_the_longest_end_of_the_path_counts(tmp_path):
    entries = {key: [i, *ENTRY[1:]] for i, key in enumerate(("1.jpg", "b/1.jpg", "a/b/1.jpg", "c/1.jpg"))}
    found = detector(tmp_path, entries)
    places = {name: the_face(found, name).box[0] for name in ("1.jpg", "x/b/1.jpg", "a/b/1.jpg")}
    assert places == {"1.jpg": 0, "x/b/1.jpg": 1, "a/b/1.jpg": 2}


def test_a_face_that_the_file_misses(tmp_path):
    found = detector(tmp_path, {"1.jpg": ENTRY})
    assert found.detect(Sample("2.jpg", b""), IMAGE) == []
    assert found.absent == "faces.json has no entry for it"


def test_a_key_that_fits_two_samples(tmp_path):
    found = detector(tmp_path, {"1.jpg": ENTRY, "c/1.jpg": ENTRY})
    found.check(["a/1.jpg", "c/1.jpg", "2.jpg"])
    with pytest.raises(
        DetectorError, match=r"'1\.jpg' fits both a/1\.jpg and b/1\.jpg: keys should be longer"
    ):
        found.check(["a/1.jpg", "b/1.jpg"])


@pytest.mark.parametrize("entry", [ENTRY[:-1], [*ENTRY[:-1], float("nan")], "hello", None])
def test_a_wrong_entry_is_named(tmp_path, entry):
    with pytest.raises(DetectorError, match=r"faces\.json: 'b\.jpg' should have 15 finite numbers"):
        detector(tmp_path, {"a.jpg": ENTRY, "b.jpg": entry})


def test_wrong_files(tmp_path):
    with pytest.raises(DetectorError, match="needs `detections: <path>`"):
        file.build(file.Params(), tmp_path)
    with pytest.raises(DetectorError, match=r"gone\.json does not exist"):
        file.build(file.Params(path="gone.json"), tmp_path)
    (tmp_path / "faces.txt").write_text("")
    with pytest.raises(DetectorError, match=r"faces\.txt should be a \.json, \.csv or \.parquet"):
        file.build(file.Params(path="faces.txt"), tmp_path)
    (tmp_path / "torn.json").write_text('{"a": [1,')
    with pytest.raises(DetectorError, match=r"torn\.json is not JSON"):
        file.build(file.Params(path="torn.json"), tmp_path)
    (tmp_path / "few.csv").write_text("path,x,y\n1.jpg,1,2\n")
    with pytest.raises(DetectorError, match=r"few\.csv has no column width, height, x1"):
        file.build(file.Params(path="few.csv"), tmp_path)
    row = ",".join(map(str, ["1.jpg", *ENTRY]))
    (tmp_path / "twice.csv").write_text("\n".join([",".join(COLUMNS), row, row]))
    with pytest.raises(DetectorError, match=r"holds '1\.jpg' twice"):
        file.build(file.Params(path="twice.csv"), tmp_path)


@pytest.mark.parametrize("path", ["/tmp/faces.json", "../faces.json", "a/../../faces.json"])
def test_a_path_outside_the_dataset_is_refused(path):
    with pytest.raises(ValueError, match=r"must lie inside data/raw/<dataset>"):
        file.Params(path=path)


def test_a_link_inside_the_dataset_is_followed(tmp_path):
    (tmp_path / "faces.json").write_text(json.dumps({"1.jpg": ENTRY}))
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "link.json").symlink_to(tmp_path / "faces.json")
    found = file.build(file.Params(path="link.json"), tmp_path / "raw")
    assert the_face(found, "1.jpg").score == 0.9


def test_several_faces_of_an_image_and_none(tmp_path):
    found = detector(tmp_path, {"1.jpg": [ENTRY, [9, *ENTRY[1:]]], "2.jpg": [[9, *ENTRY[1:]]]})
    assert [face.box[0] for face in found.detect(Sample("1.jpg", b""), IMAGE)] == [10, 9]
    assert the_face(found, "2.jpg").box[0] == 9
    with pytest.raises(
        DetectorError, match=r"faces\.json: 'b\.jpg' should have 15 finite numbers \(a face\)"
    ):
        detector(tmp_path, {"b.jpg": [ENTRY, ENTRY[:4]]})
    with pytest.raises(DetectorError, match=r"'b\.jpg' should have 15"):
        detector(tmp_path, {"b.jpg": [[ENTRY]]})
