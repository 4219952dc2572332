"""Worlds and sizes that can't be are refused by the name of the knob; planted people are truth."""

import math
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from pipeline.synthetic.names import count, name_of
from pipeline.synthetic.world import (
    MOST,
    PARTS,
    RACES,
    Sizes,
    World,
    identity_id,
    person_key,
    person_seed,
    planted,
)

SMALL = {
    "labelled": {"identities": 6, "images": 2, "planted": 2},
    "unlabelled": {"identities": 4, "images": 2, "planted": 1},
    "validation": {"identities": 3, "images": 2},
    "test": {"identities": 5, "images": 2},
}


@pytest.mark.parametrize(
    ("knobs", "named"),
    [
        ({"race": dict.fromkeys(RACES, 0.3)}, "race"),
        ({"race": {"black": 1.0}}, "race"),
        ({"race": dict.fromkeys(RACES, 0.0) | {"black": 1.5, "white": -0.5}}, "race"),
        ({"age": {"young": 0.5, "adult": 0.5, "old": 0.5}}, "age"),
        ({"blur": 1.2}, "blur"),
        ({"race": dict.fromkeys(RACES, 0.2) | {"black": math.nan}}, "race.black"),
        ({"age": {"young": math.nan, "adult": 0.5, "old": 0.5}}, "age.young"),
        ({"age": {"young": True, "adult": 0.0, "old": 0.0}}, "age.young"),
        ({"noise": math.inf}, "noise"),
        ({"blur": True}, "blur"),
        ({"blur": "1"}, "blur"),
        ({"size": "96"}, "size"),
        ({"light": 0.0}, "light"),
        ({"light": 1e-9}, "light"),
        ({"shape_spread": 1.6}, "shape_spread"),
        ({"size": 16}, "size"),
        ({"male": 1.1}, "male"),
        ({"shape_spread": -0.1}, "shape_spread"),
        ({"age_spread": 1.1}, "age_spread"),
        ({"blur_floor": -1.0}, "blur_floor"),
        ({"yaw_spraed": 3.0}, "yaw_spraed"),
    ],
)
def test_impossible_knobs_are_refused_by_name(knobs, named):
    with pytest.raises(ValidationError, match=named):
        World(**knobs)


@pytest.mark.parametrize(
    ("part", "change", "named"),
    [
        ("labelled", {"planted": 7}, "labelled.planted"),
        ("unlabelled", {"planted": 4}, "6 people are planted, but test has 5"),
        ("validation", {"planted": 1}, "validation.planted"),
        ("test", {"identities": 0}, "identities"),
        ("test", {"distractors": 5}, "distractors is 5, but there are 5 identities"),
        ("test", {"distractors": 9}, "distractors is 9, but there are 5 identities"),
        ("test", {"distractors": 3}, "3 people are planted, but test has 2 identities that are no distract"),
        ("test", {"mated": 1.0}, "mated"),
        ("test", {"mated": math.nan}, "mated"),
        ("test", {"pairs": 100_000_000}, "pairs"),
        ("test", {"images": True}, "images"),
        ("test", {"frames": 0}, "frames"),
        ("labelled", {"distractors": 1}, "labelled.distractors"),
        ("unlabelled", {"identities": 2_000_000}, "unlabelled.identities"),
    ],
)
def test_impossible_sizes_are_refused_by_name(part, change, named):
    with pytest.raises(ValidationError, match=named):
        Sizes.model_validate(SMALL | {part: SMALL[part] | change})


def test_planted_are_the_last_identities_and_different_test_people():
    assert planted(SMALL) == [("l000004", "t000000"), ("l000005", "t000001"), ("u000003", "t000002")]


def test_parts_are_disjoint_people_but_for_the_planted():
    sizes = Sizes.model_validate(SMALL)
    seeds = {
        identity_id(part, index): person_seed(0, sizes, part, index)
        for part in PARTS
        for index in range(sizes.of(part).identities)
    }
    assert len(seeds) == 18
    assert len(set(seeds.values())) == 15
    for ours, theirs in planted(sizes):
        assert seeds[ours] == seeds[theirs]


def test_another_world_has_other_people():
    sizes = Sizes.model_validate(SMALL)
    assert person_seed(0, sizes, "test", 0) != person_seed(1, sizes, "test", 0)
    assert person_key(sizes, "labelled", 0) == ("labelled", 0)


def test_a_world_has_the_people_of_another_but_for_the_knobs_of_people():
    assert World().same_people(World(light=0.5, profiles=0.1, image_size=64))
    assert not World().same_people(World(male=0.4))
    assert not World().same_people(World(shape_spread=0.9))
    assert not World().same_people(World(race=dict.fromkeys(RACES, 0.0) | {"indian": 1.0}))


def test_names_are_never_shared():
    names = [name_of(5, part, index) for part in PARTS for index in range(2000)]
    assert len(set(names)) == len(names)
    assert all(len(name.split()) == 2 for name in names)
    assert count() >= len(PARTS) * MOST
    assert len({name_of(5, "test", index) for index in range(MOST - 2000, MOST)} & set(names)) == 0
    assert name_of(5, "test", 3) == name_of(5, "test", 3) != name_of(6, "test", 3)


def test_params_say_every_knob_and_home_is_the_default():
    values = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text())
    assert set(values["worlds"]["home"]) == set(World.model_fields)
    assert World(**values["worlds"]["home"]) == World()
    for size in values["sizes"].values():
        Sizes.model_validate(size["world"])
