"""Decisions found again in the faces: units, single images, names; what is barred is as if it were far."""

import dataclasses

import numpy as np
import pytest

from pipeline.decisions import Decision, DecisionsError
from pipeline.evaluate import duplicates, overlap, removals, verdicts
from tests.evaluate.test_overlap import directions, make


def world():
    """Person 1 is in both sets under her name, 2 without; 5 and 6 of `wild` are faces of nobody known."""
    where = directions(40)
    train = make("train", {p: f"id{p}" for p in range(12)}, 3, 0, directions=where,
                 names={p: f"Person {chr(65 + p)}" for p in range(12)})  # fmt: skip
    wild = make("wild", {p: f"w{p}" for p in (5, 6)}, 2, 1, unknown=True, directions=where)
    test = make("test", {p: f"t{p}" for p in (1, 2, 5, 20)}, 2, 2, directions=where,
                names={1: "person_b", 2: "x", 5: "y", 20: "z"})  # fmt: skip
    return {faces.dataset: faces for faces in (train, wild, test)}


def resolved(every, *given):
    return verdicts.resolve("f", [Decision(dataset=d, who=w, benchmark="test", matched=m, verdict=v)
                                  for d, w, m, v in given], every)  # fmt: skip


def test_people_faces_and_names_are_found():
    every = world()
    given = [("train", "id2", "t2", "accept"), ("wild", "wild/w5/1", "t5", "reject")]
    given += [("train", "id1", "Person B", "reject"), ("train", "train/id3/0", "test/t20/1", "reject")]
    found = resolved(every, *given)
    assert [row["sample_id"] for row in found.rows(every["train"])] == [f"train/id2/{k}" for k in range(3)]
    assert {row["reason"] for row in found.rows(every["train"])} == {"accepted"}
    assert found.barred("wild") == {("wild/w5/1", "test", "t5")}
    assert found.barred("train") == {("id1", "test", "t1"), ("id3", "test", "t20")}
    assert ("train", "id3", "test", "t20") in found.decided
    test = every["test"]
    assert all(found.spares("train", row, test, 7) for row in (9, 10, 11))
    assert not found.spares("train", 12, test, 7)
    assert not found.spares("wild", 9, test, 7)
    people, protected = every["train"].units, every["test"].units
    cosine = people.vector[people.label.index("id2")] @ protected.vector[protected.label.index("t2")]
    told = {(pair["who"], pair["faces"]): pair["similarity"] for pair in found.about()["pairs"]}
    assert told["id2", 3] == pytest.approx(float(cosine), abs=1e-6)
    assert found.about()["rejected"] == 3


def test_a_barred_pair_is_passed_over_for_the_next():
    every = world()
    train, test = every["train"], every["test"]
    similar = train.units.vector @ test.units.vector.T
    row = train.units.label.index("id2")
    order = np.argsort(-similar[row])
    assert test.units.label[order[0]] == "t2"
    verdict = resolved(every, ("train", "id2", "t2", "reject"))
    for cells in (overlap.CELLS, 1):
        overlap.CELLS, before = cells, overlap.CELLS
        try:
            match = overlap.nearest(train, [test], (True, True), verdict.barred("train"))
        finally:
            overlap.CELLS = before
        assert match.matched[row] == test.units.label[order[1]]
        free = overlap.nearest(train, [test], (True, True))
        others = np.arange(len(similar)) != row
        np.testing.assert_allclose(match.similarity[others], free.similarity[others], atol=1e-6)
    assert not match.mutual[row]


def test_a_rejected_name_stays_and_an_accepted_person_says_so():
    every = world()
    both = [every["train"]], [every["test"]]
    assert {row["identity"] for row in removals.exclusions(*both, {}, {})} == {"id1"}
    verdict = resolved(every, ("train", "id1", "t1", "reject"), ("train", "id7", "t20", "accept"))
    rows = removals.exclusions(*both, {}, {}, None, verdict)
    assert {(row["identity"], row["reason"], row["matched"]) for row in rows} == {("id7", "accepted", "t20")}


def test_a_rejected_copy_stays():
    every = world()
    train, test = (
        dataclasses.replace(faces, hashes=np.ones((len(faces.sample_id), 2), np.uint64))
        for faces in (every["train"], every["test"])
    )
    assert 0 in duplicates.find(train, [test], 8, -1.0)
    verdict = resolved(every, *(("train", "train/id0/0", who, "reject") for who in ("t1", "t2", "t5", "t20")))
    found = duplicates.find(train, [test], 8, -1.0, verdict.spares)
    assert sorted(found) == list(range(3, len(train.sample_id))), "a rejected image stands for its person"


@pytest.mark.parametrize("who", ["id1", "train/id1/2"])
@pytest.mark.parametrize("matched", ["t1", "test/t1/1", "Person B"])
def test_a_reject_holds_for_names_and_likeness_however_it_is_written(who, matched):
    every = world()
    both = [every["train"]], [every["test"]]
    verdict = resolved(every, ("train", who, matched, "reject"))
    assert removals.exclusions(*both, {}, {}, None, verdict) == []
    match = overlap.nearest(*both[0], both[1], (True, True), verdict.barred("train"))
    assert match.matched[every["train"].units.label.index("id1")] != "t1"
    assert verdict.decided == {("train", "id1", "test", "t1")}


def test_an_accepted_image_goes_alone_and_decides_nothing_about_its_person():
    every = world()
    found = resolved(every, ("train", "train/id2/1", "t2", "accept"))
    assert [row["sample_id"] for row in found.rows(every["train"])] == ["train/id2/1"]
    assert found.decided == set()


def test_an_identity_of_one_image_may_be_called_like_a_sample():
    every = world()
    train = every["train"]
    rows = [*range(len(train.sample_id) - 3), len(train.sample_id) - 1]  # the last of id11
    every["train"] = dataclasses.replace(
        train,
        sample_id=["id11" if row == 0 else train.sample_id[row] for row in rows],
        identity=[train.identity[row] for row in rows],
        name=[train.name[row] for row in rows],
        vector=train.vector[rows],
    )
    found = resolved(every, ("train", "id11", "t2", "reject"))
    assert found.barred("train") == {("id11", "test", "t2")}


def test_nobody_is_an_error():
    every = world()
    for who, matched, said in (
        ("id99", "t1", "entry 1, who: train has no"),
        ("id1", "No Body", "entry 1, matched"),
    ):
        with pytest.raises(DecisionsError, match=said):
            resolved(every, ("train", who, matched, "accept"))
