"""Sources that say where images lie: the bytes there are the image, and tables say what samples say."""

import io
import os
import struct
import tarfile
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pipeline import reading, records, runtime
from pipeline.records import Sample
from pipeline.sources import SourceError, _bulk, folder, image_labels, layout, recordio, webdataset
from pipeline.sources._insightface import Packer
from pipeline.sources._recordio import MAGIC_BYTES, Header, pack, write


def placed(source, raw):
    """How many samples lie in a raw file; their bytes there are compared with the samples'."""
    found = [sample for sample in source.samples() if sample.place is not None]
    for sample in found:
        data = (raw / sample.place.file).read_bytes()
        assert data[sample.place.offset :][: sample.place.length] == sample.image, sample.sample_id
    return len(found)


@pytest.mark.parametrize(("form", "expected"), [("folder", 2), (".tar", 2), (".zip", 2), (".tar.gz", 0)])
def test_folders_and_archives(lay, tmp_path, jpeg, form, expected):
    entries = {"Al/1.jpg": jpeg(1), "Bo/2.jpg": jpeg(2)}
    raw = lay(entries, form)
    assert placed(folder.build(folder.Params(), raw, {}), raw) == expected
    assert placed(image_labels.build(image_labels.Params(), raw, {}), raw) == expected
    (tmp_path / "dataset").symlink_to(raw)
    assert placed(folder.build(folder.Params(), tmp_path / "dataset", {}), tmp_path / "dataset") == expected
    inside = tmp_path / "outer"
    inside.mkdir()
    (inside / f"packed{'' if form == 'folder' else form}").symlink_to(raw)
    assert placed(folder.build(folder.Params(), inside, {}), inside) == expected


def test_a_layout(lay, jpeg):
    raw = lay({"0000045/001.jpg": jpeg(1), "0000045/002.jpg": jpeg(2)})
    assert placed(layout.build(layout.Params(layout="casia"), raw, {}), raw) == 2


def test_of_a_zip_what_is_stored_lies_there_and_what_is_packed_does_not(tmp_path, jpeg):
    path = tmp_path / "raw.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("Al/ü.jpg", jpeg(1))
        stamped = zipfile.ZipInfo("Al/2.jpg")
        stamped.extra = struct.pack("<HHI", 0x7875, 4, 0)
        file.writestr(stamped, jpeg(2))
        file.writestr("Al/3.jpg", jpeg(3), zipfile.ZIP_DEFLATED)
    path.write_bytes(b"a program that unpacks itself" + path.read_bytes())
    assert placed(folder.build(folder.Params(), path, {}), path) == 2


def test_a_name_that_is_no_text_is_copied(tmp_path, jpeg):
    (tmp_path / "Al").mkdir()
    (tmp_path / "Al/1.jpg").write_bytes(jpeg(1))
    with open(bytes(tmp_path) + b"/Al/\xff.jpg", "wb") as file:
        file.write(jpeg(2))
    assert placed(folder.build(folder.Params(), tmp_path, {}), tmp_path) == 1


def test_webdataset(tmp_path, jpeg):
    (tmp_path / "deep").mkdir()
    for number, mode in enumerate(("w", "w:gz")):
        with tarfile.open(tmp_path / f"deep/{number}.tar{'.gz' if number else ''}", mode) as file:
            member = tarfile.TarInfo("k.jpg")
            member.size = len(jpeg(number))
            file.addfile(member, io.BytesIO(jpeg(number)))
    assert placed(webdataset.build(webdataset.Params(), tmp_path, {}), tmp_path) == 1
    one = tmp_path / "deep/0.tar"
    assert placed(webdataset.build(webdataset.Params(), one, {}), one) == 1


def stored(source, folder, raw):
    """What `ingest` makes of a source: its samples, what it set aside, and how many each identity has."""
    folder.mkdir()
    writer = records.Writer(folder)
    bar = SimpleNamespace(advance=lambda steps=1: None)
    people = reading.collect(source, writer, folder, runtime.Runtime(), bar)
    writer.close({})
    return list(records.Dataset(folder, raw).samples()), writer.set_aside, people


def alike(raw, tmp_path, **params):
    """A .rec file's tables give the same dataset as its samples one by one; the images that were copied."""
    source = recordio.build(recordio.Params(**params), raw, {})
    slow = SimpleNamespace(
        samples=lambda: (
            replace(one, place=None) if isinstance(one, Sample) else one for one in source.samples()
        )
    )
    expected = stored(slow, tmp_path / "slow", raw)
    assert stored(source, tmp_path / "fast", raw) == expected
    placed(SimpleNamespace(samples=lambda: (one for one in source.samples() if isinstance(one, Sample))), raw)
    return records.Dataset(tmp_path / "fast").table["image"].drop_null().to_pylist()


def jpegs():
    """Images of every kind that a header may tell apart."""
    picture = np.random.default_rng(5).integers(0, 256, (40, 30, 3), np.uint8)

    def encoded(suffix, *options):
        return cv2.imencode(suffix, picture, options)[1].tobytes()

    plain = encoded(".jpg")
    exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    return [
        plain,
        encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        encoded(".png"),
        encoded(".webp"),
        plain[:2] + exif + plain[2:],
        plain + b"more",
        plain[:2] + b"\xff" + plain[2:],  # fill
        plain[:-2],
        plain[:60],
        b"",
        plain[:-2] + MAGIC_BYTES * 3 + b"\xff\xd9",  # perhaps in parts
        b"a" * (-len(plain) % 4) + plain,
    ]


@pytest.mark.parametrize("labels", ["float32", "float64"])
@pytest.mark.parametrize("vector", [False, True])
@pytest.mark.parametrize("box", ["none", "whole"])
def test_tables_of_records_of_every_kind_say_what_samples_say(tmp_path, labels, vector, box):
    raw = tmp_path / "raw"
    raw.mkdir()
    numbers = [0.0, 1.0, 1.0, -1.0, 1.5, float("nan"), 2.0**24 - 1, 2.0**24, 2.0**60, 7.0]
    with open(raw / "train.rec", "wb") as file:
        for key, image in enumerate(jpegs() * len(numbers)):
            label = numbers[key // len(jpegs())]
            written = (label, 1.0) if vector else (label,)
            write(file, pack(Header(written, key, flag=2 if vector else 0), image, labels))
    copied = alike(raw, tmp_path, labels=labels, box=box)
    assert all(MAGIC_BYTES in image for image in copied), "only what lies there in parts is copied"


def test_tables_of_a_packed_set(tmp_path, jpeg):
    with Packer(tmp_path / "raw") as packer:
        for label in range(300):
            packer.add(label, [jpeg(label), jpeg(label + 1)])
    assert alike(tmp_path / "raw", tmp_path) == []
    samples, _, people = stored(
        recordio.RecordSource(tmp_path / "raw/train.rec", where="."),
        tmp_path / "x",
        tmp_path / "raw/train.rec",
    )
    assert (len(samples), set(people.values())) == (600, {2})


@pytest.mark.parametrize("shuffled", [False, True])
def test_tables_of_records_in_any_order_and_longer_than_a_block(tmp_path, jpeg, shuffled):
    """Keys in the file's order or not; between small images two that a block can't hold."""
    raw, random = tmp_path / "raw", np.random.default_rng(3)
    raw.mkdir()
    large = [cv2.imencode(".jpg", random.integers(0, 256, (500, 500, 3), np.uint8))[1].tobytes()] * 2
    images = [jpeg(1), large[0], *(jpeg(i) for i in range(300)), large[1], jpeg(2)]
    assert min(map(len, large)) > _bulk.BLOCK
    keys = random.permutation(len(images)) if shuffled else np.arange(len(images))
    lines = []
    with open(raw / "train.rec", "wb") as file:
        for key, image in zip(keys.tolist(), images, strict=True):
            lines.append(f"{key}\t{file.tell()}\n")
            write(file, pack(Header((float(key),), key), image))
    (raw / "train.idx").write_text("".join(lines))
    assert alike(raw, tmp_path) == []
    found = list(records.Dataset(tmp_path / "fast", raw).samples())
    assert [one.identity for one in found] == [str(key) for key in range(len(images))]
    assert [one.image for one in found] == [images[place] for place in np.argsort(keys)]


@pytest.mark.parametrize(("after", "said"), [(4, "truncated: the file ends"), (30, "and has fewer now")])
def test_a_file_that_is_cut_while_it_is_read(tmp_path, jpeg, after, said):
    with Packer(tmp_path) as packer:
        for label in range(6):
            packer.add(label, [jpeg(label)])
    found = recordio.build(recordio.Params(), tmp_path, {})
    at = int(found.offsets[4])
    os.truncate(tmp_path / "train.rec", at + after)
    with pytest.raises(SourceError, match=rf"train\.rec: record 4, byte {at}: .*{said}"):
        list(found.tables())


@pytest.mark.parametrize("seed", range(25))
def test_tables_of_a_damaged_file_say_what_samples_say(tmp_path, jpeg, seed):
    """Bytes changed anywhere: the same samples, or the same error."""
    random = np.random.default_rng(seed)
    with Packer(tmp_path / "raw") as packer:
        for label in range(6):
            packer.add(label, [jpeg(label)])
    path = tmp_path / "raw/train.rec"
    data = bytearray(path.read_bytes())
    for at in random.integers(0, len(data), 30):
        data[at] = random.integers(256)
    heads = [int(line.split()[1]) for line in (tmp_path / "raw/train.idx").read_text().splitlines()]
    data[random.choice(heads[:6]) + random.integers(0, 60)] ^= 1 << random.integers(8)
    path.write_bytes(data)
    one_by_one, in_tables = (
        error_of(lambda way=way: list(getattr(recordio.build(recordio.Params(), path.parent, {}), way)()))
        for way in ("samples", "tables")
    )
    assert one_by_one == in_tables
    if one_by_one is None:
        alike(tmp_path / "raw", tmp_path)


def error_of(act):
    try:
        act()
    except SourceError as error:
        return str(error)
    return None
