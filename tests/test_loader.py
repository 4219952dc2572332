"""Faces against reading the dataset row by row; what is left out; errors that name the sample."""

import multiprocessing

import numpy as np
import pandas as pd
import pytest

from pipeline import files, records
from pipeline.loader import Faces, exclusions, merged
from pipeline.records import BadImageError, Dataset, Sample
from tests.train.tiny import write_faces


def write(folder, samples):
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for sample in samples:
            writer.add(sample)
        writer.close({})
    return folder


def plain(name, identity=None, size=8, value=100):
    return Sample(name, records.encode(np.full((size, size, 3), value, np.uint8), 101), identity=identity)


@pytest.mark.parametrize("cache_gb", [0.0, 1.0])
def test_images_are_the_datasets(tmp_path, cache_gb):
    folder = write_faces(tmp_path / "faces", 4, 5)
    gone = {"p000/3", "p002/0"}
    faces = Faces(folder, exclude=gone, needs_identity=True, cache_gb=cache_gb)
    dataset = Dataset(folder)
    frame = dataset.frame(["sample_id", "identity"])
    kept = [row for row in range(len(dataset)) if frame.sample_id[row] not in gone]
    assert faces.rows.tolist() == kept
    assert faces.cached == (cache_gb > 0)
    positions = np.array([17, 0, 3, 3])
    images = faces.images(positions)
    assert images.shape == (4, 16, 16, 3)
    for image, position in zip(images, positions, strict=True):
        np.testing.assert_array_equal(image.numpy(), dataset.image(kept[position]))
        assert faces.classes[faces.labels[position]] == frame.identity[kept[position]]
        assert faces.sample_id(int(position)) == frame.sample_id[kept[position]]
    np.testing.assert_array_equal(faces.points("points68"), dataset.points("points68")[kept])


def test_a_caller_may_change_what_it_got(tmp_path):
    faces = Faces(write_faces(tmp_path / "faces"), cache_gb=1.0)
    first = faces.images(np.arange(2))
    first.zero_()
    assert faces.images(np.arange(2)).float().mean() > 10


def test_labels_follow_the_alphabet_and_the_exclusions(tmp_path):
    people = ["zoe", "ann", None, "zoe", "bob"]
    folder = write(tmp_path / "d", [plain(str(i), person) for i, person in enumerate(people)])
    faces = Faces(folder, needs_identity=True)
    assert faces.classes == ["ann", "bob", "zoe"]
    assert faces.labels.tolist() == [2, 0, 2, 1]
    assert Faces(folder, without={"ann"}, needs_identity=True).labels.tolist() == [1, 1, 0]
    unknown = Faces(folder)
    assert (len(unknown), unknown.classes, set(unknown.labels.tolist())) == (5, [], {-1})


def test_merged_identities_share_a_label(tmp_path):
    people = ["zoe", "ann", None, "zo", "bob"]
    folder = write(tmp_path / "d", [plain(str(i), person) for i, person in enumerate(people)])
    pd.DataFrame(
        [("d", "zo", "zoe"), ("e", "bob", "ann")], columns=["dataset", "identity", "into"]
    ).to_parquet(tmp_path / "merged.parquet")
    faces = Faces(folder, needs_identity=True, merged=merged(tmp_path / "merged.parquet", "d"))
    assert faces.classes == ["ann", "bob", "zoe"]
    assert faces.labels.tolist() == [2, 0, 2, 1]
    assert merged(tmp_path / "merged.parquet", "x") == {}
    pd.DataFrame({"dataset": ["d"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet lacks.*identity"):
        merged(tmp_path / "other.parquet", "d")


def test_one_identity_is_refused_and_single_images_are_told(tmp_path, caplog):
    folder = write(tmp_path / "lonely", [plain("1", "a"), plain("2", "a"), plain("3", "b")])
    with pytest.raises(ValueError, match=r"lonely: 1 identities left after 2 faces.*two or more"):
        Faces(folder, exclude={"1", "2"}, needs_identity=True)
    Faces(folder, needs_identity=True)
    assert "1 of 2 identities have one image" in caplog.text


@pytest.mark.parametrize("cache_gb", [0.0, 1.0])
def test_bad_images_are_named(tmp_path, cache_gb):
    broken = write(tmp_path / "broken", [plain("good"), Sample("torn", b"\xff\xd8 no image")])
    with pytest.raises(BadImageError, match="broken: sample torn"):
        Faces(broken, cache_gb=cache_gb).images(np.arange(2))
    mixed = write(tmp_path / "mixed", [plain("small"), plain("big", size=9)])
    with pytest.raises(BadImageError, match="sample big is 9 x 9, the others are 8 x 8"):
        Faces(mixed, cache_gb=cache_gb).images(np.arange(2))


def test_everybody_excluded_leaves_an_empty_set(tmp_path):
    folder = write(tmp_path / "d", [plain("1"), plain("2")])
    assert len(Faces(folder, exclude={"1", "2"}, cache_gb=1.0)) == 0


def test_a_forked_worker_reads_the_same(tmp_path):
    faces = Faces(write_faces(tmp_path / "faces"))
    here = faces.images(np.arange(5)).numpy()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        there = pool.apply(_read, (faces.folder,))
    np.testing.assert_array_equal(here, there)


def _read(folder):
    return Faces(folder).images(np.arange(5)).numpy()


def test_exclusions_are_a_datasets_own(tmp_path):
    rows = [("a", "1"), ("b", "2"), ("a", "3")]
    frame = pd.DataFrame(rows, columns=["dataset", "sample_id"]).assign(reason="name")
    frame.to_parquet(tmp_path / "exclusions.parquet")
    assert exclusions(tmp_path / "exclusions.parquet", "a") == {"1", "3"}
    assert exclusions(tmp_path / "exclusions.parquet", "c") == set()
    frame.drop(columns="dataset").to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet lacks.*dataset"):
        exclusions(tmp_path / "other.parquet", "a")


def test_what_is_left_out_is_counted_and_told(tmp_path, caplog):
    people = ["zoe", "ann", None, "zoe", "bob", None, "eve"]
    samples = [plain(str(i), person) for i, person in enumerate(people)]
    for sample in samples[3:]:
        sample.box = [0, 0, 8, 8]
    folder = write(tmp_path / "d", samples)
    with caplog.at_level("INFO"):
        faces = Faces(folder, exclude={"2"}, without={"eve"}, needs_identity=True, known=("box",))
    expected = {"excluded": 1, "of people held out": 1, "of nobody known": 1, "without box": 2}
    assert faces.left_out == expected
    assert faces.sample_ids == ["3", "4"]
    told = "5 of 7 faces are left out: 1 excluded, 1 of people held out, 1 of nobody known, 2 without box"
    assert told in caplog.text
    assert Faces(folder).left_out == {}
