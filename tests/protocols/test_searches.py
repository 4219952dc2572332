"""The searches protocol against loops over probes, mates and distractors; which way a list is scored."""

import json

import numpy as np
import pytest

from pipeline.protocols import _templates as listed
from pipeline.protocols import searches
from tests.protocols.worlds import PEOPLE, World, bench, best_rate

AMONG = [("far", "gallery", f"{person}/gallery") for person in range(PEOPLE)]
AMONG += [("far", "mated", f"{person}/probe_{k}") for person in range(PEOPLE) for k in range(2)]
AMONG += [("far", "distractor", f"d{k}") for k in (3, 1, 0, 2, 7, 5, 4, 9, 11, 10, 8, 6)]
OPEN = [("camera", "gallery", f"{person}/gallery") for person in range(8)]
OPEN += [
    ("camera", "mated" if person < 8 else "unmated", f"{person}/probe_{k}")
    for person in range(PEOPLE)
    for k in range(2)
]
PARAMS = {"distractors": [1, 5, 100], "distractor_fars": [0.1, 1e-3], "ranks": [1, 3], "open_rank": 2}


def world(seed, rows):
    made = World(seed)
    made.give("searches", rows)
    return made


def outcome(made, **params):
    built = searches.build(searches.Params(**{**PARAMS, **params}))
    result = built.evaluate(bench(one=made))
    json.dumps(result.metrics, allow_nan=False)
    return result, result.metrics["benchmarks"]["one"]


@pytest.mark.parametrize("seed", [0, 1])
def test_distractors_are_what_loops_find(seed):
    made = world(seed, AMONG)
    result, found = outcome(made)
    numbers, unit = found["lists"]["far"]["among_distractors"], made.pooled()
    faces = [template for _, role, template in AMONG if role != "distractor"]
    others = [template for _, role, template in AMONG if role == "distractor"]
    couples = [(i, j) for i in faces for j in faces if i != j and made.who[i] == made.who[j]]
    assert [row["distractors"] for row in numbers["cmc"]] == [1, 5, 12]
    for row in numbers["cmc"]:
        ranks = [
            1 + sum(unit[i] @ unit[d] >= unit[i] @ unit[j] for d in others[: row["distractors"]])
            for i, j in couples
        ]
        for k in (1, 3):
            assert row[f"rank_{k}"] == pytest.approx(np.mean(np.array(ranks) <= k))
    assert (numbers["pairs"], numbers["probes"]) == (len(couples), len(faces))
    own = [unit[i] @ unit[j] for i, j in couples]
    impostors = [unit[i] @ unit[d] for i in faces for d in others]
    first, second = numbers["tar_at_far"]
    assert first["tar"] == pytest.approx(best_rate(own, impostors, 0.1))
    assert first["impostors"] == len(impostors)
    assert second["tar"] is None
    table = result.tables["search_among_distractors"].sort_values(["template", "mate"])
    assert list(zip(table["template"], table["mate"], strict=True)) == sorted(couples)
    by_couple = dict(zip(couples, zip(own, ranks, strict=True), strict=True))
    np.testing.assert_allclose(
        table["score"], [by_couple[couple][0] for couple in sorted(couples)], atol=2e-6
    )
    assert table["rank"].tolist() == [min(4, by_couple[couple][1]) for couple in sorted(couples)]
    assert "in_gallery" not in found["lists"]["far"]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_open_set_is_what_loops_find(seed):
    made = world(seed, OPEN)
    result, found = outcome(made, open_fars=[0.3, 0.1, 0.001])
    numbers, unit = found["lists"]["camera"]["in_gallery"], made.pooled()
    gallery = [template for _, role, template in OPEN if role == "gallery"]
    mates, ranks, strangers, genuine, impostors = [], [], [], [], []
    for _, role, probe in OPEN[8:]:
        scores = {entry: unit[probe] @ unit[entry] for entry in gallery}
        genuine += [score for entry, score in scores.items() if made.who[entry] == made.who[probe]]
        impostors += [score for entry, score in scores.items() if made.who[entry] != made.who[probe]]
        if role == "unmated":
            strangers.append(max(scores.values()))
            continue
        mates.append(genuine[-1])
        ranks.append(sum(score >= mates[-1] for score in scores.values()))
    assert numbers["cmc"] == pytest.approx({f"rank_{k}": np.mean(np.array(ranks) <= k) for k in (1, 3)})
    found_by_2 = [mate if rank <= 2 else -np.inf for mate, rank in zip(mates, ranks, strict=True)]
    for tpir, fpir in zip(numbers["tpir"], (0.3, 0.2, 0.1), strict=True):
        assert tpir["tpir"] == pytest.approx(best_rate(found_by_2, strangers, fpir))
        assert (tpir["fpir"], tpir["non_mated"], tpir["supported"]) == (fpir, 12, False)
    for tar in numbers["tar_at_far"][:2]:
        assert tar["tar"] == pytest.approx(best_rate(genuine, impostors, tar["far"]))
        assert tar["exact"]
    assert numbers["tar_at_far"][2]["tar"] is None
    table = result.tables["search_in_gallery"]
    assert table["rank"].tolist() == [*ranks, *[0] * len(strangers)]
    np.testing.assert_allclose(table["score"][: len(mates)], mates, atol=2e-6)
    assert table["score"][len(mates) :].isna().all()
    np.testing.assert_allclose(table["other"][len(mates) :], strangers, atol=2e-6)


def test_roles_say_which_way():
    mixed = [("both", *row[1:]) for row in OPEN] + [
        ("both", "distractor", "d3"),
        ("both", "distractor", "d4"),
    ]
    closed = [("closed", *row[1:]) for row in OPEN if row[1] != "unmated"]
    _, found = outcome(world(2, AMONG + OPEN + mixed + closed))
    ways = {
        name: [key for key in numbers if key != "missing_entries"] for name, numbers in found["lists"].items()
    }
    assert ways == {
        "both": ["among_distractors", "in_gallery"],
        "camera": ["in_gallery"],
        "closed": ["in_gallery"],
        "far": ["among_distractors"],
    }
    assert found["lists"]["both"]["in_gallery"]["gallery"] == 10
    assert found["lists"]["both"]["among_distractors"]["cmc"][-1]["distractors"] == 2
    assert found["lists"]["closed"]["in_gallery"]["tpir"] == []


def test_galleries_of_pair_lists_are_left_to_the_templates_protocol():
    made = world(3, [("ijb_gallery_1", *row[1:]) for row in OPEN] + AMONG)
    made.give("template_pairs", [("ijb", "0/gallery", "0/probe_0", True)])
    assert list(outcome(made)[1]["lists"]) == ["far"]
    made = world(3, [("ijb_gallery_1", *row[1:]) for row in OPEN])
    assert list(outcome(made)[1]["lists"]) == ["ijb_gallery_1"]


def test_missing_distractors_mates_and_probes():
    made = world(4, AMONG + OPEN)
    for face in ("d1/0", *(f"2/gallery/{k}" for k in range(4)), "5/probe_0/0"):
        made.lose(face)
    with pytest.raises(listed.MissingTemplatesError, match="list 'camera': 3 of 36 entries"):
        outcome(made)
    _, found = outcome(made, missing=0.1)
    assert found["left_out"]["missing_images"] == 6
    assert found["left_out"]["missing_names"] == ["2/gallery", "d1"]
    far, camera = found["lists"]["far"], found["lists"]["camera"]
    assert (
        far["missing_entries"] == 4
    )  # the distractor, the gallery entry, and the two probes it leaves alone
    assert far["among_distractors"]["cmc"][-1]["distractors"] == 11
    assert far["among_distractors"]["probes"] == 3 * (PEOPLE - 1)
    assert camera["missing_entries"] == 3
    counts = (
        camera["in_gallery"]["gallery"],
        camera["in_gallery"]["mated"],
        camera["in_gallery"]["non_mated"],
    )
    assert counts == (7, 14, 12)


def test_benchmarks_without_searches():
    built = searches.build(searches.Params())
    both = built.evaluate(bench(none=World(), one=world(5, OPEN)))
    assert list(both.metrics["benchmarks"]) == ["one"]
    empty = built.evaluate(bench(none=World()))
    assert (empty.metrics["benchmarks"], empty.metrics["note"]) == ({}, "no benchmark has searches")
    assert set(searches.Params.model_fields) <= set(empty.metrics["settings"])
    assert not empty.tables


@pytest.mark.parametrize("wrong", [{"flip": "mean"}, {"distractors": [0]}, {"fpirs": [2]}, {"open_rank": 0}])
def test_wrong_params(wrong):
    with pytest.raises(ValueError):
        searches.Params(**wrong)
