import cv2
import numpy as np
import pyarrow as pa
import pytest

from pipeline import files, records
from pipeline.records import Sample, images

RNG = np.random.default_rng(0)


def picture(height=20, width=24):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def encoded(suffix, image):
    done, data = cv2.imencode(suffix, image)
    assert done
    return data.tobytes()


def write(folder, samples, pairs=None, **settings):
    folder.mkdir()
    writer = records.Writer(folder, **settings)
    for sample in samples:
        writer.add(sample)
    writer.close({"dataset": "d"}, pairs)
    return records.Dataset(folder)


def test_samples_come_back_as_they_were(tmp_path):
    full = Sample(
        "a", b"one", "A", "Ann", [1, 2, 3, 4], list(range(10)), list(range(136)), 30.0, 0, 4, -10.0, 5.0, 1.0
    )
    bare = Sample("b", b"two")
    dataset = write(tmp_path / "d", [full, bare])
    assert list(dataset.samples()) == [full, bare]
    assert dataset.rows(1, 2) == [bare]
    assert dataset.rows(2, 9) == []
    assert [bytes(dataset.image_bytes(row)) for row in (0, 1)] == [b"one", b"two"]
    assert np.isnan(dataset.points("points5")[1]).all()
    assert dataset.frame(["gender"])["gender"].isna().tolist() == [False, True]


def test_shards_end_by_rows_or_by_bytes_and_read_as_one(tmp_path):
    samples = [Sample(f"{i}", bytes([i]) * 100) for i in range(10)]
    by_rows = write(tmp_path / "rows", samples, rows_per_shard=4)
    by_bytes = write(tmp_path / "bytes", samples, bytes_per_shard=250)
    assert len(list((tmp_path / "rows").glob("part-*"))) == 3
    assert len(list((tmp_path / "bytes").glob("part-*"))) == 4
    assert list(by_rows.samples()) == list(by_bytes.samples()) == samples
    assert bytes(by_bytes.image_bytes(7)) == samples[7].image


def test_an_empty_dataset_and_one_that_is_not_there(tmp_path):
    dataset = write(tmp_path / "empty", [])
    assert len(dataset) == 0
    assert list(dataset.samples()) == []
    assert dataset.points("points68").shape == (0, 68, 2)
    assert dataset.about == {"dataset": "d", "count": 0, "set_aside": 0}
    with pytest.raises(FileNotFoundError, match="nowhere holds no dataset"):
        records.Dataset(tmp_path / "nowhere")


def test_equal_samples_give_equal_bytes(tmp_path):
    samples = [Sample(f"{i}", b"x" * i, age=float(i)) for i in range(5)]
    for name in ("a", "b"):
        write(tmp_path / name, samples)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_pairs_and_what_was_set_aside(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    writer = records.Writer(folder)
    writer.add(Sample("a", b"x"))
    writer.skip("b", "torn")
    row = {"protocol": "p", "fold": 0, "a": "a", "b": "b", "same": True}
    writer.close({}, records.pair_table([row]))
    dataset = records.Dataset(folder)
    assert dataset.pairs().to_dict("records") == [row]
    assert dataset.set_aside().to_dict("records") == [{"sample_id": "b", "reason": "torn"}]
    assert dataset.about == {"count": 1, "set_aside": 1}


def test_an_id_that_repeats_is_refused(tmp_path, monkeypatch):
    samples = [Sample(f"{i % 7}", b"x") for i in range(8)]
    with pytest.raises(ValueError, match="2 samples have the id '0': each needs its own"):
        write(tmp_path / "d", samples, rows_per_shard=3)
    other = write(tmp_path / "other", samples[:7])
    (tmp_path / "joined").mkdir()
    writer = records.Writer(tmp_path / "joined")
    writer.add(Sample("5", b"y"))
    writer.adopt(sorted(other.folder.glob("part-*")), 7)
    with pytest.raises(ValueError, match="the id '5'"):
        writer.close({})
    monkeypatch.setattr(records.pd.util, "hash_array", lambda ids, **_: np.zeros(len(ids), np.uint64))
    assert len(write(tmp_path / "meeting", samples[:7])) == 7, "only hashes meet"


def test_a_folder_is_whole_or_absent(tmp_path):
    with pytest.raises(pa.ArrowException), files.writing_dir(tmp_path / "d") as aside:
        records.Writer(aside, rows_per_shard=1).add(Sample("a", b"x", box=[1, 2, 3]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_cut_off_images_are_not_whole(suffix):
    data = encoded(suffix, picture(64, 64))
    assert records.is_whole(data)
    for share in (0.3, 0.7, 0.95):
        assert not records.is_whole(data[: int(share * len(data))])
    assert not records.is_whole(data[:-40])


def test_a_cut_off_jpeg_with_a_whole_thumbnail_is_not_whole():
    data = encoded(".jpg", picture(64, 64))
    thumbnail = encoded(".jpg", picture(8, 8))
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    both = data[:2] + segment + data[2:]
    assert records.is_whole(both)
    assert not records.is_whole(both[:-50])


def test_a_jpeg_with_bytes_after_its_end_is_whole():
    assert records.is_whole(encoded(".jpg", picture()) + bytes(5000))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG", b"BM", b"RIFF", b"hello"])
def test_bytes_that_are_no_image(data):
    with pytest.raises(records.BadImageError):
        records.decode(data)


def test_png_keeps_every_pixel_and_grey_becomes_three_channels():
    image = picture()
    np.testing.assert_array_equal(records.decode(records.encode(image, 101)), image)
    grey = encoded(".pgm", image[..., 0])
    np.testing.assert_array_equal(records.decode(grey), np.repeat(image[..., :1], 3, 2))


def test_the_limit_of_what_is_set_aside():
    aside = [{"sample_id": f"{i}.jpg", "reason": "torn"} for i in range(5)]
    records.check_set_aside(aside, 100, 0.05, "dataset d")
    records.check_set_aside([], 0, 0.05, "dataset d")
    with pytest.raises(records.TooManySetAsideError, match=r"dataset d: 5 of 99 .*5\.0%.*0\.jpg: torn"):
        records.check_set_aside(aside, 99, 0.05, "dataset d")


def test_sizes_of_many_images_are_those_of_each():
    shapes = [(24, 20), (24, 20), (20, 24), (24, 20), (300, 2)]
    made = [encoded(suffix, picture(*shape)) for suffix in (".jpg", ".png", ".bmp") for shape in shapes]
    cut = [data[:at] for data in made[:2] for at in range(0, 200, 7)]
    odd = [b"\xff\xd8\xff\xfe\x00\x06\xff\xc0\x00\x01" + made[0][2:], b"", b"\xff\xd8\xff\xc0\x00\x11\x08"]
    every = [*made, *cut, *odd, *made]
    for first in range(len(every)):  # each takes its turn as the one that stands for others
        column = pa.array([b"before", *every[first:], *every[:first]], pa.binary())[1:]
        assert images.sizes(column) == [images.size(data) for data in every[first:] + every[:first]]
    assert images.sizes(pa.array([], pa.binary())) == []
