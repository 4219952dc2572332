"""Lists of pairs: folds of disjoint people, as many of one person as of two, no pair twice, true groups."""

import tracemalloc
from collections import Counter, defaultdict
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.synthetic import protocols, sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.kinds import KINDS, PAIRED, PROTOCOLS, TWINS, photographs
from pipeline.synthetic.people import BenchmarkPeople
from pipeline.synthetic.staging import staged
from pipeline.synthetic.world import Sizes, World

MODES = ("open", "close", "jaw_side", *sampler.MIMIC)
BOTH = ("random", "same_group")


def people(identities, images, world_seed=0, chosen=PROTOCOLS, world=None, **size):
    test = {"identities": identities, "images": images, **size}
    sizes = Sizes.model_validate(
        dict.fromkeys(("labelled", "unlabelled", "validation"), ONE) | {"test": test}
    )
    return BenchmarkPeople(world_seed, world or World(), sizes, frozenset(chosen))


ONE = {"identities": 1, "images": 1}


@pytest.fixture(scope="module")
def everyone():
    return people(60, 3)


@pytest.fixture(scope="module")
def rows(everyone):
    return protocols.pairs(everyone, BOTH)


def person(sample_id):
    return sample_id.split("/")[0]


def index(sample_id):
    return int(person(sample_id)[1:])


def kind(sample_id):
    return sample_id.split("/")[1].rsplit("_", 1)[0]


def faults(everyone, rows):
    """What is wrong with lists, against their definition; nothing should be."""
    fold_of, seen, counts = {}, set(), Counter()
    for row in rows:
        name, one, other = row["protocol"], row["a"], row["b"]
        plain = name.removesuffix("_same_group")
        counts[name, row["fold"], row["same"]] += 1
        if (name, frozenset((one, other))) in seen or one == other:
            yield f"twice: {row}"
        seen.add((name, frozenset((one, other))))
        for sample in (one, other):
            if fold_of.setdefault((name, person(sample)), row["fold"]) != row["fold"]:
                yield f"in two folds: {sample}"
            if index(sample) >= everyone.size.subjects:
                yield f"a distractor: {sample}"
            if sample.split("/")[1] not in {taken.name for taken in everyone.photographs(index(sample))}:
                yield f"not taken: {sample}"
        if (kind(one), kind(other)) != PAIRED.get(plain, (plain, plain)):
            yield f"of other kinds: {row}"
        if (person(one) == person(other)) != row["same"]:
            yield f"untrue: {row}"
        if name != plain and everyone.groups[index(one)] != everyone.groups[index(other)]:
            yield f"of two groups: {row}"
    folds = Counter(name for name, _, same in counts if same)
    if folds and min(folds.values()) < 2:
        yield "a list of one fold"
    for name, fold, _ in list(counts):
        if not 0 < counts[name, fold, True] == counts[name, fold, False] <= everyone.size.pairs:
            yield f"unbalanced: {name} {fold}"


def test_lists_are_as_defined(everyone, rows):
    assert list(faults(everyone, rows)) == []
    names = {row["protocol"] for row in rows}
    assert names == {f"{name}{suffix}" for name in (*PAIRED, *TWINS) for suffix in ("", "_same_group")}
    for name in names:
        assert {row["fold"] for row in rows if row["protocol"] == name} == set(range(10))


@settings(max_examples=40, deadline=None)
@given(
    identities=st.integers(1, 40),
    images=st.integers(1, 4),
    distractors=st.integers(0, 10),
    pairs=st.integers(1, 40),
    chosen=st.sets(st.sampled_from(PROTOCOLS), min_size=1),
    negatives=st.sets(st.sampled_from(BOTH), min_size=1),
)
def test_odd_sizes_give_lists_as_defined_or_none(identities, images, distractors, pairs, chosen, negatives):
    distractors = min(distractors, identities - 1)
    everyone = people(identities, images, chosen=chosen, distractors=distractors, pairs=pairs)
    assert list(faults(everyone, protocols.pairs(everyone, negatives))) == []


def test_a_fold_has_all_pairs_that_there_are_up_to_its_cap():
    """A slow count: of one person and of two, the fewer, for people of one group."""
    alike = World(race={"black": 0, "east_asian": 0, "indian": 0, "latino": 0, "white": 1}, male=1.0)
    for negatives in BOTH:
        everyone = people(33, 2, world=alike)
        found = protocols.pairs(everyone, [negatives])
        suffix = protocols.SUFFIX[negatives]
        folds = defaultdict(set)
        for row in found:
            if row["protocol"] == f"young_old{suffix}":
                folds[row["fold"]] |= {person(row["a"]), person(row["b"])}
        assert sum(map(len, folds.values())) == 33
        for fold, members in folds.items():
            genuine = sum(1 for _ in members for _ in range(2 * 2))
            impostor = sum(2 * 2 * 2 for _ in combinations(members, 2))
            some = [r for r in found if r["protocol"] == f"young_old{suffix}" and r["fold"] == fold]
            assert len(some) == 2 * min(genuine, impostor)


def test_same_group_negatives_are_of_people_who_are_alike(everyone, rows):
    """Against the people as the renderer draws them; random negatives seldom are."""
    from pipeline.synthetic import identity
    from pipeline.synthetic.world import person_seed

    names = sorted({name for race in identity.RACES for name in race.shape} | set(identity.MALE_SHAPE))
    seeds = [person_seed(0, everyone.sizes, "test", number) for number in range(60)]
    drawn = identity.draw(Draws(seeds), names, everyone.world)
    facts = list(zip(drawn.race.tolist(), drawn.male.tolist(), strict=True))
    alike = defaultdict(list)
    for row in rows:
        if not row["same"]:
            hard = row["protocol"].endswith("_same_group")
            alike[hard].append(facts[index(row["a"])] == facts[index(row["b"])])
    assert all(alike[True])
    assert sum(alike[False]) < 0.25 * len(alike[False])


def test_blurred_is_front_again(rows):
    def pairs(name):
        found = [row for row in rows if row["protocol"] == name]
        return [{**row, "protocol": ""} for row in found]

    for suffix in ("", "_same_group"):
        renamed = [
            row | {side: row[side].replace("/front_", "/blurred_") for side in ("a", "b")}
            for row in pairs(f"front{suffix}")
        ]
        assert renamed == pairs(f"blurred{suffix}") != []


def test_a_twin_alone_is_the_same_list(rows):
    alone = protocols.pairs(people(60, 3, chosen=["blurred"]), BOTH)
    assert alone == [row for row in rows if row["protocol"].startswith("blurred")]
    taken = photographs(people(60, 3).size, frozenset(["blurred"]), "mated")
    assert {one.kind for one in taken} == {"front", "blurred"}


def test_a_list_depends_on_no_other_list(rows):
    wild = protocols.pairs(people(60, 3, chosen=["wild"]), ["same_group"])
    assert wild == [row for row in rows if row["protocol"] == "wild_same_group"]


def test_same_seed_same_lists_other_seed_other_lists(everyone, rows):
    assert protocols.pairs(people(60, 3), BOTH) == rows
    assert protocols.pairs(people(60, 3, world_seed=1), BOTH) != rows


def test_the_default_size_is_capped_and_many_people_cost_little():
    counts = Counter(row["protocol"] for row in protocols.pairs(people(200, 4), ["random"]))
    assert counts["front_profile"] == 2 * 3000
    assert counts["front"] == 2 * 200 * 6
    many = people(30_000, 4, chosen=["wild"], pairs=200)
    rows = protocols.pairs(many, ["random"])
    assert len(rows) == 2 * 10 * 200
    assert protocols.pairs(people(1, 1), BOTH) == []


def test_memory_is_that_of_the_rows_and_not_of_all_couples():
    many = people(10_000, 4, chosen=["wild"], pairs=500)  # folds of 1,000 people: 499,500 couples each
    tracemalloc.start()
    rows = protocols.pairs(many, ["random"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(rows) == 2 * 10 * 500
    assert peak < 2000 * len(rows)


def test_couples_are_counted_as_the_lists_have_them():
    everyone = people(30, 2, chosen=["front"], pairs=1000)
    for negative in BOTH:
        found = defaultdict(set)
        for row in protocols.pairs(everyone, [negative]):
            if not row["same"]:
                found[row["fold"]].add(frozenset((person(row["a"]), person(row["b"]))))
        counts = protocols.couples(everyone, negative)
        assert all(len(found[fold]) <= counts[fold] for fold in range(10))
        assert {fold for fold in range(10) if counts[fold]} == {fold for fold in found if found[fold]}
    assert protocols.couples(everyone, "random") == [3] * 10


def test_staged_rows_obey_their_kind_whatever_their_neighbours():
    kinds = list(KINDS.values())

    def photos(rows):
        draws = Draws([100 + row for row in rows])
        world = World(blur_floor=0.7)
        drawn = sampler.draw(draws, world, MODES, torch.zeros(len(rows)), torch.zeros(len(rows)))
        return drawn, staged(drawn, [kinds[row % len(kinds)] for row in rows], draws, world.blur_floor)

    before, together = photos(range(90))
    for row in range(90):
        wanted = kinds[row % len(kinds)]
        for name in ("yaw", "pitch", "age", "resolution"):
            value, ends = getattr(together, name)[row], getattr(wanted, name)
            if ends is None:
                assert value == getattr(before, name)[row]
                continue
            value = abs(value) if name == "yaw" and wanted.both_sides else value
            assert ends[0] <= value <= ends[1]
        if wanted.clear:
            assert together.hat[row] == together.mask[row] == together.occluder[row] == 0
            assert together.blur[row] == pytest.approx(max(0.7, wanted.blur))
        else:
            assert together.occluder[row] == before.occluder[row]
            assert together.blur[row] == before.blur[row] >= 0.7
    _, alone = photos([10])
    for name in vars(alone):
        assert torch.equal(getattr(alone, name)[0], getattr(together, name)[10])
    profiles = together.yaw[1 :: len(kinds)]
    assert (profiles < 0).any()
    assert (profiles > 0).any()
