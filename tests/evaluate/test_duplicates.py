"""Near-duplicates: what two tests together find, against both tests pair by pair."""

import dataclasses

import numpy as np
import pytest

from pipeline.evaluate import duplicates, removals
from tests.evaluate.test_overlap import directions, make


def world():
    """Twelve people of `train`, four of `test`; images 5, 9 and 10 of `train` are images of `test`."""
    where = directions(40)
    train = make("train", {p: f"id{p:02d}" for p in range(12)}, 3, 0, directions=where)
    test = make("test", {p: f"t{p}" for p in range(30, 34)}, 2, 1, directions=where)
    rng = np.random.default_rng(0)
    codes, others = (rng.integers(0, 2**64, (len(each.sample_id), 2), np.uint64) for each in (train, test))
    vector = train.vector.copy()
    for row, source, bits, side, noise in ((5, 1, 4, 0, 0.01), (9, 6, 0, 1, 0.01), (10, 6, 8, 0, 0.02)):
        codes[row, 0] = others[source, side] ^ np.uint64((1 << bits) - 1)
        vector[row] = test.vector[source] + noise * rng.normal(size=48)
    codes[20, 0] = others[3, 0]  # the hash of an image of somebody else
    vector[21] = test.vector[3]  # the same face in another image
    train = dataclasses.replace(train, hashes=codes, vector=vector.astype(np.float32))
    return train, dataclasses.replace(test, hashes=others)


def by_loop(train, test, radius, similarity):
    found = {}
    for a, code in enumerate(train.hashes[:, 0]):
        for b, sides in enumerate(test.hashes):
            bits = min((int(code) ^ int(side)).bit_count() for side in sides)
            x, y = train.vector[a].astype(float), test.vector[b].astype(float)
            cosine = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
            if bits <= radius and cosine >= similarity and cosine > found.get(a, (0, 0, 0))[2]:
                found[a] = (test.sample_id[b], bits, cosine)
    return found


@pytest.mark.parametrize(("radius", "similarity"), [(8, 0.9), (4, 0.9), (8, 0.9999), (0, 0.1), (63, 0.9)])
def test_both_tests_together_against_a_loop(radius, similarity):
    train, test = world()
    found = duplicates.find(train, [test], radius, similarity)
    assert {
        row: (near.sample_id, near.distance, pytest.approx(near.similarity)) for row, near in found.items()
    } == (by_loop(train, test, radius, similarity))


def test_images_go_and_their_people_where_asked():
    train, test = world()
    found = duplicates.find(train, [test], 8, 0.9)
    assert sorted(found) == [5, 9, 10]
    rows = duplicates.rows(train, found, 0.9, whole_identity=False)
    assert [row["sample_id"] for row in rows] == ["train/id01/2", "train/id03/0", "train/id03/1"]
    assert {(row["reason"], row["benchmark"], row["threshold"]) for row in rows} == {
        ("duplicate", "test", 0.9)
    }
    assert [row["matched"] for row in rows] == ["test/t30/1", "test/t33/0", "test/t33/0"]
    everybody = duplicates.rows(train, found, 0.9, whole_identity=True)
    assert {row["identity"] for row in everybody} == {"id01", "id03"}
    assert len(everybody) == 6


def test_the_likest_image_of_all_protected_sets_is_named():
    train, test = world()
    other = dataclasses.replace(test, dataset="other", vector=test.vector + np.float32(0.05))
    for order in ([test, other], [other, test]):
        assert {near.benchmark for near in duplicates.find(train, order, 8, 0.8).values()} == {"test"}


def test_any_other_reason_outranks_a_copy():
    train, test = world()
    train.name[3:6] = ["Ann Lee"] * 3  # id01
    test.name[0] = "ANN LEE"
    given = {"radius": 8, "similarity": 0.9, "identity": False}
    rows = removals.exclusions([train], [test], {}, {}, given)
    assert [(row["sample_id"], row["reason"]) for row in rows] == [
        ("train/id01/0", "name"),
        ("train/id01/1", "name"),
        ("train/id01/2", "name"),
        ("train/id03/0", "duplicate"),
        ("train/id03/1", "duplicate"),
    ]
    assert (
        removals.counted(rows, [train])["train"] | {"by_duplicate": 2, "by_name": 3}
        == (removals.counted(rows, [train])["train"])
    )
    for nothing in (None, given | {"radius": "none"}):
        assert {row["reason"] for row in removals.exclusions([train], [test], {}, {}, nothing)} == {"name"}


def test_sets_without_hashes_are_refused():
    train, test = world()
    with pytest.raises(ValueError, match="train, test: near-duplicates need hashes"):
        duplicates.find(train, [dataclasses.replace(test, hashes=None)], 8, 0.9)
