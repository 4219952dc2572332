"""WebDataset shards: grouping by key against a slow one, classes and tables, what is set aside."""

import io
import json
import tarfile

import pytest

from pipeline.sources import Skipped, SourceError, webdataset


def source(raw, **params):
    return webdataset.build(webdataset.Params(**params), raw, {})


def shard(path, entries, mode="w"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as file:
        for name, data in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))


def test_shards_in_order_with_classes_and_tables(tmp_path, jpeg):
    table = json.dumps({"identity": "u", "age": 30, "gender": 1, "who": 12, "caption": "x"}).encode()
    shard(tmp_path / "b-000001.tar", {"k1.jpg": jpeg(3), "k1.cls": b"5\n"})
    first = {
        "d/k1.jpg": jpeg(1),
        "d/k1.cls": b"7",
        "d/k1.txt": b"a caption",
        "d/k2.JSON": table,
        "d/k2.seg.png": b"no",
        "d/k2.png": jpeg(2, ".png"),
        "readme.txt": b"hello",
        "d/.hidden": b"",
    }
    shard(tmp_path / "b-000000.tar", first)
    found = source(tmp_path)
    samples = list(found.samples())
    assert [s.sample_id for s in samples] == ["b-000000/d/k1", "b-000000/d/k2", "b-000001/k1"]
    assert [s.identity for s in samples] == ["7", "u", "5"]
    assert (samples[1].age, samples[1].gender, samples[1].image) == (30, 1, jpeg(2, ".png"))
    assert (len(found), found.about(), found.pairs()) == (3, {"shards": 2}, [])
    assert [s.identity for s in source(tmp_path, label="who").samples()] == [None, "12", None]


def test_packed_and_single_shards(tmp_path, jpeg):
    shard(tmp_path / "x.tar.gz", {"k.jpg": jpeg(), "k.cls": b"0"}, "w:gz")
    for raw in (tmp_path, tmp_path / "x.tar.gz"):
        [sample] = source(raw, box="whole").samples()
        assert (sample.sample_id, sample.identity, sample.box) == ("x/k", "0", (-0.5, -0.5, 20, 24))


def test_what_is_set_aside(tmp_path, jpeg):
    entries = {
        "a.jpg": jpeg(),
        "a.cls": b" ",
        "b.jpg": jpeg(),
        "b.json": b"[1]",
        "c.jpg": jpeg(),
        "c.json": b"{",
    }
    entries |= {
        "d.jpg": jpeg()[:-5],
        "e.jpg": jpeg(),
        "e.cls": b"\xff",
        "f.jpg": jpeg(),
        "f.json": b'{"age": -1}',
    }
    shard(tmp_path / "x.tar", entries)
    reasons = [s.reason for s in source(tmp_path).samples() if isinstance(s, Skipped)]
    ends = [
        "a.cls is empty",
        "should be a table, is a list",
        "char 1)",
        "truncated image",
        "",
        "from 0 to 130",
    ]
    assert len(reasons) == 6
    assert all(reason.endswith(end) for reason, end in zip(reasons, ends, strict=True))


def test_places_without_shards(tmp_path, jpeg):
    with pytest.raises(SourceError, match=r"holds no \*\*/\*\.tar"):
        source(tmp_path)
    shard(tmp_path / "x.tar", {"a.txt": b""})
    with pytest.raises(SourceError, match=r"x\.tar and the other 0 shards hold no image"):
        source(tmp_path)
    shard(tmp_path / "sub/x.tar", {"a.jpg": jpeg()})
    with pytest.raises(SourceError, match="more than one shard called x"):
        source(tmp_path)
