import pandas as pd
import pytest

from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, folder


def source(raw, **params):
    return folder.build(folder.Params(**params), raw, {})


def test_identity_and_name_are_the_folder_in_the_order_of_paths(lay, jpeg):
    entries = {
        "Bo/2.jpg": jpeg(1),
        "Al/9.PNG": jpeg(2, ".png"),
        "Al/1.jpeg": jpeg(3),
        "Bo/readme.txt": b"hello",
    }
    found = source(lay(entries))
    expected = [("Al/1.jpeg", "Al"), ("Al/9.PNG", "Al"), ("Bo/2.jpg", "Bo")]
    samples = list(found.samples())
    assert [(s.sample_id, s.identity) for s in samples] == expected
    assert [s.name for s in samples] == ["Al", "Al", "Bo"]
    assert [s.image for s in samples] == [entries[path] for path, _ in expected]
    assert found.about() == {"other_files": 1}
    assert len(found) == 3


def test_every_suffix_is_read(lay, jpeg):
    suffixes = [".jpg", ".jpeg", ".png", ".pgm", ".bmp", ".webp"]
    found = list(source(lay({f"a/x{s}": jpeg(0, s) for s in suffixes})).samples())
    assert [type(s) for s in found] == [Sample] * 6


def test_nobody_knows_who_is_on_the_images(lay, jpeg):
    raw = lay({"Al/1.jpg": jpeg()})
    [sample] = source(raw, identity="none").samples()
    assert (sample.identity, sample.name) == (None, None)
    [sample] = source(raw, identity="none", name="folder").samples()
    assert (sample.identity, sample.name) == (None, "Al")


def test_an_image_in_no_folder_is_nobody_s(lay, jpeg):
    [sample] = source(lay({"1.jpg": jpeg()})).samples()
    assert sample.identity is None


def test_the_whole_image_as_the_box(lay, jpeg):
    [sample] = source(lay({"a/1.jpg": jpeg()}), box="whole").samples()
    assert tuple(sample.box) == (-0.5, -0.5, 20, 24)


def test_bad_images_are_skipped_with_the_reason(lay, jpeg):
    good = jpeg()
    entries = {
        "a/cut.jpg": good[:-30],
        "a/empty.jpg": b"",
        "a/good.jpg": good,
        "a/page.jpg": b"<html>not found</html>",
        "a/torn.png": jpeg(1, ".png")[:200],
    }
    skipped = [s for s in source(lay(entries)).samples() if isinstance(s, Skipped)]
    assert [(s.sample_id, s.reason) for s in skipped] == [
        ("a/cut.jpg", "truncated image"),
        ("a/empty.jpg", "empty file"),
        ("a/page.jpg", "not an image, or truncated"),
        ("a/torn.png", "truncated image"),
    ]


def test_a_place_without_images(lay):
    with pytest.raises(SourceError, match=r"raw holds no image \(\.jpg"):
        source(lay({"notes.txt": b"hello"}))


def table(form, rows):
    frame = pd.DataFrame(rows)
    if form == "parquet":
        return frame.to_parquet()
    for name in ("box", "points5"):
        if name in frame:
            frame[name] = [v if v is None else " ".join(map(str, v)) for v in frame[name]]
    return frame.to_csv(index=False).encode()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_list_says_who_what_and_in_which_order(lay, jpeg, form):
    rows = [
        {
            "path": "x/2.jpg",
            "identity": "007",
            "age": 31.5,
            "gender": 1,
            "race": 4,
            "box": [1, 2, 3, 4],
            "else": 1,
        },
        {"path": "x/1.jpg", "identity": None, "age": None, "gender": None, "race": 0, "box": None, "else": 2},
        {
            "path": "x/gone.jpg",
            "identity": "b",
            "age": None,
            "gender": None,
            "race": None,
            "box": None,
            "else": 3,
        },
    ]
    entries = {"x/1.jpg": jpeg(1), "x/2.jpg": jpeg(2), f"list.{form}": table(form, rows)}
    two, one, gone = source(lay(entries), list=f"list.{form}").samples()
    assert (two.sample_id, two.identity, two.name, two.age) == ("x/2.jpg", "007", "007", 31.5)
    assert (two.gender, two.race, list(two.box)) == (1, 4, [1, 2, 3, 4])
    assert (one.sample_id, one.identity, one.age, one.gender, one.race, one.box) == (
        "x/1.jpg",
        *[None] * 3,
        0,
        None,
    )
    assert gone == Skipped("x/gone.jpg", "listed, but missing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,identity\na.jpg,x\n", "no column 'path', only file, identity"),
        ("path,gender\nx/1.jpg,2\n", "row 1, gender: '2': should be from 0 to 1"),
        ("path,race\nx/1.jpg,1.5\n", "row 1, race: '1.5': should be a whole number"),
        ("path,age\nx/1.jpg,3\nx/2.jpg,old\n", "row 2, age: 'old'"),
        ("path,box\nx/1.jpg,1 2 3\n", "row 1, box: '1 2 3': should be 4 finite numbers"),
        ("path\nx/1.jpg\nx/1.jpg\n", "row 2: 'x/1.jpg' stands in row 1 too"),
        ("path,age\n,3\n", "row 1: no path"),
    ],
)
def test_a_wrong_list_names_the_row(lay, jpeg, text, message):
    raw = lay({"x/1.jpg": jpeg(), "list.csv": text.encode()})
    with pytest.raises(SourceError, match=message):
        source(raw, list="list.csv")


def test_a_list_of_another_form_or_none(lay, jpeg):
    raw = lay({"x/1.jpg": jpeg(), "list.txt": b"path"})
    with pytest.raises(SourceError, match=r"list\.txt should be a \.csv or a \.parquet"):
        source(raw, list="list.txt")
    with pytest.raises(SourceError, match=r"other\.csv is not in"):
        source(raw, list="other.csv")


def test_pairs_over_a_folder_keep_every_image(lay, jpeg):
    entries = {f"Al/Al_{i:04d}.jpg": jpeg(i) for i in (1, 2, 3)} | {"Bo/Bo_0001.png": jpeg(9, ".png")}
    entries["pairs.txt"] = b"1\nAl\t1\t3\nAl\t2\tBo\t1\n"
    found = source(lay(entries), pairs="pairs.txt")
    assert len(list(found.samples())) == 4
    assert found.pairs() == [
        {"protocol": "pairs", "fold": 0, "a": "Al/Al_0001.jpg", "b": "Al/Al_0003.jpg", "same": True},
        {"protocol": "pairs", "fold": 0, "a": "Al/Al_0002.jpg", "b": "Bo/Bo_0001.png", "same": False},
    ]


@pytest.mark.real
def test_utkface_as_it_is(real, tmp_path):
    (tmp_path / "utk").symlink_to(real / "utkface_crop_part1.tar")
    found = source(tmp_path / "utk", identity="none", box="whole")
    assert len(found) == 9780
    first = next(iter(found.samples()))
    assert first.identity is None
    assert tuple(first.box) == (-0.5, -0.5, 200, 200)
