"""Five lists of pairs: folds of disjoint people, as many of one person as of two, no pair twice."""

from collections import Counter

import pytest
import torch

from pipeline.synthetic import protocols, sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.staging import staged
from pipeline.synthetic.world import World

MODES = ("open", "close", "jaw_side", *sampler.MIMIC)


@pytest.fixture(scope="module")
def rows():
    return protocols.pairs(0, 40, 3)


def person(sample_id):
    return sample_id.split("/")[0]


def test_ten_folds_of_disjoint_people(rows):
    fold_of = {}
    for row in rows:
        for sample in (row["a"], row["b"]):
            assert fold_of.setdefault(person(sample), row["fold"]) == row["fold"]
    assert set(fold_of.values()) == set(range(10))
    assert len(fold_of) == 40


def test_balanced_and_true(rows):
    counts = Counter((row["protocol"], row["fold"], row["same"]) for row in rows)
    for protocol in protocols.PROTOCOLS:
        for fold in range(10):
            assert counts[protocol, fold, True] == counts[protocol, fold, False] > 0
    assert all((person(row["a"]) == person(row["b"])) == row["same"] for row in rows)


def test_kinds_are_as_the_protocol_says(rows):
    for row in rows:
        found = tuple(row[side].split("/")[1].rsplit("_", 1)[0] for side in ("a", "b"))
        assert found == protocols.PROTOCOLS[row["protocol"]]


def test_no_pair_twice_and_none_with_itself(rows):
    found = Counter((row["protocol"], frozenset((row["a"], row["b"]))) for row in rows)
    assert set(found.values()) == {1}
    assert all(row["a"] != row["b"] for row in rows)


def test_same_seed_same_lists_other_seed_other_lists(rows):
    assert protocols.pairs(0, 40, 3) == rows != protocols.pairs(1, 40, 3)


def test_the_default_size_is_capped_and_tiny_ones_do_not_fail():
    counts = Counter(row["protocol"] for row in protocols.pairs(0, 200, 4))
    assert counts["front_profile"] == 2 * 3000
    assert counts["front"] == 2 * 200 * 6
    assert protocols.pairs(0, 1, 1) == []


def test_staged_rows_obey_their_kind_whatever_their_neighbours():
    kinds = list(protocols.KINDS.values())

    def photos(rows):
        draws = Draws([100 + row for row in rows])
        drawn = sampler.draw(draws, World(), MODES, torch.zeros(len(rows)))
        return drawn, staged(drawn, [kinds[row % len(kinds)] for row in rows], draws)

    before, together = photos(range(60))
    for row in range(60):
        kind = kinds[row % len(kinds)]
        if kind is None:
            assert together.yaw[row] == before.yaw[row]
            assert together.occluder[row] == before.occluder[row]
            continue
        yaw = abs(together.yaw[row]) if kind.both_sides else together.yaw[row]
        assert kind.yaw[0] <= yaw <= kind.yaw[1]
        assert kind.age[0] <= together.age[row] <= kind.age[1]
        assert kind.resolution[0] <= together.resolution[row] <= kind.resolution[1]
        assert together.hat[row] == together.mask[row] == together.occluder[row] == together.blur[row] == 0
    _, alone = photos([7])
    assert alone.yaw[0] == together.yaw[7]
    assert alone.age[0] == together.age[7]
    profiles = together.yaw[1::6]
    assert (profiles < 0).any()
    assert (profiles > 0).any()
