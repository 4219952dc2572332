"""A face goes back from its crop into the photo that it was cut from."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline import geometry, records
from pipeline.annotators._photos import PhotosOf
from pipeline.cropping import origins, wants_origins, write_origins
from pipeline.crops import Cropper
from pipeline.detectors import Detection
from tests.annotators import nets


class Two:
    absent = ""
    shared = True

    def __init__(self, faces):
        self.faces = faces

    def check(self, sample_ids):
        pass

    def detect(self, sample, image):
        return self.faces


def face(x, angle):
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (geometry.template(30) - 15) @ matrix.T + [x, 40]
    return Detection(np.array([x - 14.0, 25.0, 28.0, 30.0 + x / 10]), points)


def write(folder, samples, make, annotators):
    folder.mkdir(parents=True)
    writer, shards = records.Writer(folder), []
    for number, one in enumerate(samples):  # a shard each
        batch = make(one)
        shards.append(folder.parent / f"{folder.name}-shard{number}")
        shards[-1].mkdir()
        records.write_parquet(shards[-1] / records.ORIGINS_FILE, origins(batch))
        for crop in batch:
            writer.add(crop)
    writer.close({"image_size": 32})
    if wants_origins("aligned", annotators):
        write_origins(folder, shards)
    return records.Dataset(folder)


@pytest.fixture
def cropped(tmp_path):
    samples = [nets.sample(f"{i}", nets.picture(i)) for i in range(3)]
    nets.photos(tmp_path / "ingest", samples)
    faces = [face(25, 20.0), face(60, -10.0)]
    make = Cropper(Two(faces), "aligned", 32, faces="all")
    crops = write(tmp_path / "crop", samples, make, ["fsanet"])
    return PhotosOf(crops, tmp_path / "ingest", tmp_path), sorted(faces, key=lambda one: -one.box[3])


def test_boxes_and_landmarks_are_where_they_were(cropped):
    photos, faces = cropped
    for row in range(6):
        found, wanted = photos.face(row), faces[row % 2]
        np.testing.assert_array_equal(found.image, nets.picture(row // 2))
        np.testing.assert_allclose(found.box, wanted.box, atol=1e-4)
        np.testing.assert_allclose(found.points5, wanted.points5, atol=1e-4)
        assert found.turn == pytest.approx(-20 if wanted is not faces[0] else 10, abs=1e-6)


def test_a_photo_that_ingest_no_longer_has(cropped, tmp_path):
    photos, _ = cropped
    nets.photos(tmp_path / "other", [nets.sample("7")])
    photos.ingested = tmp_path / "other"
    with pytest.raises(ValueError, match="holds no photo '0': run its crop again"):
        photos.face(0)


def test_what_was_cropped_before_is_looked_at_as_it_is(tmp_path):
    _, photos = nets.photos(tmp_path, [nets.sample("a", box=[3, 4, 30, 40]), nets.sample("b")])
    assert photos.face(0).box.tolist() == [3, 4, 30, 40]
    assert photos.face(1).box.tolist() == [-0.5, -0.5, 80, 90]
    assert (photos.face(1).points5, photos.face(1).turn) == (None, 0)


def test_origins_are_written_only_for_those_who_look(tmp_path):
    samples = [nets.sample("a")]
    make = Cropper(Two([face(25, 0.0)]), "aligned", 32)
    for number, annotators in enumerate((["truth", "pose"], [], ["truth", "mine"])):
        write(tmp_path / f"{number}", samples, make, annotators)
        assert (tmp_path / f"{number}" / "origins.parquet").exists() == ("mine" in annotators)
    table = pa.Table.from_pandas(records.read_parquet(tmp_path / "2" / "origins.parquet"))
    assert table.column("photo").to_pylist() == ["a"]
