"""Images that lie in raw files: what is read back is what was there, or an error."""

from dataclasses import replace

import pytest

from pipeline import records
from pipeline.records import Sample
from pipeline.records.places import ChangedError, Place, mark

IMAGES = [bytes(range(start, start + 60)) for start in (0, 60, 120)]


def slow(image):
    """By the letter of the docstring, byte by byte."""
    before_last_two = image[:-2] if len(image) > 2 else b""
    middle = [image[i] if i < len(image) else 0 for i in range(len(image) // 2, len(image) // 2 + 8)]
    return bytes(middle) + (bytes(8) + before_last_two)[-8:]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 9, 10, 11, 16, 17, 60])
def test_marks(length):
    image = bytes(range(1, length + 1))
    assert mark(image) == slow(image)
    assert len(mark(image)) == 16


@pytest.fixture
def mixed(tmp_path):
    """A dataset of three images of one raw file, one of another, and one that was copied."""
    raw = tmp_path / "raw"
    (raw / "b").mkdir(parents=True)
    (raw / "a.bin").write_bytes(b"..".join(IMAGES))
    (raw / "b/c.jpg").write_bytes(IMAGES[0])
    samples = [
        Sample(f"{i}", one, "A", points5=[1.0] * 10 if i else None, place=Place("a.bin", 62 * i, 60))
        for i, one in enumerate(IMAGES)
    ]
    samples += [
        Sample("whole", IMAGES[0], place=Place("b/c.jpg", 0, 60)),
        Sample("copied", b"xyz", box=[1, 2, 3, 4]),
    ]
    (tmp_path / "d").mkdir()
    writer = records.Writer(tmp_path / "d", rows_per_shard=2)
    for sample in samples:
        writer.add(sample)
    writer.close({})
    return tmp_path, samples


def test_what_is_in_place_reads_as_if_it_were_copied(mixed):
    folder, samples = mixed
    dataset = records.Dataset(folder / "d", folder / "raw")
    assert list(dataset.samples()) == samples
    assert [bytes(dataset.image_bytes(row)) for row in range(5)] == [one.image for one in samples]
    assert sum(path.read_bytes().count(IMAGES[1]) for path in (folder / "d").iterdir()) == 0
    assert [one.place for one in dataset.samples()] == [None] * 5, "else a crop would be written as its image"
    copies = records.Writer(folder / "copies")
    copies.folder.mkdir()
    for sample in dataset.samples():
        copies.add(sample)
    copies.close({})
    assert list(records.Dataset(copies.folder).samples()) == samples


def test_copied_rows_keep_the_plain_schema(tmp_path):
    writer = records.Writer(tmp_path)
    writer.add(Sample("a", b"x"))
    writer.close({})
    assert records.Dataset(tmp_path).table.schema == records.SCHEMA


def test_a_dataset_without_its_raw_files_still_tells_all_else(mixed):
    folder, _ = mixed
    dataset = records.Dataset(folder / "d")
    assert dataset.frame(["sample_id", "identity"])["identity"].tolist()[:3] == ["A"] * 3
    assert bytes(dataset.image_bytes(4)) == b"xyz"
    with pytest.raises(ValueError, match="its images lie in raw files; say where"):
        dataset.rows(0, 1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.unlink(), "can't be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "ends before byte 122"),
        (lambda path: path.write_bytes(b"!" + path.read_bytes()), "holds something else at byte 62"),
        (lambda path: path.write_bytes(path.read_bytes()[::-1]), "holds something else at byte 62"),
    ],
)
def test_a_raw_file_that_changed_is_an_error(mixed, change, said):
    folder, _ = mixed
    change(folder / "raw/a.bin")
    dataset = records.Dataset(folder / "d", folder / "raw")
    with pytest.raises(ChangedError, match=rf"raw/a\.bin {said}.*: sample 1 .* or ingest it again"):
        dataset.rows(1, 2)
    assert dataset.rows(3, 4)[0].image == IMAGES[0], "the other file is as it was"


def test_a_place_is_no_part_of_what_a_sample_is():
    assert Sample("a", b"x", place=Place(".", 0, 1)) == Sample("a", b"x")
    assert "place" not in Sample("a", b"x").row()
    assert replace(Sample("a", b"x", place=Place(".", 0, 1)), place=None).row()["image"] == b"x"
