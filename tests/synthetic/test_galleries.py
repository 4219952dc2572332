"""Template sets, distractors, the open set and splits: true, disjoint, counted, of photographs taken."""

import tracemalloc
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import records
from pipeline.synthetic import galleries
from pipeline.synthetic.kinds import PROTOCOLS
from tests.synthetic.test_protocols import BOTH, index, people

SETS = ("templates", "distractors", "surveillance")


def tables(everyone, negatives=BOTH):
    found = galleries.lists(everyone, negatives)
    return {
        name: (found[name] if name in found else schema.empty_table()).to_pandas()
        for name, schema in records.LISTS.items()
    }


@pytest.fixture(scope="module")
def everyone():
    return people(50, 4, distractors=14, probes=2, stills=3, frames=2, mated=0.25)


@pytest.fixture(scope="module")
def found(everyone):
    return tables(everyone)


def members(found, protocol, role):
    searches = found["searches"]
    return searches[(searches["protocol"] == protocol) & (searches["role"] == role)]["template"].tolist()


def faults(everyone, found):
    """What is wrong with tables, against their definition; nothing should be."""
    templates, pairs, searches = found["templates"], found["template_pairs"], found["searches"]
    owners = templates.groupby("template")["identity"]
    if (owners.nunique() > 1).any():
        yield "a template of two people"
    who = owners.first()
    if set(pairs["a"]) | set(pairs["b"]) | set(searches["template"]) != set(who.index):
        yield "templates without a list, or lists of no template"
    for row in templates.to_dict("records"):
        taken = {one.name: one.medium for one in everyone.photographs(index(row["sample_id"]))}
        identity, name = row["sample_id"].split("/")
        if taken.get(name) != row["media"].split("/")[1] or identity != row["identity"]:
            yield f"not taken: {row}"
    if ((pairs["a"].map(who) == pairs["b"].map(who)) != pairs["same"]).any():
        yield "an untrue pair"
    if pairs.duplicated().any() or searches.duplicated().any() or templates.duplicated().any():
        yield "a row twice"
    for protocol, part in searches.assign(who=searches["template"].map(who)).groupby("protocol"):
        people_of = {role: set(group["who"]) for role, group in part.groupby("role")}
        gallery = people_of.get("gallery", set())
        if part["template"].duplicated().any():
            yield f"{protocol}: a template in two roles"
        if not people_of.get("mated", set()) <= gallery or people_of.get("unmated", set()) & gallery:
            yield f"{protocol}: mates are not as said"
        if people_of.get("distractor", set()) & (gallery | people_of.get("mated", set())):
            yield f"{protocol}: somebody is a distractor and not"
    yield from split_faults(everyone, found["splits"])
    media = templates[templates["template"].str.contains("/(?:gallery|probe)", regex=True)]
    if (media.groupby("media")["template"].nunique() > 1).any():
        yield "templates share a medium"


def split_faults(everyone, splits):
    """What is wrong with the splits."""
    if splits.duplicated(["split", "sample_id"]).any():
        yield "a face twice in a split"
    for row in splits.to_dict("records"):
        name = row["sample_id"].split("/")[1]
        if name not in {one.name for one in everyone.photographs(index(row["sample_id"]))}:
            yield f"not taken: {row}"
        if row["sample_id"].split("/")[0] != row["identity"]:
            yield f"of another: {row}"
    for number, part in splits.groupby("split"):
        gallery, probes = (part[part["role"] == role] for role in ("gallery", "probe"))
        if gallery["identity"].duplicated().any() or len(gallery) + len(probes) != len(part):
            yield f"split {number}: a person twice in the gallery, or another role"
        mated = probes["identity"].isin(gallery["identity"])
        if not mated.any() or mated.all():
            yield f"split {number}: no open set"


def test_splits_are_of_some_people_each(found):
    splits = found["splits"]
    counts = splits.groupby(["split", "role"])["identity"].agg(["size", "nunique"])
    assert counts.to_numpy().tolist() == [[9, 9], [27 * 4 - 9, 27]] * 10
    people_of = splits.groupby("split")["identity"].agg(frozenset)
    assert len(set(people_of)) == 10


def test_tables_are_as_defined(everyone, found):
    assert list(faults(everyone, found)) == []


@settings(max_examples=40, deadline=None)
@given(
    identities=st.integers(1, 30),
    images=st.integers(1, 4),
    distractors=st.integers(0, 8),
    counts=st.tuples(*[st.integers(1, 3)] * 3),
    mated=st.floats(0.01, 0.99),
    impostors=st.integers(1, 300),
    chosen=st.sets(st.sampled_from(PROTOCOLS), min_size=1),
)
def test_odd_sizes_give_tables_as_defined(identities, images, distractors, counts, mated, impostors, chosen):
    size = dict(zip(("probes", "stills", "frames"), counts, strict=True))
    size |= {"distractors": min(distractors, identities - 1), "mated": mated, "impostors": impostors}
    everyone = people(identities, images, chosen=chosen, **size)
    found = tables(everyone)
    assert list(faults(everyone, found)) == []
    impostor = found["template_pairs"][~found["template_pairs"]["same"]]
    assert (impostor.groupby("protocol").size() <= impostors).all()


def test_templates_have_stills_and_a_video(found):
    templates = found["templates"]
    counts = templates.groupby("template").agg(images=("sample_id", "size"), media=("media", "nunique"))
    gallery = counts[counts.index.str.endswith("/gallery")]
    probes = counts[counts.index.str.contains("/probe_")]
    assert len(gallery) == 36
    assert len(probes) == 72
    assert (gallery == [3, 3]).all(axis=None)
    assert (probes == [3, 2]).all(axis=None), "a still and two frames of one video"


def test_two_galleries_halve_the_people_and_every_probe_is_searched_in_both(found):
    first, second = (set(members(found, f"templates_gallery_{n}", "gallery")) for n in (1, 2))
    assert len(first) == len(second) == 18
    assert not first & second
    for number in (1, 2):
        name = f"templates_gallery_{number}"
        assert len(members(found, name, "mated")) == len(members(found, name, "unmated")) == 36
    mated = [set(members(found, f"templates_gallery_{n}", "mated")) for n in (1, 2)]
    assert not mated[0] & mated[1]


def test_pairs_of_templates(everyone, found):
    pairs = found["template_pairs"]
    counts = Counter(zip(pairs["protocol"], pairs["same"], strict=True))
    assert counts["templates", True] == counts["templates_same_group", True] == 72
    assert counts["templates", False] == 36 * 35 * 2
    hard = pairs[pairs["protocol"] == "templates_same_group"]
    groups = [[everyone.groups[index(name)] for name in hard[side]] for side in ("a", "b")]
    assert groups[0] == groups[1]
    sizes = Counter(everyone.groups.tolist()).values()
    assert counts["templates_same_group", False] == sum(n * (n - 1) * 2 for n in sizes)
    fewer = tables(people(50, 4, distractors=14, impostors=101))["template_pairs"]
    assert (~fewer["same"])[fewer["protocol"] == "templates"].sum() == 101


def test_distractors_are_nobody_s_mates(found):
    assert members(found, "distractors", "distractor") == [f"t{n:06d}/wild_0" for n in range(36, 50)]
    assert members(found, "distractors", "gallery") == [f"t{n:06d}/wild_0" for n in range(36)]
    assert len(members(found, "distractors", "mated")) == 36 * 3


def test_the_open_set_has_mated_and_unmated_probes(found):
    gallery = members(found, "surveillance", "gallery")
    assert len(gallery) == 9 == round(0.25 * 36)
    assert len(members(found, "surveillance", "mated")) == 9 * 2
    assert len(members(found, "surveillance", "unmated")) == 27 * 2
    templates = found["templates"]
    enrolled = templates[templates["template"].isin(gallery)]
    assert len(enrolled) == 9 * 2
    probes = templates[templates["template"].str.contains(r"/surveillance_\d", regex=True)]
    assert not set(enrolled["sample_id"]) & set(probes["sample_id"])


def test_same_seed_same_tables_and_none_where_none_is_chosen(everyone, found):
    for name, table in tables(people(50, 4, distractors=14, stills=3, frames=2, mated=0.25)).items():
        pd.testing.assert_frame_equal(table, found[name])
    assert galleries.lists(people(50, 4, chosen=["front", "wild"]), BOTH) == {}


def test_tables_are_made_in_parts_that_leave_no_trace(everyone, found, monkeypatch):
    monkeypatch.setattr(galleries, "AT_ONCE", 7)
    for name, table in galleries.lists(everyone, BOTH).items():
        assert table.column(0).num_chunks == 1
        pd.testing.assert_frame_equal(table.to_pandas(), found[name])


def test_memory_is_not_that_of_a_list_of_all_rows():
    everyone = people(50_000, 1, distractors=49_990, chosen=["distractors"])
    tracemalloc.start()
    made = galleries.lists(everyone, BOTH)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made["searches"].num_rows == 50_000
    assert peak < 10e6, "of Python's objects; a list of the rows has 40 MB"


def test_many_distractors_cost_nothing_but_their_rows():
    everyone = people(20_000, 1, distractors=19_990, chosen=["distractors"])
    assert galleries.lists(everyone, BOTH)["searches"].num_rows == 20_000
