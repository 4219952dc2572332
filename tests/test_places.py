"""Images that lie in raw files: what is read back is what was there, or an error."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import records
from pipeline.records import Sample
from pipeline.records.places import ChangedError, Place, RawFiles, mark, marks

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


@pytest.mark.parametrize(
    ("kinds", "as_one"),
    [
        ([(0, 100), (100, 18), (130, 60)], True),
        ([(0, 100)], True),
        ([(100, 18), (0, 100), (130, 60)], False),  # not in the file's order
        ([(0, 100), (90, 60)], False),  # one in the other
        ([(0, 100), (1500, 60)], False),  # far apart
        ([(0, 100), (100, 17)], False),  # its mark holds zeros
    ],
)
def test_a_run_of_images_reads_as_each_of_them(tmp_path, kinds, as_one):
    raw = tmp_path / "raw.bin"
    raw.write_bytes(bytes(i * i % 251 for i in range(2000)))
    (tmp_path / "d").mkdir()
    writer = records.Writer(tmp_path / "d")
    images = [raw.read_bytes()[start:][:length] for start, length in kinds]
    for number, (start, length) in enumerate(kinds):
        writer.add(Sample(f"{number}", images[number], place=Place(".", start, length)))
    writer.close({})
    dataset = records.Dataset(tmp_path / "d", raw)
    found = RawFiles(raw).read_run(dataset.table)
    assert (None if found is None else found.to_pylist()) == (images if as_one else None)
    assert dataset.whole(0, len(kinds))["image"].to_pylist() == images
    if as_one:
        borders = np.append(0, np.cumsum([length for _, length in kinds]))
        assert [bytes(row) for row in marks(b"".join(images), borders)] == [slow(image) for image in images]
        raw.write_bytes(raw.read_bytes()[: kinds[-1][0] + 15])
        with pytest.raises(ChangedError, match=r"ends before byte \d+: sample \d"):
            dataset.whole(0, len(kinds))


def test_in_a_run_too_an_image_that_changed_is_an_error(tmp_path):
    raw = tmp_path / "raw.bin"
    raw.write_bytes(b"".join(IMAGES))
    (tmp_path / "d").mkdir()
    writer = records.Writer(tmp_path / "d")
    for number, image in enumerate(IMAGES):
        writer.add(Sample(f"{number}", image, place=Place(".", 60 * number, 60)))
    writer.close({})
    data = bytearray(raw.read_bytes())
    data[60 + 33] ^= 1
    raw.write_bytes(data)
    dataset = records.Dataset(tmp_path / "d", raw)
    assert RawFiles(raw).read_run(dataset.table) is None
    with pytest.raises(ChangedError, match="holds something else at byte 60: sample 1 "):
        dataset.whole(0, 3)
    assert dataset.whole(2, 3)["image"].to_pylist() == IMAGES[2:]


def test_a_place_is_no_part_of_what_a_sample_is():
    assert Sample("a", b"x", place=Place(".", 0, 1)) == Sample("a", b"x")
    assert "place" not in Sample("a", b"x").row()
    assert replace(Sample("a", b"x", place=Place(".", 0, 1)), place=None).row()["image"] == b"x"
