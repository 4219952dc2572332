"""What a size is said to leave empty is what its lists leave empty, protocol by protocol."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.synthetic import galleries, protocols
from pipeline.synthetic.kinds import PROTOCOLS
from pipeline.synthetic.possible import lacks
from tests.synthetic.test_protocols import people

ROLES = {
    "distractors": ("gallery", "mated", "distractor"),
    "surveillance": ("gallery", "mated", "unmated"),
    "templates_gallery_1": ("gallery", "mated", "unmated"),
    "templates_gallery_2": ("gallery", "mated", "unmated"),
}


def whole(everyone):
    """Protocols whose lists have all that belongs to them."""
    found = {row["protocol"] for row in protocols.pairs(everyone, ["random"])}
    tables = {name: table.to_pandas() for name, table in galleries.lists(everyone, ["random"]).items()}
    searched = set()
    if "searches" in tables:
        searched = set(zip(tables["searches"]["protocol"], tables["searches"]["role"], strict=True))
    full = {name for name, roles in ROLES.items() if all((name, role) in searched for role in roles)}
    found |= full & {"distractors", "surveillance"}
    if {"templates_gallery_1", "templates_gallery_2"} <= full and len(
        set(tables["template_pairs"]["same"])
    ) == 2:
        found.add("templates")
    return found | ({"splits"} if "splits" in tables else set())


@settings(max_examples=60, deadline=None)
@given(
    identities=st.sampled_from([1, 2, 3, 5, 11, 12, 13, 20]),
    images=st.integers(1, 3),
    distractors=st.sampled_from([0, 1, 8]),
    mated=st.sampled_from([0.01, 0.5, 0.75, 0.9, 0.99]),
)
def test_what_is_said_to_be_empty_is(identities, images, distractors, mated):
    size = {"identities": identities + distractors, "distractors": distractors, "mated": mated, "probes": 1}
    everyone = people(images=images, **size)
    empty = {name for lack in lacks(everyone.size, PROTOCOLS) for name in lack.protocols}
    assert empty == set(PROTOCOLS) - whole(everyone)


@pytest.mark.parametrize(
    ("knob", "value", "protocol"),
    [
        ("images", 1, "wild"),
        ("identities", 4 + 11, "young_old"),
        ("mated", 0.999, "surveillance"),
        ("distractors", 0, "distractors"),
    ],
)
def test_the_knob_is_named_and_what_it_leaves_alone_is_not(knob, value, protocol):
    size = {"identities": 24, "images": 2, "distractors": 4}
    assert list(lacks(people(**size).size, PROTOCOLS)) == []
    (lack,) = lacks(people(**size | {knob: value}).size, [protocol, "templates"])
    assert (lack.knob, lack.protocols) == (knob, (protocol,))
    assert lack.right
