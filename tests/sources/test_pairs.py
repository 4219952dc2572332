import pytest

from pipeline.sources import SourceError, pairs

LIST = "2\t1\nAl\t1\t2\nAl\t2\tBo\t1\nBo\t1\t2\nBo\t2\tCy\t1\n"
NAMES = ("Al/Al_0001", "Al/Al_0002", "Bo/Bo_0001", "Bo/Bo_0002", "Cy/Cy_0001", "Cy/Cy_0002", "Di/Di_0001")


def source(lay, jpeg, text, form="folder", drop=(), extra=None, **params):
    entries = {f"faces/{name}.jpg": jpeg(i) for i, name in enumerate(NAMES) if name not in drop}
    return pairs.build(
        pairs.Params(**params), lay(entries | {"pairs.txt": text.encode()} | (extra or {}), form), {}
    )


def slow(text):
    """The format again, by counting lines."""
    folds, each = map(int, text.splitlines()[0].split("\t"))
    found, lines = [], iter(text.splitlines()[1:])
    for fold in range(folds):
        for same in (True, False):
            for _ in range(each):
                words = next(lines).split("\t")
                people = [(words[0], words[1]), (words[0], words[2])] if same else [words[:2], words[2:]]
                ids = [f"faces/{name}/{name}_{'0' * (4 - len(i))}{i}.jpg" for name, i in people]
                found.append({"protocol": "pairs", "fold": fold, "a": ids[0], "b": ids[1], "same": same})
    return found


@pytest.mark.parametrize("form", ["folder", ".tar"])
def test_pairs_of_every_fold_and_only_their_images(lay, jpeg, form):
    found = source(lay, jpeg, LIST, form)
    assert found.pairs() == slow(LIST)
    samples = list(found.samples())
    assert [s.sample_id for s in samples] == [f"faces/{name}.jpg" for name in NAMES[:5]]
    assert [s.identity for s in samples] == ["Al", "Al", "Bo", "Bo", "Cy"]
    assert {s.name for s in samples} == {"Al", "Bo", "Cy"}


def test_the_protocol_s_name(lay, jpeg):
    assert {row["protocol"] for row in source(lay, jpeg, LIST, protocol="LFW-a").pairs()} == {"LFW-a"}


def test_one_number_at_the_top_is_one_fold(lay, jpeg):
    found = source(lay, jpeg, "1\nAl\t1\t2\nAl\t2\tBo\t1\n")
    assert [row["fold"] for row in found.pairs()] == [0, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: should be"),
        ("Al\t1\t2\n", "line 1: should be '<folds> <tab> <pairs of a kind>', is 'Al 1 2'"),
        ("0\t1\n", "line 1: should be"),
        ("1\t1\nAl\t1\t2\n", "promises 1 folds of 1 same and 1 different pairs but holds 1 pairs"),
        ("1\t1\nAl 1 2\nAl\t1\tBo\t1\n", "line 2: 'Al 1 2' has 1 fields"),
        ("1\t1\nAl\tone\t2\nAl\t1\tBo\t1\n", "line 2: 'one' is not an image's number"),
        ("1\t1\nAl\t1\tBo\t1\nAl\t1\t2\n", "line 2: .*wrong half"),
        (
            "1\t1\nAl\t1\t7\nAl\t1\tBo\t1\n",
            r"line 2: the pair \(Al_0001, Al_0007\) names Al/Al_0007, which is miss",
        ),
    ],
)
def test_a_wrong_list_names_the_line(lay, jpeg, text, message):
    with pytest.raises(SourceError, match=rf"pairs\.txt {message}"):
        source(lay, jpeg, text)


def test_a_pair_that_names_a_missing_file(lay, jpeg):
    message = r"pairs\.txt line 5: the pair \(Bo_0002, Cy_0001\) names Cy/Cy_0001, which is missing"
    with pytest.raises(SourceError, match=message):
        source(lay, jpeg, LIST, drop=["Cy/Cy_0001"])


def test_a_pair_that_may_mean_two_files(lay, jpeg):
    with pytest.raises(SourceError, match="may mean any of"):
        source(lay, jpeg, LIST, extra={"again/Al/Al_0001.png": jpeg(0, ".png")})


def test_a_list_that_is_not_there(lay, jpeg):
    with pytest.raises(SourceError, match=r"lfw\.txt is not in"):
        source(lay, jpeg, LIST, pairs="lfw.txt")


@pytest.mark.real
def test_lfw_a_folds_1_to_5(real, tmp_path):
    """Facts of the list: 5 folds of 300 + 300 pairs, 3,811 images of 2,086 people."""
    for name in ("lfw_a_gray250_folds1-5_and_unpaired.tar", "lfw_pairs_folds1-5.txt"):
        (tmp_path / name).symlink_to(real / name)
    found = pairs.build(pairs.Params(pairs="lfw_pairs_folds1-5.txt"), tmp_path, {})
    rows = found.pairs()
    assert len(rows) == 3000
    assert [sum(row["fold"] == fold and row["same"] for row in rows) for fold in range(5)] == [300] * 5
    assert len(found) == len({row[side] for row in rows for side in "ab"}) == 3811
    assert len({row["path"].split("/")[2] for row in found.rows}) == 2086
    people = {row[side].split("/")[2] for row in rows for side in "ab"}
    assert sum(path.split("/")[2] in people for path in found.images) == 5373
