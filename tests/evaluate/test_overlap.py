"""Overlap in Gaussian worlds: people are directions, images are noisy copies of them."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import impostors, overlap, removals, tail
from pipeline.evaluate.vectors import normalise


def make(dataset, people, images, seed, noise=0.8, unknown=False, names=None, directions=None):
    """Faces of `people` (directions by name of the person in the world)."""
    rng = np.random.default_rng(seed)
    keys = [(person, k) for person in people for k in range(images)]
    mean = np.stack([directions[person] for person, _ in keys])
    vectors = mean + noise * rng.normal(size=(len(keys), 2, mean.shape[1])).transpose(1, 0, 2)
    frame = pd.DataFrame(
        {
            "sample_id": [f"{dataset}/{people[person]}/{k}" for person, k in keys],
            "identity": [None if unknown else people[person] for person, _ in keys],
            "name": [None if names is None else names[person] for person, _ in keys],
        },
        dtype=object,
    )
    return overlap.Faces.of(dataset, frame, vectors.transpose(1, 0, 2).astype(np.float32))


def directions(count, size=48, seed=0):
    return dict(enumerate(np.random.default_rng(seed).normal(size=(count, size))))


def world(seed=0, size=48):
    """300 training people, 40 unlabelled, 100 of a benchmark; 20 and 10 of the benchmark's are planted."""
    where = directions(1000, size, seed)
    test = {p: f"test{p}" for p in range(100)}
    labelled = {p: f"train{p}" for p in [*range(20), *range(100, 400)]}
    wild = {p: f"wild{p}" for p in [*range(20, 30), *range(400, 440)]}
    return (
        [
            make("train", labelled, 8, 1, directions=where),
            make("wild", wild, 4, 2, unknown=True, directions=where),
        ],
        [make("test", test, 6, 3, directions=where)],
        {f"train{p}" for p in range(100, 160)},
    )


def find(training, protected, held_out, rate=1e-4, mutual_rate=0.0):
    kinds = overlap.kinds(training, protected)
    limits = impostors.thresholds(training, held_out, kinds, rate)
    matches = overlap.matches(training, protected, kinds)
    bounds = impostors.bounds(limits, mutual_rate)
    return removals.exclusions(training, protected, matches, bounds), limits, matches


def test_finds_the_planted_and_few_others():
    """Ten worlds: every planted person goes, and no more others than three times the stated rate."""
    rate, wrong, wild_found, allowed = 1e-4, 0, 0, 0.0
    for seed in range(10):
        training, protected, held_out = world(seed)
        rows, _, matches = find(training, protected, held_out, rate)
        allowed += rate * sum(match.compared for match in matches.values())
        people = {row["identity"] for row in rows if row["dataset"] == "train"}
        assert {f"train{p}" for p in range(20)} <= people
        wrong += len(people) - 20
        for row in rows:
            assert row["reason"] == "embedding"
            planted = row["matched"].removeprefix("test") == row["sample_id"].split("/")[1].lstrip("trainwld")
            if row["dataset"] == "wild":
                wild_found += planted
                wrong += not planted
    assert wild_found >= 0.9 * 10 * 40
    assert wrong <= 3 * allowed


def test_every_image_of_a_person_goes_with_the_numbers_that_say_why():
    training, protected, held_out = world()
    rows, limits, _ = find(training, protected, held_out)
    table = pd.DataFrame(rows, columns=overlap.COLUMNS)
    mine = table[table["identity"] == "train3"]
    assert len(mine) == 8
    assert mine["similarity"].nunique() == 1
    assert set(mine["matched"]) == {"test3"}
    assert set(mine["threshold"]) == {limits[True, True][0].value}
    assert (table["similarity"] >= table["threshold"]).all()
    wild = table[table["dataset"] == "wild"]
    assert wild["identity"].isna().all()
    assert set(wild["threshold"]) == {limits[False, True][0].value}
    assert removals.counted(rows, training)["train"]["removed_people"] == table["identity"].nunique()


def test_units_against_a_loop():
    training, _, _ = world()
    faces = training[0]
    for unit, label in enumerate(faces.units.label):
        rows = [i for i, person in enumerate(faces.identity) if person == label]
        mean = np.mean([faces.vector[i] for i in rows], 0, dtype=np.float64)
        np.testing.assert_allclose(faces.units.vector[unit], mean / np.linalg.norm(mean), atol=1e-6)
        assert set(np.flatnonzero(faces.units.of_row == unit)) == set(rows)
    match = overlap.nearest(training[1], [faces], (False, True))
    best = (training[1].units.vector @ faces.units.vector.T).max(1)
    np.testing.assert_allclose(match.similarity, best, atol=1e-6)
    assert match.compared == len(training[1].units.label) * len(faces.units.label)


def test_people_who_lost_an_image_are_not_people_who_went():
    training, _, _ = world()
    rows = [
        {
            "dataset": "train",
            "sample_id": f"train/train{who}/{k}",
            "identity": f"train{who}",
            "reason": reason,
        }
        for who, images, reason in ((3, 8, "embedding"), (5, 2, "duplicate"), (6, 1, "misplaced"))
        for k in range(images)
    ] + [{"dataset": "wild", "sample_id": "wild/wild20/0", "identity": None, "reason": "embedding"}]
    told = removals.counted(rows, training)
    train = told["train"]
    assert (train["removed_people"], train["removed_images"], train["removed_faces"]) == (1, 3, 11)
    assert removals.told(train) == "1 of 320 people, 11 of 2,560 faces, 3 of them of people who stay"
    assert [told["wild"][f"removed_{what}"] for what in ("people", "images", "faces")] == [0, 0, 1]


@pytest.mark.parametrize("summed", [1, 7, 50])
def test_units_are_the_same_however_many_are_added_up_at_a_time(summed, monkeypatch):
    """People of 1 to 9 images, to the bit: sums in float64 of the images in their order."""
    rng = np.random.default_rng(summed)
    who = rng.permutation(np.repeat([f"p{n}" for n in range(9)], range(1, 10)))
    vectors = rng.normal(size=(len(who), 2, 5)).astype(np.float32)
    frame = pd.DataFrame({"sample_id": [f"s{i}" for i in range(len(who))], "identity": who, "name": None})
    expected = overlap.Faces.of("d", frame, vectors)
    total = np.zeros((9, 5))
    np.add.at(total, expected.units.of_row, expected.vector)
    monkeypatch.setattr(overlap, "SUMMED", summed)
    found = overlap.Faces.of("d", frame, vectors).units
    np.testing.assert_array_equal(found.vector, expected.units.vector)
    np.testing.assert_array_equal(found.vector, normalise(total))


def pairs_by_loop(faces, held_out, kind):
    """Every comparison of different people, one at a time, each pair of two people's units once."""
    people = {label: faces.units.vector[i] for i, label in enumerate(faces.units.label)}
    images = {
        (person, i): faces.vector[i] / np.linalg.norm(faces.vector[i])
        for i, person in enumerate(faces.identity)
    }
    centroids = {(person, -1): vector for person, vector in people.items()}
    left, right = (centroids if side else images for side in kind)
    seen, scores = set(), []
    for (a, i), x in left.items():
        for (b, j), y in right.items():
            usable = b in held_out and (kind[0] or a in held_out) and a != b
            if usable and frozenset([(a, i), (b, j)]) not in seen:
                seen.add(frozenset([(a, i), (b, j)]))
                scores.append(float(x @ y))
    return np.sort(scores)


@pytest.mark.parametrize("kind", [(True, True), (True, False), (False, True), (False, False)])
def test_impostors_against_a_loop(kind, monkeypatch):
    where = directions(12)
    faces = make("train", {p: f"p{p:02d}" for p in range(12)}, 3, 0, directions=where)
    for held_out in ({"p01", "p05", "p11"}, None):
        expected = pairs_by_loop(faces, held_out or set(faces.identity), kind)
        found = impostors.compare([faces], held_out, kind)
        np.testing.assert_allclose(found.top, expected, atol=1e-6)
        monkeypatch.setattr(impostors, "CELLS", 50)
        np.testing.assert_allclose(impostors.compare([faces], held_out, kind).top, expected, atol=1e-6)


def test_large_sets_are_thinned_not_refused(monkeypatch):
    monkeypatch.setattr(impostors, "COMPARISONS", 400)
    faces = make("train", {p: f"p{p}" for p in range(60)}, 2, 0, directions=directions(60))
    for kind in ((True, True), (False, False), (True, False)):
        assert 100 < impostors.compare([faces], None, kind).count <= 400


def test_without_identities_only_the_bulk_is_used():
    where = directions(500)
    unknown = make("wild", {p: f"p{p}" for p in range(200)}, 2, 0, unknown=True, directions=where)
    protected = make("test", {p: f"t{p}" for p in range(190, 240)}, 4, 1, directions=where)
    rows, limits, _ = find([unknown], [protected], None)
    assert limits[False, True][0].method == "bulk"
    assert not limits[False, True][0].supported
    found = {row["sample_id"].split("/")[1] for row in rows}
    assert {f"p{p}" for p in range(190, 200)} <= found
    assert len(found) <= 14


def test_too_few_held_out_people_count_as_none(caplog):
    faces = make("train", {p: f"p{p}" for p in range(12)}, 3, 0, directions=directions(12))
    one = impostors.thresholds([faces], {"p1"}, [(True, True)], 1e-3)[True, True]
    everyone = impostors.thresholds([faces], None, [(True, True)], 1e-3)[True, True]
    assert one[0] == everyone[0]
    assert "everyone is an impostor" in caplog.text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("José Ramírez", "jose_ramirez"),
        ("George W. Bush", "GEORGE-W-BUSH"),
        ("Straße", "STRASSE"),
        ("Li Na", "li  na"),
        ("Ⅷ Henry", "viii henry"),
        ("Анна Ёлкина", "анна елкина"),
    ],
)
def test_names_that_are_one(one, other):
    assert overlap.normal_name(one) == overlap.normal_name(other) != ""


def test_names_that_are_none_or_two():
    assert {overlap.normal_name(name) for name in (None, "", "  -_.", "0000045", "12 34", float("nan"))} == {
        ""
    }
    assert overlap.normal_name("Anna B1") != overlap.normal_name("Anna B2")
    assert overlap.normal_name("किरण") != overlap.normal_name("करण")  # a vowel sign is no accent


@pytest.mark.parametrize("one", ["n000001", "id_7", "m1", "p1", "person_001", "Subject 0012", "Bo", "7 b"])
def test_ids_are_no_names(one):
    assert overlap.normal_name(one) == ""


@pytest.mark.parametrize("one", ["George_W_Bush", "Madonna", "Li Na", "Cher", "李娜", "Bo Xi", "Anna B1"])
def test_names_are_no_ids(one):
    assert overlap.normal_name(one) != ""


def test_chance_removals_against_a_simulation():
    """100 people and 50 faces against 20 people and 30 faces, each pair a match at its kind's rate."""
    counts = {True: (100, 20), False: (50, 30)}
    rates = {(True, True): 0.01, (True, False): 0.02, (False, True): 0.005, (False, False): 0.03}
    limits = {
        kind: (tail.Threshold(0.5, rate, 1000, "measured"), tail.Scores()) for kind, rate in rates.items()
    }
    matches = {}
    for kind in rates:
        left, right = counts[kind[0]][0], counts[kind[1]][1]
        rows = np.arange(left)
        matches["train", kind] = overlap.Match(
            kind, rows, [], [], np.zeros(left), left * right, np.zeros(left, bool)
        )
    found = removals.expected("train", matches, limits)
    rng, total = np.random.default_rng(0), 0
    for _ in range(400):
        for known in (True, False):
            hits = [rng.random((counts[known][0], counts[to][1])) < rates[known, to] for to in (True, False)]
            total += np.concatenate(hits, 1).any(1).sum()
    assert found["expected_false_removals"] == pytest.approx(total / 400, rel=0.03)
    assert found["supported"]
    limits[True, True] = tail.Threshold(0.5, 0.01, 10, "normal"), tail.Scores()
    assert not removals.expected("train", matches, limits)["supported"]
    assert removals.expected("other", matches, limits)["expected_false_removals"] == 0


@pytest.mark.parametrize(("rate", "said"), [(1e-4, False), (1e-3, True)])
def test_a_rate_that_loses_too_many_by_chance_is_told(rate, said, caplog):
    """Against 400 people: 4 % of strangers go at 1e-4, 33 % at 1e-3."""
    limits = {(True, True): (tail.Threshold(0.5, rate, 10**6, "measured"), tail.Scores())}
    rows = np.arange(1000)
    match = overlap.Match((True, True), rows, [], [], np.zeros(1000), 400 * 1000, np.zeros(1000, bool))
    found = removals.expected("casia", {("casia", (True, True)): match}, limits)
    assert found["expected_false_removals"] == pytest.approx(1000 * (1 - (1 - rate) ** 400))
    assert ("casia: chance alone removes some" in caplog.text) == said


def test_each_others_nearest_against_a_loop(monkeypatch):
    training, protected, _ = world()
    similar = training[0].units.vector @ protected[0].units.vector.T
    expected = [
        similar[i].argmax() == j and similar[:, j].argmax() == i for i, j in enumerate(similar.argmax(1))
    ]
    for cells in (overlap.CELLS, 1, 1000):
        monkeypatch.setattr(overlap, "CELLS", cells)
        match = overlap.nearest(training[0], protected, (True, True))
        assert match.mutual.tolist() == expected
        assert match.matched == [protected[0].units.label[j] for j in similar.argmax(1)]
    assert 20 <= sum(expected) < 100
    assert not overlap.nearest(training[1], protected, (False, True)).mutual.any(), "faces are no people"


def test_each_others_nearest_are_found_where_the_rate_alone_is_too_strict():
    """Noise so high that the strict rate misses planted people; plain matches at the other rate lose more."""
    where = directions(1000, 24)
    people = {p: f"train{p}" for p in [*range(20), *range(100, 300)]}
    train = make("train", people, 4, 1, noise=1.6, directions=where)
    test = make("test", {p: f"test{p}" for p in range(60)}, 4, 2, noise=1.6, directions=where)
    held_out = {f"train{p}" for p in range(100, 160)}
    removed = {}
    for rates in ((1e-4, 0.0), (1e-4, 3e-3), (3e-3, 0.0)):
        rows, _, _ = find([train], [test], held_out, *rates)
        removed[rates] = {row["identity"] for row in rows}
        for row in rows:
            assert row["similarity"] >= row["threshold"]
            assert row["reason"] in ("embedding", "mutual")
    planted = {f"train{p}" for p in range(20)}
    strict, both, loose = removed.values()
    assert strict < both < loose
    assert len(planted & strict) < len(planted & both)
    assert len(both - planted) < 0.6 * len(loose - planted)


def test_a_mutual_rate_that_is_not_above_the_other_has_no_effect():
    training, protected, held_out = world()
    expected = find(training, protected, held_out, 1e-3)[0]
    for rate in (1e-3, 1e-5):
        assert find(training, protected, held_out, 1e-3, rate)[0] == expected


def test_chance_removals_of_each_others_nearest_against_a_simulation():
    """60 people against 40, every comparison a draw from one law: a match at 0.1 %, or mutual at 1 %."""
    limits = {(True, True): (tail.Threshold(0.999, 0.001, 10_000, "measured"), tail.Scores())}
    none = np.zeros(60, bool)
    match = overlap.Match((True, True), np.arange(60), [], [], np.zeros(60), 2400, none)
    found = removals.expected("train", {("train", (True, True)): match}, limits, 0.01)
    rng, total = np.random.default_rng(0), 0
    for _ in range(2000):
        similar = rng.random((60, 40))
        best = similar.max(1)
        mutual = similar[:, similar.argmax(1)].max(0) == best
        total += ((best >= 0.999) | (mutual & (best >= 0.99))).sum()
    assert found["expected_false_removals"] == pytest.approx(total / 2000, rel=0.03)


def test_by_name_takes_the_whole_identity_and_outranks_embeddings():
    where = directions(40)
    names = {p: f"Person {chr(65 + p)}" for p in range(26)}
    train = make("train", {p: f"id{p}" for p in range(20)}, 3, 0, names=names, directions=where)
    train.name[4] = None  # one image of id1 has lost its name
    test = make("test", {p: f"t{p}" for p in (1, 25)}, 3, 1, names={1: "PERSON_B", 25: "z"}, directions=where)
    rows = overlap.by_name(train, [test])
    assert [row["sample_id"] for row in rows] == [f"train/id1/{k}" for k in range(3)]
    assert {row["matched"] for row in rows} == {"PERSON_B"}
    every, _, _ = find([train], [test], None, 1e-3)
    assert {row["reason"] for row in every if row["identity"] == "id1"} == {"name"}
    assert len(every) == len({(row["dataset"], row["sample_id"]) for row in every})


def test_nothing_to_compare():
    faces = make("train", {p: f"p{p}" for p in range(5)}, 2, 0, directions=directions(5))
    assert overlap.nearest(faces, [faces], (False, True)) is None
    assert overlap.kinds([faces], [faces]) == [(True, True)]
    rows, _, _ = find([faces], [make("t", {9: "t"}, 2, 0, directions=directions(10, seed=5))], None, 1e-6)
    assert rows == []
    assert removals.counted(rows, [faces])["train"]["removed_faces"] == 0


def test_a_broken_embedding_names_its_face():
    frame = pd.DataFrame(
        {"sample_id": ["a", "b"], "identity": ["x", None], "name": [None, None]}, dtype=object
    )
    broken = np.ones((2, 2, 4), np.float32)
    broken[1, 1] = np.nan
    with pytest.raises(ValueError, match="sample 'b' is not finite"):
        overlap.Faces.of("train", frame, broken)
