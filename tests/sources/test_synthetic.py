"""The synthetic source: built from params alone, refused by name, recognisable but not by raw pixels."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline import records
from pipeline.geometry import aligned
from pipeline.sources import SourceError, synthetic
from pipeline.synthetic.world import Sizes, World

WORLDS = {
    "home": {},
    "shifted": {"race": {"black": 1, "east_asian": 0, "indian": 0, "latino": 0, "white": 0}},
}
NOTHING = Path("no/such/place")
ONE = {"identities": 1, "images": 1}


def settings(worlds=WORLDS, world_seed=0, **parts):
    sizes = {
        "labelled": {"identities": 4, "images": 2, "planted": 1},
        "unlabelled": {"identities": 2, "images": 2, "planted": 1},
        "validation": {"identities": 2, "images": 2},
        "test": {"identities": 20, "images": 1},
    }
    return {"worlds": worlds, "world_seed": world_seed, "sizes": {"smoke": {"world": sizes | parts}}}


def sizes_of(**test):
    (chosen,) = settings(labelled=ONE, unlabelled=ONE, test=test)["sizes"].values()
    return Sizes.model_validate(chosen["world"])


def build(part="labelled", world="home", protocols=None, negatives=None, **kwargs):
    params = synthetic.Params(part=part, world=world, protocols=protocols, negatives=negatives)
    return synthetic.build(params, NOTHING, settings(**kwargs))


def test_every_part_yields_what_its_size_says():
    counts = {
        part: sum(1 for _ in build(part).samples()) for part in ("labelled", "unlabelled", "validation")
    }
    assert counts == {"labelled": 8, "unlabelled": 4, "validation": 4}
    assert {part: len(build(part)) for part in counts} == counts
    assert build().pairs() == []
    assert build().lists() == {}
    size = {"identities": 9, "images": 2, "distractors": 6, "probes": 1, "stills": 1, "frames": 1}
    chosen = ["templates", "distractors", "surveillance", "splits"]
    test = build("test", protocols=chosen, negatives=["random"], test=size)
    assert sum(1 for _ in test.samples()) == len(test) == 6 + 3 * (2 + 3) + 2 * 2 + 1


def test_stretches_are_about_as_long_as_asked_and_hold_everyone():
    source = build(labelled={"identities": 23, "images": 3})
    for rows in (1, 3, 4, 10, 1000):
        stretches = source.stretches(rows)
        assert [index for stretch in stretches for index in stretch] == list(range(23))
        assert all(rows <= 3 * len(stretch) < rows + 3 for stretch in stretches[:-1])


def test_pairs_and_lists_name_samples_of_the_test_part():
    size = {"identities": 30, "images": 2, "distractors": 4}
    source = build("test", test=size, labelled={"identities": 4, "images": 2})
    rows, lists = source.pairs(), source.lists()
    taken = {f"t{index:06d}/{one.name}" for index in range(30) for one in source._test.photographs(index)}
    assert {sample.sample_id for sample in source.stretch(range(2))} <= taken
    assert {row[side] for row in rows for side in ("a", "b")} <= taken
    assert set(lists["templates"]["sample_id"].to_pylist()) <= taken
    assert records.pair_table(rows).num_rows == len(rows) > 0
    assert {name: table.schema for name, table in lists.items()} == records.LISTS


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"protocols": ["front", "fornt"]}, "protocols"),
        ({"protocols": []}, "protocols .*at least one"),
        ({"negatives": ["random", "random"]}, "negatives .*each once"),
        ({"part": "labelled", "protocols": ["front"]}, "protocols: the part labelled has none"),
    ],
)
def test_impossible_protocols_are_refused_by_name(chosen, named):
    with pytest.raises(ValueError, match=named):
        synthetic.Params(**{"part": "test"} | chosen)


def test_distractors_need_people_who_are_some():
    with pytest.raises(
        SourceError, match=r"sizes.smoke.world.test.distractors: 0: distractors would be empty"
    ):
        build("test", protocols=["distractors"], test={"identities": 20, "images": 2})
    with pytest.raises(SourceError, match=r"sizes.smoke.world.test: .*distractors is 21.*20 identities"):
        build("test", test={"identities": 20, "images": 1, "distractors": 21})


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (
            {"images": 1},
            r"test\.images: 1 photograph .*: front, wild, surveillance would be empty - write 2 or more",
        ),
        ({"identities": 15}, r"test\.identities: 11 people beside 4 .*front, wild .* write 16 or more"),
        ({"mated": 0.99}, r"test\.mated: 0.99 of 20 people .*: surveillance would be empty"),
    ],
)
def test_a_size_that_leaves_a_protocol_empty_is_refused(size, told):
    usual = {"identities": 24, "images": 2, "distractors": 4}
    chosen = ["front", "wild", "surveillance"]
    assert len(build("test", protocols=chosen, negatives=["random"], test=usual)) > 0
    with pytest.raises(SourceError, match=told):
        build("test", protocols=chosen, negatives=["random"], test=usual | size)


def test_lists_of_one_group_are_refused_where_nobody_of_a_group_meets():
    """Against the lists themselves, made without asking."""
    refused = 0
    for seed in range(12):
        test = {"identities": 2 + seed, "images": 2}
        chosen = ["front", "templates"]
        known = synthetic.Synthetic("test", "home", World(), World(), sizes_of(**test), seed, chosen)
        pairs = known.lists()["template_pairs"].to_pandas()
        made = {row["protocol"] for row in known.pairs()} | set(pairs[~pairs["same"]]["protocol"])
        wanted = {"front_same_group", "templates_same_group"} - made
        assert set(known.unmatched()) == wanted
        if "templates_same_group" in wanted:
            refused += 1
            people = rf"test\.identities: {2 + seed} people, .*templates_same_group would be empty"
            with pytest.raises(SourceError, match=people):
                build("test", protocols=["templates"], test=test, world_seed=seed)
    assert 0 < refused < 12


def test_few_couples_of_one_group_are_told():
    size = {"identities": 24, "images": 2}
    (note,) = build("test", protocols=["front"], test=size).about()["notes"]
    assert "of 10 folds" in note
    assert build("test", protocols=["front"], negatives=["random"], test=size).about()["notes"] == []
    assert "notes" not in build().about()


@pytest.mark.parametrize("part", ["validation", "test"])
def test_nobody_is_planted_where_nobody_trains(part):
    with pytest.raises(ValueError, match=f"planted_from: nobody is planted in the part {part}"):
        synthetic.Params(part=part, planted_from="home")


def test_samples_fit_the_schema_and_read_the_same_twice(tmp_path):
    source = build()
    writer = records.Writer(tmp_path)
    for sample in source.samples():
        writer.add(sample)
    writer.close(source.about())
    stored = records.Dataset(tmp_path)
    assert len(stored) == 8
    assert [bytes(stored.image_bytes(row)) for row in range(8)] == [s.image for s in source.samples()]
    assert stored.about["part"] == "labelled"
    assert np.isfinite(stored.points("points68")).all()


def test_a_shifted_world_has_other_people_but_plants_those_of_the_test():
    races = {sample.identity: sample.race for sample in build(world="shifted").samples()}
    home = {sample.identity: sample.race for sample in build().samples()}
    assert [races[f"l00000{index}"] for index in range(3)] == [0, 0, 0]
    assert races["l000003"] == home["l000003"]


@pytest.mark.parametrize(
    ("world", "worlds", "named"),
    [
        ("hoem", WORLDS, r"worlds.hoem \(did you mean 'home'"),
        ("home", {"home": {"blur": 2}}, r"worlds.home.blur"),
        ("home", {"home": {"lihgt": 1}}, r"worlds.home.lihgt"),
        ("home", {"home": {"age": {"young": 1, "adult": 1, "old": 0}}}, r"worlds.home.*age shares"),
    ],
)
def test_wrong_worlds_are_refused_by_name(world, worlds, named):
    with pytest.raises(SourceError, match=named):
        build(world=world, worlds=worlds)


def test_wrong_sizes_are_refused_by_name():
    with pytest.raises(SourceError, match=r"sizes.smoke.world.labelled.images"):
        build(labelled={"identities": 3, "images": 0})
    with pytest.raises(SourceError, match="chosen one alone"):
        synthetic.build(synthetic.Params(part="test"), NOTHING, settings() | {"sizes": {"a": {}, "b": {}}})


def test_unknown_parts_are_refused():
    with pytest.raises(ValueError, match="part"):
        synthetic.Params(part="train")


def pixels(sample):
    crop, _ = aligned(records.decode(sample.image), np.reshape(sample.points5, (5, 2)), 64)
    small = cv2.resize(crop, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
    small -= small.mean()
    return small / np.linalg.norm(small)


def test_raw_pixels_do_not_recognise_people():
    """Were backgrounds, light or framing a person's own, 16 x 16 pixels would tell who it is."""
    source = build("test", protocols=["front"], negatives=["random"], test={"identities": 40, "images": 4})
    found = {sample.sample_id: pixels(sample) for sample in source.samples()}
    rows = source.pairs()
    score = np.array([found[row["a"]] @ found[row["b"]] for row in rows])
    same, fold = np.array([row["same"] for row in rows]), np.array([row["fold"] for row in rows])
    right = []
    for held in range(10):
        known = fold != held
        best = max(np.unique(score[known]), key=lambda t: ((score[known] >= t) == same[known]).mean())
        right.append(((score[~known] >= best) == same[~known]).mean())
    assert len(rows) == 480
    assert 0.45 < np.mean(right) < 0.65
