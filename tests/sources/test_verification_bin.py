"""Verification packs: round trips in every protocol, scikit-learn's folds, pickles that are programs."""

import os
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from pipeline import records
from pipeline.sources import SourceError, _pickle, verification_bin

QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def source(raw, **params):
    return verification_bin.build(verification_bin.Params(**params), raw, {})


def test_what_is_written_is_read(tmp_path, jpeg):
    images, same = [jpeg(i) for i in range(8)], [True, False, True, False]
    verification_bin.write(tmp_path / "toy.bin", images, same)
    found = source(tmp_path, folds=2, box="whole")
    samples = list(found.samples())
    assert [s.image for s in samples] == images
    assert {s.identity for s in samples} == {None}
    assert samples[0].box == (-0.5, -0.5, 20, 24)
    row = {"protocol": "toy", "fold": 1, "a": "000006", "b": "000007", "same": False}
    assert found.pairs()[3] == row
    assert [pair["fold"] for pair in found.pairs()] == [0, 0, 1, 1]
    assert found.about() == {"folds": 2, "same_pairs": 2, "repeated_images": 0}
    assert pickle.loads((tmp_path / "toy.bin").read_bytes()) == (images, same)


@pytest.mark.parametrize("protocol", range(6))
def test_every_protocol_and_every_kind_of_image(tmp_path, jpeg, protocol):
    images = [jpeg(1), np.frombuffer(jpeg(2), np.uint8), np.frombuffer(jpeg(3), np.uint8).reshape(-1, 1)]
    images.append(np.asfortranarray(np.frombuffer(jpeg(4), np.uint8).reshape(1, -1)))
    same = [True, np.bool_(False)]
    path = tmp_path / "x.bin"
    for kind in (list, np.array):
        path.write_bytes(pickle.dumps((images, kind(same)), protocol=protocol))
        assert verification_bin.read(path.read_bytes(), "x") == (
            [jpeg(i) for i in range(1, 5)],
            [True, False],
        )


def test_module_names_of_numpy_1(jpeg):
    now = pickle.dumps(([np.frombuffer(jpeg(1), np.uint8)] * 2, [np.True_]), protocol=2)
    before = now.replace(b"numpy._core.", b"numpy.core.")
    assert before != now
    assert verification_bin.read(before, "x") == ([jpeg(1)] * 2, [True])


def test_strings_of_python_2(jpeg):
    """Protocol 2 of Python 2 keeps bytes as SHORT_BINSTRING or BINSTRING."""
    data = jpeg(1)
    binstring = b"T" + len(data).to_bytes(4, "little") + data
    pack = b"\x80\x02](" + binstring + b"U\x02ab" + b"e]\x88a\x86."
    assert verification_bin.read(pack, "x") == ([data, b"ab"], [True])


@pytest.mark.parametrize(("pairs", "folds"), [(6000, 10), (7000, 10), (23, 10), (3, 2)])
def test_folds_are_scikit_learn_s(pairs, folds):
    expected = np.empty(pairs, int)
    for fold, (_, test) in enumerate(KFold(folds).split(np.zeros(pairs))):
        expected[test] = fold
    assert verification_bin.fold_of(pairs, folds) == expected.tolist()


class Evil:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("evil", "name"),
    [
        (Evil(os.system, "touch owned"), r"posix\.system|nt\.system"),
        (Evil(eval, "open('owned', 'w')"), r"builtin(s|__)\.eval"),
        (Evil(np.load, "owned"), r"numpy\.load"),
        (np.array([Evil(os.getcwd)], object), r"numpy\.dtype\('O8?'\)"),
        (np.dtype([("a", "O")]), r"numpy\.dtype\('V"),
        (pickle.PickleBuffer, "PickleBuffer"),
        (Evil(_pickle._Array, (10**12,)), "_Array"),
    ],
)
def test_what_runs_code_is_refused_by_name(tmp_path, monkeypatch, protocol, evil, name):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps(([evil], [True]), protocol=protocol)
    with pytest.raises(
        SourceError, match=rf"lfw\.bin is refused: it asks for .*({name}).*; a pickle of images"
    ):
        verification_bin.read(data, "lfw.bin")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cpipeline.sources._pickle\n_Type\n.",
        b"(ios\nsystem\n.",  # INST
        b"cnumpy\ndtype\n}b.",  # fills a class
        b"cnumpy\ndtype\n)\x81.",  # NEWOBJ
        b"Pa name\n.",  # PERSID
        b"\x82\x01.",  # EXT1
        b"cnumpy\ndtype\n(X\x02\x00\x00\x00u1tR(I3\nX\x01\x00\x00\x00|tb.x"[:-3] + b"\x85" + b"b.",
        b"cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.",
        b"]r\xff\xff\xff\x7f.",  # a memo of 2^31 places: cheap, and plain
        b"",
        b"\x80\x09.",
        b"]" * 100,
        b"cbuiltins\nbytes\n(J\xff\xff\xff\x7ftR.",
    ],
)
def test_programs_by_hand(program):
    with pytest.raises(SourceError, match=r"x\.bin"):
        verification_bin.read(program, "x.bin")


def test_an_array_that_promises_more_than_it_has():
    good = pickle.dumps(([np.zeros(4, np.uint8)] * 2, [True]), protocol=2)
    short = good.replace(b"K\x04\x85", b"K\x05\x85")
    assert short != good
    with pytest.raises(SourceError, match=r"shape \[5\] with 4 bytes"):
        verification_bin.read(short, "x")


@QUICK
@given(st.data())
def test_damage_is_named_or_harmless(data):
    whole = bytearray(pickle.dumps(([np.arange(9, dtype=np.uint8), b"abc"], [np.True_]), protocol=3))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        images, same = verification_bin.read(cut, "x.bin")
    except SourceError as error:
        assert "x.bin" in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert len(images) == 2 * len(same)


@QUICK
@given(st.lists(st.tuples(st.binary(), st.binary(), st.booleans())))
def test_any_pack_comes_back(tmp_path, pairs):
    images, same = [image for a, b, _ in pairs for image in (a, b)], [same for *_, same in pairs]
    verification_bin.write(tmp_path / "x.bin", images, same)
    assert verification_bin.read((tmp_path / "x.bin").read_bytes(), "x") == (images, same)


@pytest.mark.parametrize(
    ("pack", "message"),
    [
        ([], "should hold .images, issame., it holds a list"),
        (3, "it holds a int"),
        (([b"a"], [True]), "holds 1 images for 1 pairs, not 2"),
        (([b"a", 3], [True]), "image 1 is a int, not the bytes"),
        (([b"a", b"b"], ["yes"]), "pair 0: issame is 'yes'"),
        (([b"a", b"b"], [2]), "pair 0: issame is 2"),
        ((b"ab", [True]), "should hold two lists, it holds bytes and list"),
        (([np.zeros(2), b""], [True]), "image 0 is a _Array, not the bytes"),
    ],
)
def test_packs_of_something_else(pack, message):
    with pytest.raises(SourceError, match=message):
        verification_bin.read(pickle.dumps(pack), "x.bin")


def test_which_file(tmp_path, jpeg):
    with pytest.raises(SourceError, match=r"should hold one \.bin \(it holds none\): say which with `file`"):
        source(tmp_path)
    for name in ("a.bin", "b.bin"):
        verification_bin.write(tmp_path / name, [jpeg()] * 2, [True])
    with pytest.raises(SourceError, match=r"it holds a\.bin, b\.bin"):
        source(tmp_path)
    assert source(tmp_path, file="b.bin").pairs()[0]["protocol"] == "b"
    assert source(tmp_path / "a.bin", protocol="LFW").pairs()[0]["protocol"] == "LFW"
    with pytest.raises(SourceError, match=r"c\.bin does not exist"):
        source(tmp_path, file="c.bin")
    with pytest.raises(SourceError, match="3 images for 1 pairs: give 2"):
        verification_bin.write(tmp_path / "d.bin", [b""] * 3, [True])


def test_equal_images_are_one_sample(tmp_path, jpeg):
    images = [jpeg(1), jpeg(2), jpeg(3), jpeg(1), jpeg(2), jpeg(3)]
    verification_bin.write(tmp_path / "x.bin", images, [True, False, True])
    found = source(tmp_path)
    assert [(s.sample_id, s.image) for s in found.samples()] == [
        (f"{i:06d}", image) for i, image in enumerate(images[:3])
    ]
    assert [(p["a"], p["b"]) for p in found.pairs()] == [
        ("000000", "000001"),
        ("000002", "000000"),
        ("000001", "000002"),
    ]
    assert (len(found), found.about()["repeated_images"]) == (3, 3)


def test_a_broken_image_is_set_aside(tmp_path, jpeg):
    verification_bin.write(tmp_path / "x.bin", [jpeg(), jpeg()[:-20]], [True])
    good, bad = source(tmp_path).samples()
    assert (good.sample_id, bad.sample_id, bad.reason) == ("000000", "000001", "truncated image")


@pytest.mark.real
def test_the_original_s_small_pack(real):
    path = real / "small_lfw.bin"
    found = source(path)
    own = pickle.loads(path.read_bytes())  # a file whose bytes are known
    images = [np.asarray(image).tobytes() for image in own[0]]
    assert [images[int(s.sample_id)] for s in found.samples()] == [s.image for s in found.samples()]
    assert {s.image for s in found.samples()} == set(images)
    sides = [place for pair in found.pairs() for place in (int(pair["a"]), int(pair["b"]))]
    assert [images[place] for place in sides] == images
    assert len(found) == len(set(images)) < len(images) == 20
    assert [pair["same"] for pair in found.pairs()] == [bool(same) for same in own[1]] == [True] * 10
    assert [pair["fold"] for pair in found.pairs()] == list(range(10))
    assert {records.decode(s.image).shape for s in found.samples()} == {(112, 112, 3)}
