"""The templates protocol against loops over templates, pairs and galleries, and what it makes of holes."""

import json

import numpy as np
import pytest

from pipeline.protocols import _templates as listed
from pipeline.protocols import templates
from tests.protocols.worlds import PEOPLE, World, bench, best_rate

FARS, FPIRS = [0.3, 0.02, 1e-4], [0.5, 0.2, 0.01]


def world(seed=0, galleries=True):
    made, rng = World(seed), np.random.default_rng(seed)
    probes = [f"{person}/probe_{k}" for person in range(PEOPLE) for k in range(2)]
    pairs = [
        ("ijb", f"{a}/gallery", probe, probe.startswith(f"{a}/")) for a in range(PEOPLE) for probe in probes
    ]
    few = [pair for pair in pairs if pair[3] or rng.random() < 0.2]
    made.give("template_pairs", pairs + [("ijb_hard", *pair[1:]) for pair in few])
    searches = []
    for number in (1, 2):
        name, inside = f"ijb_gallery_{number}", set(range(number - 1, PEOPLE, 2))
        searches += [(name, "gallery", f"{person}/gallery") for person in inside]
        searches += [(name, "mated" if int(p.split("/")[0]) in inside else "unmated", p) for p in probes]
    searches += [("else", "gallery", "0/gallery"), ("else", "mated", "0/probe_0")]
    if galleries:
        made.give("searches", searches)
    return made


def outcome(made, **params):
    built = templates.build(templates.Params(**{"fars": FARS, "fpirs": FPIRS, "bootstrap": 50, **params}))
    result = built.evaluate(bench(one=made))
    json.dumps(result.metrics, allow_nan=False)
    return result, result.metrics["benchmarks"]["one"]


@pytest.mark.parametrize(("flip", "keep_norm"), [("sum", False), ("concat", True), ("none", False)])
def test_pairs_are_what_loops_find(flip, keep_norm):
    made = world(1)
    result, found = outcome(made, flip=flip, keep_norm=keep_norm)
    unit = made.pooled(flip, keep_norm)
    scores = {
        name: [
            (unit[a] @ unit[b], same)
            for protocol, _, a, b, same in made.given["template_pairs"]
            if protocol == name
        ]
        for name in ("ijb", "ijb_hard")
    }
    assert list(found["verification"]) == list(scores)
    for name, rows in scores.items():
        own, others = ([score for score, same in rows if same == kind] for kind in (True, False))
        numbers = found["verification"][name]
        table = result.tables["template_scores"].query("protocol == @name")
        np.testing.assert_allclose(table["score"], [score for score, _ in rows], atol=2e-6)
        assert (numbers["genuine"], numbers["impostors"]) == (len(own), len(others))
        area = np.mean([(a > b) + (a == b) / 2 for a in own for b in others])
        assert numbers["auc"] == pytest.approx(area, abs=1e-9)
        for tar in numbers["tar_at_far"]:
            if tar["far"] * len(others) < 1:
                assert tar["tar"] is None
                assert "not measurable" in tar["note"]
                continue
            assert tar["tar"] == pytest.approx(best_rate(own, others, tar["far"]))
            assert tar["low"] <= tar["tar"] <= tar["high"]
        wrong = [(np.mean([s >= t for s in others]), np.mean([s < t for s in own])) for t in own + others]
        nearest = min(max(pair) for pair in wrong)
        assert numbers["eer"] == pytest.approx(nearest, abs=1 / len(own) + 1e-9)
    assert set(result.curves["one"]) == {"ijb", "ijb_hard"}


def test_galleries_are_what_loops_find():
    made = world(2)
    result, found = outcome(made, ranks=[1, 2])
    unit, each = made.pooled(), []
    for number in (1, 2):
        name = f"ijb_gallery_{number}"
        rows = [row for row in made.given["searches"] if row[0] == name]
        gallery = [template for _, role, template in rows if role == "gallery"]
        mates, ranks, strangers = [], [], []
        for _, role, probe in rows:
            scores = {entry: unit[probe] @ unit[entry] for entry in gallery}
            own = [score for entry, score in scores.items() if made.who[entry] == made.who[probe]]
            if role == "mated":
                mates.append(own[0])
                ranks.append(sum(score >= own[0] for score in scores.values()))
            elif role == "unmated":
                assert not own
                strangers.append(max(scores.values()))
        numbers = found["identification"]["ijb"]["galleries"][f"gallery_{number}"]
        expected = {f"rank_{k}": np.mean(np.array(ranks) <= k) for k in (1, 2)}
        assert numbers["cmc"] == pytest.approx(expected)
        assert (numbers["gallery"], numbers["mated"], numbers["non_mated"]) == (7, 14, 14)
        first = [mate if rank == 1 else -np.inf for mate, rank in zip(mates, ranks, strict=True)]
        assert [tpir["tpir"] for tpir in numbers["tpir"]] == [
            pytest.approx(best_rate(first, strangers, 0.5)),
            pytest.approx(best_rate(first, strangers, 0.2)),
            None,
        ]
        each.append(numbers)
        table = result.tables["template_probes"].query("protocol == @name and role == 'mated'")
        assert table["rank"].tolist() == ranks
        np.testing.assert_allclose(table["score"], mates, atol=2e-6)
    mean = found["identification"]["ijb"]["mean"]
    assert mean["cmc"]["rank_1"] == pytest.approx(np.mean([one["cmc"]["rank_1"] for one in each]))
    assert mean["tpir"][1]["tpir"] == pytest.approx(np.mean([one["tpir"][1]["tpir"] for one in each]))
    assert mean["tpir"][2] == {"fpir": 0.01, "tpir": None, "low": None, "high": None}
    assert "else" not in set(result.tables["template_probes"]["protocol"])


def test_order_of_lists_and_faces_changes_nothing():
    made, other = world(3), world(3)
    for name, rows in other.given.items():
        other.give(name, rows[::-1])
    order = np.random.default_rng(0).permutation(len(other.faces))
    other.faces, other.embeddings = [other.faces[k] for k in order], other.embeddings[order]
    one, two = outcome(made, bootstrap=0)[1], outcome(other, bootstrap=0)[1]
    for name, numbers in one["verification"].items():
        assert two["verification"][name]["auc"] == pytest.approx(numbers["auc"])
    assert one["identification"]["ijb"]["mean"] == two["identification"]["ijb"]["mean"]


def test_faces_that_are_missing_are_left_out_and_counted():
    made = world(4)
    made.lose("3/gallery/1")
    whole, found = outcome(made, missing=0)
    counts = {"templates": 3 * PEOPLE, "images": 12 * PEOPLE, "missing_images": 1, "missing_templates": 0}
    assert found["left_out"] == {**counts, "missing_names": []}
    unit = made.pooled()
    row = whole.tables["template_scores"].query("protocol == 'ijb' and a == '3/gallery' and b == '3/probe_0'")
    assert row["score"].item() == pytest.approx(unit["3/gallery"] @ unit["3/probe_0"], abs=2e-6)


def test_a_template_without_a_face_takes_its_pairs_and_orphans_its_probes():
    made = world(5)
    for k in range(4):
        made.lose(f"3/gallery/{k}", f"reason {k}")
    with pytest.raises(listed.MissingTemplatesError) as error:
        outcome(made)
    for word in ("'one'", "'ijb'", f"{2 * PEOPLE} of {2 * PEOPLE**2} pairs", "1.0%", "3/gallery (3/gallery/"):
        assert word in str(error.value)
    result, found = outcome(made, missing=0.2)
    assert found["left_out"]["missing_names"] == ["3/gallery"]
    assert found["left_out"]["missing_templates"] == 1
    assert found["verification"]["ijb"]["missing_pairs"] == 2 * PEOPLE
    galleries = found["identification"]["ijb"]["galleries"]
    assert [one["missing_entries"] for one in galleries.values()] == [
        0,
        3,
    ]  # 3 is in the second, with its probes
    assert galleries["gallery_2"]["mated"] == 12
    assert galleries["gallery_2"]["non_mated"] == galleries["gallery_1"]["non_mated"] == 14
    assert not (result.tables["template_scores"]["a"] == "3/gallery").any()


def test_pairs_alone_and_benchmarks_without_tables():
    result, found = outcome(world(6, galleries=False))
    assert found["identification"] == {}
    assert "template_probes" not in result.tables
    built = templates.build(templates.Params(bootstrap=0))
    both = built.evaluate(bench(none=World(), one=world(6)))
    assert list(both.metrics["benchmarks"]) == ["one"]
    assert list(both.curves) == ["one"]
    empty = built.evaluate(bench(none=World()))
    assert empty.metrics["benchmarks"] == {}
    assert empty.metrics["note"] == "no benchmark has pairs of templates"
    assert not empty.tables
    assert not empty.curves
    assert set(templates.Params.model_fields) <= {*empty.metrics["settings"], "bootstrap"}


def test_galleries_are_known_by_name():
    found = listed.galleries(
        ["ijbc", "templates"],
        ["ijbc_gallery_G1_probe_mixed", "ijbc_gallery_G2_probe_mixed", "ijbc_gallery_G1_probe_img",
         "templates_gallery_1", "survface_gallery_1", "distractors"],
    )  # fmt: skip
    assert found == {
        "ijbc_probe_mixed": {
            "gallery_G1": "ijbc_gallery_G1_probe_mixed",
            "gallery_G2": "ijbc_gallery_G2_probe_mixed",
        },
        "ijbc_probe_img": {"gallery_G1": "ijbc_gallery_G1_probe_img"},
        "templates": {"gallery_1": "templates_gallery_1"},
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("template_pairs", ("ijb", "0/gallery", "0/probe_0", False)), "called both same and different"),
        (("template_pairs", ("ijb", "0/gallery", "9/nothing", False)), "9/nothing, of which"),
        (("searches", ("ijb_gallery_1", "mated", "0/probe_0")), "stands twice"),
        (("searches", ("ijb_gallery_1", "mated", "d3")), "d3 is mated, but nobody"),
        (("searches", ("ijb_gallery_1", "distractor", "1/gallery")), "1/gallery is a distractor, but"),
        (("searches", ("ijb_gallery_2", "unmated", "d1")), None),
        (("searches", ("ijb_gallery_1", "imposter", "d2")), "d2 is of no known role"),
    ],
)
def test_lists_that_contradict_themselves(change, message):
    made = world(7)
    name, row = change
    made.give(name, [*made.given[name], row])
    if message is None:
        assert outcome(made)[1]["identification"]["ijb"]["galleries"]["gallery_2"]["non_mated"] == 15
        return
    with pytest.raises(ValueError, match=f"'one'.*{message}"):
        outcome(made)


def test_folds_of_a_list_give_thresholds_and_accuracy(caplog):
    """As YouTube Faces: each fold's threshold is the best of the other folds."""
    made = World(8)
    clean = [
        ("ytf", p // 5, f"{p}/gallery", f"{q}/probe_0", p == q) for p in range(10) for q in (p, p // 5 * 5)
    ]
    pairs = [row for k, row in enumerate(clean) if row not in clean[:k]]
    made.give("template_pairs", pairs)
    result, found = outcome(made, fars=[0.5])
    numbers, unit = found["verification"]["ytf"], made.pooled()
    scores = [(fold, unit[a] @ unit[b], same) for _, fold, a, b, same in pairs]
    each = []
    for fold in (0, 1):
        others, own = ([row for row in scores if (row[0] == fold) == mine] for mine in (False, True))
        threshold = numbers["fold_threshold"][fold]

        def right(rows, at):
            return np.mean([(score >= at) == same for _, score, same in rows])

        best = max(right(others, at) for at in [np.inf, -np.inf, *(score for _, score, _ in others)])
        assert right(others, threshold) == pytest.approx(best)
        each.append(right(own, threshold))
    assert numbers["fold_accuracy"] == pytest.approx(each)
    assert numbers["accuracy"]["mean"] == pytest.approx(np.mean(each))
    assert numbers["people_in_several_folds"] == 0
    assert "folds_note" not in numbers
    table = result.tables["template_scores"]
    assert table.groupby("fold")["correct"].mean().tolist() == pytest.approx(each)
    assert not caplog.records
    made.give("template_pairs", [*pairs, ("ytf", 1, "0/gallery", "9/probe_1", False)])
    _, found = outcome(made, fars=[0.5])
    assert found["verification"]["ytf"]["people_in_several_folds"] == 1
    (record,) = caplog.records
    told = "benchmark 'one', list 'ytf': identity 'p0' is in folds 0, 1 (1 identities are in several)"
    assert record.getMessage().startswith(told)


def test_lists_without_folds_have_no_accuracy():
    numbers = outcome(world(1))[1]["verification"]["ijb"]
    assert not {"accuracy", "fold_accuracy", "people_in_several_folds"} & set(numbers)


def test_a_template_of_two_people_is_an_error():
    made = world(8)
    made.templates.iloc[0, 1] = "somebody"
    with pytest.raises(listed.SearchListError, match="of 2 people"):
        outcome(made)


@pytest.mark.parametrize(
    "wrong", [{"flip": "mean"}, {"fars": []}, {"fars": [0]}, {"ranks": [0]}, {"missing": 2}]
)
def test_wrong_params(wrong):
    with pytest.raises(ValueError):
        templates.Params(**wrong)
