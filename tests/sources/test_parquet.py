"""Tables with images: Hugging Face's layout by its metadata, plain tables by their types, shards, damage."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources import Skipped, SourceError, parquet

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def source(raw, **params):
    return parquet.build(parquet.Params(**params), raw, {})


def table(path, columns, features=None, rows_per_group=2):
    made = pa.table(columns)
    if features:
        made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path, row_group_size=rows_per_group)


def faces(path, images, labels, **more):
    cells = pa.array([{"bytes": image, "path": "x.jpg"} for image in images], STRUCT)
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["Ann", "Bo"]}}
    table(path, {"image": cells, "label": pa.array(labels), **more}, features)


def test_shards_with_class_names(tmp_path, jpeg):
    images = [jpeg(i) for i in range(5)]
    faces(tmp_path / "data/train-00001-of-00002.parquet", images[3:], [1, -1])
    faces(tmp_path / "data/train-00000-of-00002.parquet", images[:3], [0, 1, 0])
    found = source(tmp_path)
    samples = list(found.samples())
    assert [s.image for s in samples] == images
    assert [s.identity for s in samples] == [s.name for s in samples] == ["Ann", "Bo", "Ann", "Bo", None]
    assert samples[3].sample_id == "data/train-00001-of-00002/00000000"
    assert len(found) == 5
    assert found.about() == {"tables": 2, "image_column": "image", "label_column": "label", "classes": 2}
    assert found.pairs() == []
    assert len(list(source(tmp_path, files="data/train-00001*").samples())) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("default/train/0000", "default/test/0000"),
        ("default/partial-train/0000", "default/validation/0000"),
        ("data/train-00000-of-00001", "data/test-00000-of-00001"),
        ("train", "valid.v2"),
    ],
)
def test_several_splits_are_never_read_as_one_unasked(tmp_path, jpeg, names):
    for number, name in enumerate(names):
        faces(tmp_path / f"{name}.parquet", [jpeg(number)], [number])
    with pytest.raises(
        SourceError, match=r"several splits: write `split: \w+`, `split: \w+`, or `split: all`"
    ):
        source(tmp_path)
    [sample] = source(tmp_path, split="train").samples()
    assert (sample.sample_id, sample.image) == (f"{names[0]}/00000000", jpeg(0))
    for asked in ({"split": "all"}, {"files": "**/*.parquet"}):
        ids = [sample.sample_id for sample in source(tmp_path, **asked).samples()]
        assert ids == [f"{name}/00000000" for name in sorted(names)]
    with pytest.raises(SourceError, match=r"holds no \*\*/\*\.parquet of split 'dev', only .* \.\.\."):
        source(tmp_path, split="dev")


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_plain_columns(tmp_path, jpeg, kind):
    columns = {
        "jpg": pa.array([jpeg(1), jpeg(2)], kind),
        "identity": ["a", "ü"],
        "age": [3.5, None],
        "box": [[1.0, 2, 3, 4], None],
    }
    table(tmp_path / "x.parquet", columns)
    one, two = source(tmp_path / "x.parquet", box="whole").samples()
    assert (one.identity, one.name, one.age, one.box) == ("a", "a", 3.5, [1, 2, 3, 4])
    assert (two.identity, two.age, two.box) == ("ü", None, (-0.5, -0.5, 20, 24))


def test_integers_without_names_are_no_names(tmp_path, jpeg):
    table(tmp_path / "x.parquet", {"img": [jpeg()], "label": [7]})
    [sample] = source(tmp_path).samples()
    assert (sample.identity, sample.name) == ("7", None)


def test_rows_that_can_t_be_used(tmp_path, jpeg):
    cells = [{"bytes": None, "path": "far.jpg"}, None, {"bytes": b"", "path": None}]
    cells += [{"bytes": jpeg(i)} for i in range(3)]
    features = {"label": {"_type": "ClassLabel", "names": ["Ann"]}}
    columns = {"image": pa.array(cells, STRUCT), "label": [0, 0, 0, 5, 0, 0], "gender": [0, 0, 0, 0, 9, 1]}
    table(tmp_path / "x.parquet", columns, features)
    found = list(source(tmp_path).samples())
    reasons = [s.reason if isinstance(s, Skipped) else None for s in found]
    assert reasons[:3] == ["no bytes in the table, only a path: far.jpg", "no image", "empty file"]
    assert reasons[3].endswith("x.parquet row 3, label: 5 is none of its 1 classes")
    assert reasons[4].endswith("row 4, gender: 9: should be from 0 to 1")
    assert reasons[5] is None


@pytest.mark.parametrize(
    ("columns", "params", "message"),
    [
        ({"a": [1]}, {}, r"which column is the image\? \(only a\): say it with `image`"),
        ({"a": [b""], "b": [b""]}, {}, r"which column is the image\? \(columns a, b may be it\)"),
        ({"a": [b""]}, {"label": "who"}, "has no column 'who', only a"),
        ({"a": [b""]}, {"files": "*.pq"}, r"holds no \*\.pq"),
    ],
)
def test_unclear_columns(tmp_path, columns, params, message):
    table(tmp_path / "x.parquet", columns)
    with pytest.raises(SourceError, match=message):
        source(tmp_path, **params)


def test_damage(tmp_path, jpeg):
    faces(tmp_path / "a.parquet", [jpeg()] * 4, [0] * 4)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:-20])
    with pytest.raises(SourceError, match=r"a\.parquet is no whole Parquet table"):
        source(tmp_path)
    broken = bytearray(whole)
    broken[4:40] = b"\xff" * 36
    (tmp_path / "a.parquet").write_bytes(broken)
    with pytest.raises(SourceError, match=r"a\.parquet row 0: "):
        list(source(tmp_path).samples())
    table(tmp_path / "a.parquet", {"image": [b""]})
    table(tmp_path / "b.parquet", {"other": [b""]})
    with pytest.raises(SourceError, match=r"b\.parquet has other columns than .*a\.parquet"):
        source(tmp_path)


def test_metadata_that_is_none(tmp_path):
    made = pa.table({"image": [b""]}).replace_schema_metadata({"huggingface": "{"})
    pq.write_table(made, tmp_path / "x.parquet")
    with pytest.raises(SourceError, match=r"its metadata 'huggingface' has no info\.features"):
        source(tmp_path)
