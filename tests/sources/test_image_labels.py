"""Objects with classes: folders with and without splits, CIFAR's batches by the letter of their layout."""

import pickle

import numpy as np
import pytest

from pipeline import records
from pipeline.sources import Skipped, SourceError, image_labels


def source(raw, **params):
    return image_labels.build(image_labels.Params(**params), raw, {})


@pytest.mark.parametrize("form", ["folder", ".zip", ".tar.gz"])
def test_folders_of_classes(lay, jpeg, form):
    entries = {
        "train/cat/1.jpg": jpeg(1),
        "train/dog/1.jpg": jpeg(2),
        "test/cat/1.jpg": jpeg(3),
        "x.txt": b"",
    }
    raw = lay(entries, form)
    assert [s.identity for s in source(raw, split="all").samples()] == ["cat", "cat", "dog"]
    with pytest.raises(SourceError, match="several splits: write `split: test`, `split: train`, or"):
        source(raw)
    [sample] = source(raw, split="test").samples()
    assert (sample.sample_id, sample.image, sample.name) == ("test/cat/1.jpg", jpeg(3), None)
    assert source(raw, split="train").about() == {"classes": 2}
    with pytest.raises(SourceError, match="holds no image below a folder 'valid'"):
        source(raw, split="valid")


def test_classes_named_like_splits(lay, jpeg):
    raw = lay({"x/test/1.jpg": jpeg(1), "x/train/test-1.jpg": jpeg(2)})
    assert [s.identity for s in source(raw).samples()] == ["test", "train"]


def batch(labels, seed, key="labels"):
    data = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), np.uint8)
    return data, {"data": data, key: labels, "filenames": ["a"] * len(labels), "batch_label": "b"}


def python_2(value):
    """As Python 2 wrote it: protocol 2, str for text, numpy 1's names, bytes as Latin-1 strings."""
    return pickle.dumps(value, protocol=2).replace(b"numpy._core.", b"numpy.core.")


def test_cifar_10(lay):
    entries, data = {}, {}
    for seed, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        data[name], table = batch([seed, 2 - seed], seed)
        entries[f"cifar-10-batches-py/{name}"] = python_2(table)
    entries["cifar-10-batches-py/batches.meta"] = python_2({"label_names": ["plane", "car", "bird"]})
    raw = lay(entries, ".tar.gz")
    samples = list(source(raw, split="train").samples())
    assert [s.sample_id for s in samples] == [f"data_batch_{b}/0000{i}" for b in (1, 2) for i in (0, 1)]
    assert [s.identity for s in samples] == ["plane", "bird", "car", "car"]
    slow = np.zeros((32, 32, 3), np.uint8)
    for place, value in enumerate(data["data_batch_2"][1]):
        slow[place % 1024 // 32, place % 32, place // 1024] = value
    assert (records.decode(samples[3].image) == slow).all()
    assert [s.identity for s in source(raw, split="test").samples()] == ["bird", "plane"]
    assert source(raw, split="all").about() == {"classes": 3, "batches": 3}
    with pytest.raises(SourceError, match="several splits: write `split: test`, `split: train`, or"):
        source(raw)
    with pytest.raises(SourceError, match="none for split 'dev'"):
        source(raw, split="dev")


def test_the_test_split_is_as_long_as_it_is(lay):
    """What the progress bar counts to: batches of 10,000, CIFAR-100's training set is one of 50,000."""
    entries = {"cifar-100-python/train": b"", "cifar-100-python/test": b""}
    raw = lay(entries | {"cifar-100-python/meta": python_2({"fine_label_names": ["a", "b"]})})
    assert [len(source(raw, split=split)) for split in ("train", "test", "all")] == [50_000, 10_000, 60_000]


def test_cifar_100_fine_and_coarse(lay):
    _, table = batch([1, 0], 0, "fine_labels")
    meta = {"fine_label_names": ["apple", "bear"], "coarse_label_names": ["fruit", "animal", "fish"]}
    entries = {"train": python_2(table | {"coarse_labels": [1, 9]}), "meta": python_2(meta)}
    raw = lay({f"cifar-100-python/{name}": data for name, data in entries.items()})
    assert [s.identity for s in source(raw).samples()] == ["bear", "apple"]
    assert len(source(raw)) == 50_000
    coarse, wrong = source(raw, labels="coarse").samples()
    assert coarse.identity == "animal"
    assert wrong == Skipped("train/00001", "label 9 is none of 3 classes")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"data": np.zeros((1, 3072), np.uint8), "labels": []}, "labels should be 1 labels"),
        ({"data": np.zeros((1, 3), np.uint8), "labels": [0]}, r"data should be uint8 \(n, 3072\)"),
        ({}, "data should be uint8"),
        ([1], "should hold a dict, it holds a list"),
        ({"data": print}, "is refused: it asks for .*print"),
    ],
)
def test_batches_that_are_none(lay, table, message):
    entries = {"data_batch_1": pickle.dumps(table), "batches.meta": pickle.dumps({"label_names": ["a"]})}
    with pytest.raises(SourceError, match=f"data_batch_1.*{message}"):
        list(source(lay(entries)).samples())


@pytest.mark.real
def test_cifar_10_as_jpegs(real):
    found = source(real / "cifar10_jpg.tar.gz", split="train", check="header")
    assert (len(found), found.about()) == (50_000, {"classes": 10})
    assert records.decode(next(iter(found.samples())).image).shape == (32, 32, 3)


@pytest.mark.real
def test_orl(real):
    found = source(real / "orl_att_faces.tgz")
    samples = list(found.samples())
    portraits = [s for s in samples if s.sample_id.endswith(".pgm")]  # this copy has other files, too
    assert (len(portraits), len({s.identity for s in portraits})) == (400, 40)
    assert {records.decode(s.image).shape for s in portraits[:20]} == {(112, 92, 3)}
