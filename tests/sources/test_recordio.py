"""RecordIO: round trips, the container by the letter of its format, labels beyond float32, damage."""

import struct

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sources import Skipped, _index, _insightface, _recordio, recordio
from pipeline.sources._insightface import Packer, Ranges
from pipeline.sources._recordio import MAGIC_BYTES, Header, Reader, RecordError, pack, unpack, write

MAGIC = 0xCED7230A
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.lists(
    st.sampled_from([MAGIC_BYTES, b"", b"\x0a", b"abcd", b"\0\0\0", MAGIC_BYTES[1:]]), max_size=12
)


def part(flag, data):
    return struct.pack("<II", MAGIC, flag << 29 | len(data)) + data + bytes(-len(data) % 4)


def slow(data):
    """dmlc's writer, word by word."""
    words = [data[at : at + 4] for at in range(0, len(data), 4)]
    parts, now = [], b""
    for word in words:
        if word == MAGIC_BYTES:
            parts.append(now)
            now = b""
        else:
            now += word
    parts.append(now)
    if len(parts) == 1:
        return part(0, parts[0])
    flags = [1] + [2] * (len(parts) - 2) + [3]
    return b"".join(part(flag, piece) for flag, piece in zip(flags, parts, strict=True))


def source(raw, **params):
    return recordio.build(recordio.Params(**params), raw, {})


@pytest.fixture
def packed(tmp_path, jpeg):
    """A packed set of three people with 2, 1 and 3 images."""
    people = [[jpeg(10 * who + i) for i in range(count)] for who, count in enumerate((2, 1, 3))]
    with Packer(tmp_path, size=(24, 20)) as packer:
        for label, images in enumerate(people):
            packer.add(label, images)
    return tmp_path, people


@QUICK
@given(st.lists(st.one_of(st.binary(max_size=40), PIECES.map(b"".join)), max_size=8))
def test_records_of_any_bytes_come_back(tmp_path, records):
    path = tmp_path / "x.rec"
    with open(path, "wb") as file:
        for data in records:
            write(file, data)
    assert path.read_bytes() == b"".join(map(slow, records))
    reader = Reader(path)
    found = list(reader.scan())
    assert [data for _, data in found] == records
    assert [reader.at(offset) for offset, _ in reversed(found)] == records[::-1]


@QUICK
@given(
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5),
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=9),
    st.sampled_from(["float32", "float64"]),
)
def test_headers_come_back(labels, vector, number, content, width):
    header = Header(tuple(labels) if vector else (labels[0],), number, 7, len(labels) if vector else 0)
    assert unpack(pack(header, content, width), width) == (header, content)


def test_a_header_by_the_letter():
    assert pack(Header((3.0,), 5, 1), b"x") == struct.pack("<IfQQ", 0, 3.0, 5, 1) + b"x"
    vector = struct.pack("<IfQQ", 2, 0.0, 5, 0) + struct.pack("<ff", 3.0, 1.0) + b"x"
    assert pack(Header((3.0, 1.0), 5, flag=2), b"x") == vector
    assert pack(Header((3.0,), 5), b"x", "float64") == struct.pack("@IdQQ", 0, 3.0, 5, 0) + b"x"


@QUICK
@given(st.data())
def test_damage_is_named_or_harmless(tmp_path, data):
    """Any byte changed, any cut: the reader gives records or a RecordError, nothing else, and ends."""
    whole = bytearray(
        slow(b"abcdefg") + slow(MAGIC_BYTES * 2 + b"xyz") + slow(pack(Header((1.0,), 1), b"jj"))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.rec"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        for _, record in Reader(path).scan():
            assert len(record) <= len(whole) * 2
    except RecordError as error:
        named = str(path) in str(error) and "byte" in str(error)
        assert named, error  # noqa: PT017 - either outcome is right


def test_a_packed_set_comes_back(packed):
    raw, people = packed
    found = source(raw)
    samples = list(found.samples())
    assert [s.image for s in samples] == [image for images in people for image in images]
    assert [s.identity for s in samples] == ["0", "0", "1", "2", "2", "2"]
    assert [s.sample_id for s in samples] == [f"{key:08d}" for key in range(1, 7)]
    assert len(found) == 6
    size = {"identities": 3, "height": 24, "width": 20}
    assert found.about() == {"records": 10, "index": True, "identities_in_header": 3, "property": size}
    assert found.pairs() == []


def test_without_an_index_the_ids_in_the_records_count(packed):
    raw, _ = packed
    with_index = list(source(raw).samples())
    (raw / "train.idx").unlink()
    (raw / "property").unlink()
    assert list(source(raw).samples()) == with_index
    assert source(raw).about() == {"records": 10, "index": False, "identities_in_header": 3}
    assert list(source(raw / "train.rec").samples()) == with_index


def test_a_shuffled_set_has_no_header_and_may_repeat_ids(tmp_path, jpeg, caplog):
    for ids in ((0, 1, 2), (5, 5, 5)):
        with open(tmp_path / "train.rec", "wb") as file:
            for number, label in zip(ids, (4, 9, 4), strict=True):
                write(file, pack(Header((label, 1.0), number, flag=2), jpeg(number)))
        samples = list(source(tmp_path).samples())
        assert [(s.sample_id, s.identity) for s in samples] == [
            ("00000000", "4"),
            ("00000001", "9"),
            ("00000002", "4"),
        ]
    assert "records are counted from 0" in caplog.text


def test_wide_labels(tmp_path, jpeg):
    with Packer(tmp_path, labels="float64") as packer:
        packer.add(0, [jpeg(1)])
    [sample] = source(tmp_path, labels="float64").samples()
    assert (sample.identity, sample.image) == ("0", jpeg(1))


def raw_set(folder, images, identities, first):
    """A set whose labels are given: images (key, label, bytes), identities (start, end) from key `first`."""
    with open(folder / "train.rec", "wb") as file:
        lines = []

        def put(key, data):
            lines.append(f"{key}\t{file.tell()}\n")
            write(file, data)

        for key, label, image in images:
            put(key, pack(Header((label,), key), image))
        for place, both in enumerate(identities):
            put(first + place, pack(Header(both, first + place, flag=2), b""))
        put(0, pack(Header((first, first + len(identities)), 0, 1, flag=2), b""))
    (folder / "train.idx").write_text("".join(lines))


def test_labels_beyond_float32_are_told_by_the_ranges(tmp_path, jpeg):
    big = 2**24
    labels = [big, big, big + 1, big + 2]  # as float32, the third is the first
    raw_set(tmp_path, [(1 + i, float(v), jpeg(i)) for i, v in enumerate(labels)], [(1, 3), (3, 4), (4, 5)], 5)
    found = [sample.identity for sample in source(tmp_path).samples()]
    assert found == ["16777216/0", "16777216/0", "16777216/1", "16777218/2"]


def test_without_ranges_such_a_label_is_set_aside(tmp_path, jpeg):
    with open(tmp_path / "train.rec", "wb") as file:
        write(file, pack(Header((2.0**24,), 1), jpeg()))
    [skipped] = source(tmp_path).samples()
    assert skipped == Skipped(
        "00000001", "label 16777216 is beyond what float32 holds, and the file has no identities"
    )


def test_ranges_that_are_rounded_themselves():
    """20 identities of 3 images around image 2^24: each is told, or said not to be, never mistaken."""
    start = 2**24 - 30
    true = np.arange(start, start + 60).reshape(20, 3)
    floats = [(np.float32(keys[0]), np.float32(keys[-1] + 1)) for keys in true]
    starts, ends = np.array(floats, np.float64).astype(np.int64).T
    ranges = Ranges(starts, ends, "float32", "x")
    told = {
        int(key): ranges.of(int(key), float(np.float32(who))) for who, keys in enumerate(true) for key in keys
    }
    assert all(told[int(key)] == who for who, keys in enumerate(true) for key in keys)
    unknown = Ranges(starts, ends, "float32", "x").of(int(true[15][0]), -1.0)
    assert unknown in (None, 15)


def test_ranges_out_of_order_are_refused(tmp_path, jpeg):
    raw_set(tmp_path, [(1, 2.0**24, jpeg(1)), (2, 2.0**24, jpeg(2))], [(2, 3), (1, 2)], 3)
    with pytest.raises(RecordError, match=r"train\.rec: its identities' ranges of images don't follow"):
        list(source(tmp_path).samples())


@pytest.mark.parametrize("label", [float("nan"), 1.5, -1.0, float("inf")])
def test_labels_that_are_no_identities_are_set_aside(tmp_path, jpeg, label):
    raw_set(tmp_path, [(1, label, jpeg(1)), (2, 0.0, jpeg(2))], [], 3)
    skipped, sample = source(tmp_path).samples()
    assert skipped.reason.startswith(f"label {label}")
    assert sample.identity == "0"


def test_images_that_are_none(tmp_path, jpeg):
    raw_set(tmp_path, [(1, 0, b""), (2, 0, jpeg()[:-9]), (3, 0, b"BM"), (4, 0, jpeg())], [(1, 5)], 5)
    reasons = [s.reason if isinstance(s, Skipped) else None for s in source(tmp_path).samples()]
    assert reasons == ["empty file", "truncated image", "not an image, or truncated", None]


def test_a_box_around_the_whole_image(packed):
    assert next(iter(source(packed[0], box="whole").samples())).box == (-0.5, -0.5, 20, 24)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda b: b[: len(b) // 2],
            r"train\.idx line \d+: record \d+ at byte \d+ of the \.rec, outside its",
        ),
        (
            lambda b: b[:-40] + b"\0" * 40,
            r"record 0, byte \d+: no record starts here: 0x00000000 instead of 0x",
        ),
        (lambda b: b[:4] + b"\xff" + b[5:], r"record 1, byte 0: part 0|record 1, byte 0: truncated|image"),
    ],
)
def test_a_damaged_set_names_record_and_byte(packed, change, message):
    raw, _ = packed
    path = raw / "train.rec"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RecordError, match=message):
        found = list(source(raw).samples())
        assert not any(isinstance(s, Skipped) and "image" in s.reason for s in found), "image: set aside"
        raise RecordError("image")


def test_cut_inside_the_last_record(packed):
    raw, _ = packed
    (raw / "train.rec").write_bytes((raw / "train.rec").read_bytes()[:-1])
    with pytest.raises(RecordError, match=r"record 0, byte \d+: truncated: it ends at byte \d+, the file at"):
        source(raw)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (part(2, b"abcd"), "byte 0: part 2 of a record whose first part is missing"),
        (part(1, b"abcd") + part(0, b"abcd"), "byte 12: a record begins before the parts of the last"),
        (part(1, b"abcd"), "byte 12: truncated: the file ends at byte 12, inside a header"),
        (part(5, b"abcd"), "byte 0: cflag 5, it should be 0 to 3"),
        (part(0, b"abcd"), "byte 0: 4 bytes are no image record, its header alone takes 24"),
        (part(0, struct.pack("<IfQQ", 9, 0, 0, 0)), "byte 0: its header promises 9 labels, 24 bytes can't"),
        (
            struct.pack("<IIQ", 0x3ED7230A, 8, 0),
            "byte 0: no record starts here: 0x3ed7230a instead of 0xced7230a",
        ),
    ],
)
def test_a_file_without_index_that_is_damaged(tmp_path, data, message):
    (tmp_path / "train.rec").write_bytes(data)
    with pytest.raises(RecordError, match=message):
        source(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t0\n2\t99999\n", r"line 2: record 2 at byte 99999 of the \.rec, outside its \d+ bytes"),
        ("1\t-4\n", "line 1: "),
        ("1\t2\n", "line 1: record 1 at byte 2 of the .rec, no multiple of 4"),
        ("1\t0\n1\t0\n", "key 1 stands on more than one line"),
        ("1 0\n", "line 1: should be '<key> <tab> <byte>', is '1 0'"),
        ("1\t0\nx\t4\n", "line 2: should be"),
        ("", "is no index"),
        ("99999999999999999999999\t0\n", "train.idx"),
    ],
)
def test_a_wrong_index_names_the_line(packed, text, message):
    (packed[0] / "train.idx").write_text(text)
    with pytest.raises(RecordError, match=message):
        source(packed[0])


def test_a_wrong_property(packed):
    (packed[0] / "property").write_text("85742\n")
    with pytest.raises(
        _recordio.SourceError, match=r"property line 1: should be '<identities>,<height>,<width>'"
    ):
        source(packed[0])


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(_recordio.SourceError, match=r"train\.rec does not exist"):
        source(tmp_path)


def test_the_packer_keeps_order_and_leaves_nothing_behind(tmp_path, jpeg):
    with pytest.raises(RecordError, match="identity 2 follows 0"), Packer(tmp_path / "out") as packer:
        packer.add(0, [jpeg()])
        packer.add(2, [jpeg()])
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(RecordError, match="as a context"):
        Packer(tmp_path / "out").add(0, [jpeg()])
    assert _insightface.EXACT["float32"] == 16777216


@QUICK
@given(
    st.lists(st.tuples(st.integers(0, 2**61), st.integers(0, 2**40).map(lambda n: 4 * n)), min_size=1),
    st.sampled_from(["", "\t", "x", "-", " ", "\n", "\r"]),
    st.data(),
)
def test_an_index_reads_as_pandas_reads_it(tmp_path, numbers, other, data):
    """By the compiled loop where it is plain, with one character more or less perhaps not."""
    text = "".join(f"{key}\t{at}\n" for key, at in {key: at for key, at in numbers}.items())
    cut = data.draw(st.integers(0, len(text)))
    path = tmp_path / "x.idx"
    path.write_text(text[:cut] + other + text[cut + (not other) :])
    with open(path, "rb") as file:
        expected = outcome(
            lambda: pd.read_csv(file, sep="\t", header=None, dtype=np.int64)[[0, 1]].to_numpy()
        )
    found = outcome(lambda: np.stack(_index._numbers(path), 1))
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_array_equal(found, expected)


def outcome(read):
    try:
        return read()
    except (ValueError, KeyError):
        return None
