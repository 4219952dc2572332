import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import crops, files, geometry, records
from pipeline.detectors import DetectorError
from pipeline.params.schema import Dataset
from pipeline.records import Sample
from pipeline.records.places import ChangedError
from pipeline.sources._insightface import Packer
from stages import crop, ingest

OUT = Path("data/prepared/crop/faces")


def lay(samples, set_aside=(), pairs=()):
    """An ingested dataset `faces`."""
    folder = Path("data/prepared/ingest/faces")
    folder.mkdir(parents=True)
    writer = records.Writer(folder, rows_per_shard=50, set_aside=list(set_aside))
    for sample in samples:
        writer.add(sample)
    writer.close({"dataset": "faces", "source": "folder", "notes": []}, records.pair_table(pairs))


@pytest.fixture
def faces(jpeg, landmarks):
    return [
        Sample(f"Al/{i}.jpg", jpeg(i), "Al", "Al", [8, 9, 50, 60], landmarks(i), age=30.0, roll=0.0)
        for i in range(5)
    ]


def counts(ran):
    return {key: value for key, value in ran.told.items() if key != "resolution"}


def resolution(ran):
    """Faces by the edges that their images and the squares shown of them reach, and the enlarged ones."""
    told = ran.told["resolution"]
    edges = [0, *told["edges"]]
    image, square = (
        {edge: faces for edge, faces in zip(edges, told[key], strict=True) if faces}
        for key in ("photo", "square")
    )
    return image, square, told["enlarged"]


def test_aligned_crops_and_what_is_known_of_them(run, faces):
    lay(faces)
    ran = run()
    crop.main(ran)
    dataset = records.Dataset(OUT)
    for before, after in zip(faces, dataset.samples(), strict=True):
        points = np.reshape(before.points5, (5, 2))
        image, matrix = geometry.aligned(records.decode(before.image), points, 64)
        assert after.image == records.encode(image, 95)
        np.testing.assert_allclose(
            np.reshape(after.points5, (5, 2)), geometry.apply(matrix, points), atol=1e-4
        )
        np.testing.assert_allclose(after.box, geometry.move_box(matrix, before.box), atol=1e-4)
        assert after.roll == pytest.approx(geometry.rotation(matrix), abs=1e-4)
        assert (after.sample_id, after.identity, after.name, after.age) == (before.sample_id, "Al", "Al", 30)
    expected = {"method": "aligned", "image_size": 64, "margin": 0.0, "quality": 95, "colour": "RGB"}
    assert {key: dataset.about[key] for key in expected} == expected
    assert {key: dataset.about[key] for key in ("dataset", "crop", "detector", "count")} == {
        "dataset": "faces",
        "crop": "aligned",
        "detector": "source",
        "count": 5,
    }
    assert counts(ran) == {"crops": 5, "set_aside": 0, "pairs": 0, "broken_pairs": 0}
    assert ran.steps == 5


def test_resolution_is_counted_in_pixels_of_the_image(run, faces):
    """Images of 80 x 90; landmarks of a face whose template is 60 wide, boxes of 50 x 60."""
    faces[0].points5 = (np.asarray(faces[0].points5) * 1.1).tolist()
    faces[1].box = [8, 9, 30, 20]
    lay(faces)
    ran = run()
    crop.main(ran)
    sides = []
    for face in faces:
        _, matrix = geometry.aligned(records.decode(face.image), np.reshape(face.points5, (5, 2)), 64)
        sides.append(64 / np.sqrt(np.linalg.det(matrix[:, :2])))
    image, square, enlarged = resolution(ran)
    assert image == {80: 5}
    assert sum(square.values()) == 5
    assert enlarged == sum(side < 64 for side in sides) > 0
    crop.main(ran := run(crop="tight"))
    assert resolution(ran) == ({80: 5}, {56: 4, 28: 1}, 1)


def test_unaligned_crops_need_only_the_box(run, faces):
    for face in faces:
        face.points5 = None
    lay(faces)
    crop.main(run(crop="tight"))
    dataset = records.Dataset(OUT)
    first = next(dataset.samples())
    image, matrix = geometry.unaligned(records.decode(faces[0].image), faces[0].box, 48, 0.0)
    np.testing.assert_array_equal(records.decode(first.image), image)
    np.testing.assert_allclose(first.box, geometry.move_box(matrix, faces[0].box), atol=1e-5)
    assert dataset.about["method"] == "unaligned"


def test_workers_do_not_change_a_byte(run, jpeg, landmarks):
    lay([Sample(f"{i}.jpg", jpeg(i % 7), points5=landmarks(i)) for i in range(150)])
    written = []
    for workers in (0, 3):
        crop.main(run(workers=workers))
        written.append({path.name: path.read_bytes() for path in OUT.iterdir()})
    assert written[0] == written[1]


def test_what_gives_no_crop_joins_what_was_set_aside_before(run, faces, jpeg):
    bad = [
        Sample("line.jpg", jpeg(), points5=[1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        Sample("box.jpg", jpeg(), box=[1, 2, 30, 40]),
        Sample("nothing.jpg", jpeg()),
        Sample("torn.jpg", b"\xff\xd8", points5=[1.0] * 10),
    ]
    pair = {"protocol": "p", "fold": 0, "same": True}
    pairs = [pair | {"a": "Al/0.jpg", "b": "Al/1.jpg"}, pair | {"a": "Al/0.jpg", "b": "line.jpg"}]
    lay([*faces, *bad], [{"sample_id": "early.jpg", "reason": "truncated image"}], pairs)
    ran = run()
    crop.main(ran)
    dataset = records.Dataset(OUT)
    assert len(dataset) == 5
    aside = dataset.set_aside()
    assert aside["sample_id"].tolist() == ["early.jpg", "line.jpg", "box.jpg", "nothing.jpg", "torn.jpg"]
    reasons = aside["reason"].tolist()
    assert reasons[1].startswith("landmarks lie on a line")
    assert reasons[2] == "an aligned crop needs landmarks, here is only a box"
    assert reasons[3] == "the source gives neither box nor landmarks"
    assert reasons[4].startswith("not an image")
    assert dataset.pairs().shape[0] == 2
    assert counts(ran) == {"crops": 5, "set_aside": 4, "pairs": 2, "broken_pairs": 1}
    assert sum(ran.told["resolution"]["square"]) == 5, "of those that were cropped"


def test_the_limit_holds_for_both_stages_together(run, faces, jpeg):
    early = [{"sample_id": f"{i}.jpg", "reason": "truncated image"} for i in range(2)]
    lay([*faces, Sample("x.jpg", jpeg())], early)
    with pytest.raises(records.TooManySetAsideError, match=r"dataset faces: 3 of 8 samples"):
        crop.main(run(limit=0.3))
    assert list(Path("data/prepared/crop").iterdir()) == []
    listed = Path(".ckpt/set_aside/crop@faces.csv").read_text().splitlines()
    assert listed[:2] == ["sample_id,reason", "0.jpg,truncated image"]
    assert len(listed) == 4


def test_a_landmarks_file_that_misses_a_face(run, raw, faces):
    lay(faces)
    entries = {face.sample_id: [*face.box, 0.9, *face.points5] for face in faces[1:]}
    raw({"faces.json": json.dumps(entries).encode()})
    for face in faces:
        face.points5 = None
    crop.main(run(detector="file", detections="faces.json"))
    dataset = records.Dataset(OUT)
    assert len(dataset) == 4
    missed = {"sample_id": "Al/0.jpg", "reason": "faces.json has no entry for it"}
    assert dataset.set_aside().to_dict("records") == [missed]


def test_all_faces_of_unlabelled_photos(run, raw, faces):
    lay(faces[:2])
    both = [[*face.box, 0.9, *face.points5] for face in faces[:2]]
    raw({"faces.json": json.dumps({"0.jpg": both, "1.jpg": both[0]}).encode()})
    crop.main(ran := run(detector="file", detections="faces.json", faces="all"))
    dataset = records.Dataset(OUT)
    frame = dataset.frame()
    assert frame["sample_id"].tolist() == ["Al/0.jpg#1", "Al/0.jpg#2", "Al/1.jpg"]
    assert frame["identity"].isna().tolist() == [True, True, False]
    assert dataset.about["faces"] == "all"
    assert counts(ran)["crops"] == 3
    crop.main(run(detector="file", detections="faces.json", faces="largest"))
    assert records.Dataset(OUT).frame()["identity"].tolist() == ["Al", "Al"]


def test_a_short_key_that_fits_two_faces_fails_before_anything_is_cropped(run, raw, faces):
    lay([*faces, Sample("Bo/1.jpg", faces[0].image)])
    raw({"faces.json": json.dumps({"1.jpg": [0.0] * 15}).encode()})
    with pytest.raises(DetectorError, match=r"'1\.jpg' fits both Al/1\.jpg and Bo/1\.jpg"):
        crop.main(run(detector="file", detections="faces.json"))
    assert not Path("data/prepared/crop").exists()


def test_a_contact_sheet_of_24_faces_goes_to_tracking_alone(run, faces):
    lay([replace(face, sample_id=f"{turn}/{face.sample_id}") for turn in range(10) for face in faces])
    ran = run()
    crop.main(ran)
    picture = records.decode(ran.figures["crops.png"])
    assert picture.shape == (4 * 128, 6 * 128, 3)
    assert not list(Path("data").rglob("*.png"))


def test_an_empty_dataset(run):
    lay([])
    ran = run()
    crop.main(ran)
    assert len(records.Dataset(OUT)) == 0
    assert ran.told["crops"] == 0


def test_defaults_are_the_schema_s():
    said = Dataset(source="x")
    assert (said.crop, said.detector, said.faces) == (crop.CROP, crop.DETECTOR, crop.FACES)
    assert crops.Params(image_size=64).method == "aligned"


@pytest.fixture
def in_place(run, raw, jpeg):
    """A run whose ingested faces lie in their raw files."""
    raw({f"{i % 2}/{i}.jpg": jpeg(i) for i in range(5)})
    ran = run(crop="tight", box="whole")
    ingest.main(ran)
    assert records.Dataset("data/prepared/ingest/faces").table["image"].null_count == 5
    return ran


def test_crops_are_the_same_whether_ingest_copied_the_images_or_not(in_place):
    crop.main(in_place)
    written = {path.name: path.read_bytes() for path in OUT.iterdir()}
    ingested = records.Dataset("data/prepared/ingest/faces", "data/raw/faces")
    samples, about = list(ingested.samples()), ingested.about
    with files.writing_dir(ingested.folder) as folder:
        writer = records.Writer(folder)
        for sample in samples:
            writer.add(sample)
        writer.close(about)
    assert records.Dataset(ingested.folder).table["image"].null_count == 0
    crop.main(in_place)
    assert {path.name: path.read_bytes() for path in OUT.iterdir()} == written


def test_a_raw_file_that_changed_since_is_an_error(in_place, jpeg):
    Path("data/raw/faces/1/3.jpg").write_bytes(jpeg(4))
    with pytest.raises(ChangedError, match=r"data/raw/faces/1/3\.jpg .*: sample 1/3\.jpg was there when"):
        crop.main(in_place)
    assert not OUT.exists()


@pytest.fixture
def packed(run, jpeg):
    """A run over a RecordIO set of three people, two faces of 80 x 80 pixels each."""
    with Packer(Path("data/raw/faces"), size=(80, 80)) as packer:
        for label in range(3):
            packer.add(label, [square(jpeg(2 * label)), square(jpeg(2 * label + 1))])
    ran = run(source="recordio", crop="as_is")
    ran.params |= {"crops": {"as_is": {"method": "as_is", "image_size": 80}}}
    return ran


def square(data, side=80):
    return records.encode(records.decode(data)[:side, :side], 90)


def test_what_is_cropped_already_passes_through_untouched(packed, jpeg):
    ingest.main(packed)
    crop.main(packed)
    dataset = records.Dataset(OUT)
    assert dataset.table.schema == records.SCHEMA
    assert [one.image for one in dataset.samples()] == [square(jpeg(i)) for i in range(6)]
    assert dataset.frame()["identity"].tolist() == ["0", "0", "1", "1", "2", "2"]
    about = {key: dataset.about.get(key) for key in ("method", "image_size", "quality", "margin", "colour")}
    assert about == {"method": "as_is", "image_size": 80, "quality": None, "margin": None, "colour": "RGB"}
    assert counts(packed) == {"crops": 6, "set_aside": 0, "pairs": 0, "broken_pairs": 0}
    assert resolution(packed) == ({80: 6}, {80: 6}, 0)


def test_boxes_and_landmarks_of_what_passes_through_stay(run, faces):
    kept = [replace(face, image=square(face.image), points68=[2.0] * 136, yaw=3.0) for face in faces]
    pair = {"protocol": "p", "fold": 0, "same": True, "a": "Al/0.jpg", "b": "Al/1.jpg"}
    lay(kept, [{"sample_id": "early.jpg", "reason": "torn"}], [pair])
    ran = run(crop="as_is")
    ran.params |= {"crops": {"as_is": {"method": "as_is", "image_size": 80}}}
    crop.main(ran)
    dataset = records.Dataset(OUT)
    assert list(dataset.samples()) == list(records.Dataset("data/prepared/ingest/faces").samples())
    assert [one.image for one in dataset.samples()] == [one.image for one in kept]
    assert (len(dataset.pairs()), dataset.set_aside()["sample_id"].tolist()) == (1, ["early.jpg"])


def test_of_what_is_cropped_already_another_size_is_named(packed, jpeg):
    packed.params["crops"]["as_is"]["image_size"] = 112
    ingest.main(packed)
    said = "00000001: 80 x 80 pixels: crop `as_is` takes 112 x 112"
    with pytest.raises(records.TooManySetAsideError, match=f"6 of 6 samples .*The first: {said}"):
        crop.main(packed)
    with Packer(Path("data/raw/faces"), size=(112, 112)) as packer:
        packer.add(0, [grey(112), grey(113), b"P5 112 112 255 " + bytes(112 * 112)])
    packed = replace(packed, checkpoints=Path(".ckpt/stage/other"))  # the raw data are others
    ingest.main(packed)
    crop.main(packed)
    dataset = records.Dataset(OUT)
    assert next(dataset.samples()).image == grey(112)
    assert len(dataset) == 2
    reason = "113 x 113 pixels: crop `as_is` takes 112 x 112"
    assert dataset.set_aside().to_dict("records") == [{"sample_id": "00000002", "reason": reason}]


def grey(side):
    return records.encode(np.full((side, side, 3), 90, np.uint8))


def test_an_empty_dataset_passes_through(run):
    lay([])
    ran = run(crop="as_is")
    ran.params |= {"crops": {"as_is": {"method": "as_is"}}}
    crop.main(ran)
    assert len(records.Dataset(OUT)) == 0
