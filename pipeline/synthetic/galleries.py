"""Lists of the test part beyond pairs: template sets, distractors, a low-resolution open set.

Tables of `records.LISTS`. A template is one photograph or several; photographs of one medium are frames
of one video. Searches:
    templates_gallery_1, _2   IJB-like: half of the people each, every probe searched in both
    distractors               MegaFace-like: a photograph of each person, its other ones as probes, and
                              people who are nobody's mate; the first N of them are the set of N
    surveillance              SurvFace-like: a gallery of some people, probes of all, few pixels
Splits, BLUFR-like: the wild photographs of TESTED of the subjects each, a third of these in a gallery of one
photograph a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice

import numpy as np
import pyarrow as pa

from pipeline import records
from pipeline.synthetic.kinds import Photograph, named, surveilled, templates
from pipeline.synthetic.people import BenchmarkPeople, Numbers
from pipeline.synthetic.protocols import SUFFIX
from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.world import identity_id

Entry = tuple[str, int, list[Photograph]]  # a template: its name, whose it is, what it is made of
Row = tuple[object, ...]  # of a table
SPLITS = 10
AT_ONCE = 8_192  # rows that are put into a table together: bounds memory, changes nothing
TESTED = 0.75  # share of the subjects in a split, as 4,249 of LFW's 5,749 people are


def lists(people: BenchmarkPeople, negatives: Collection[str]) -> dict[str, pa.Table]:
    """`templates`, `template_pairs`, `searches` and `splits` of the protocols that have them."""
    found = {
        "templates": _table("templates", _members(people)),
        "template_pairs": _table("template_pairs", _pairs(people, negatives)),
        "searches": _table("searches", _searches(people)),
        "splits": _table("splits", _splits(people)),
    }
    return {name: table for name, table in found.items() if table.num_rows}


def _table(name: str, rows: Iterator[Row]) -> pa.Table:
    """Put together in parts: a list of all rows would take ten times the memory of the table."""
    schema, parts = records.LISTS[name], []
    while part := list(islice(rows, AT_ONCE)):
        columns = zip(*part, strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        parts.append(pa.table(arrays, schema))
    return pa.concat_tables(parts).combine_chunks() if parts else schema.empty_table()


def _searched(people: BenchmarkPeople) -> Iterator[tuple[str, str, Entry]]:
    """Protocol, role and template of the searches that have templates of their own."""
    for protocol, make in {"distractors": _distractors, "surveillance": _surveillance}.items():
        if protocol in people.protocols:
            yield from ((protocol, role, entry) for role, entry in make(people))


def _members(people: BenchmarkPeople) -> Iterator[Row]:
    """What every template is made of."""
    for name, index, photographs in chain((entry for *_, entry in _searched(people)), _templates(people)):
        who = identity_id("test", index)
        yield from ((name, who, f"{who}/{one.name}", f"{who}/{one.medium}") for one in photographs)


def _name(index: int, template: str) -> str:
    return f"{identity_id('test', index)}/{template}"


def _single(index: int, photograph: Photograph) -> Entry:
    return _name(index, photograph.name), index, [photograph]


def _distractors(people: BenchmarkPeople) -> Iterator[tuple[str, Entry]]:
    """The first wild photograph of each subject, the others, and the one of each distractor."""
    wild = named("wild", people.size.images)
    for index in range(people.size.subjects):
        for number, photograph in enumerate(wild):
            yield "mated" if number else "gallery", _single(index, photograph)
    yield from (("distractor", _single(index, wild[0])) for index in people.with_role("distractor"))


def _surveillance(people: BenchmarkPeople) -> Iterator[tuple[str, Entry]]:
    enrolled, searched = surveilled(people.size)
    for index in people.with_role("mated"):
        yield "gallery", (_name(index, "surveillance_gallery"), index, enrolled)
        yield from (("mated", _single(index, photograph)) for photograph in searched)
    for index in people.with_role("unmated"):
        yield from (("unmated", _single(index, photograph)) for photograph in searched)


def _splits(people: BenchmarkPeople) -> Iterator[Row]:
    """Rows of `records.SPLITS`; none where nobody has a mate or a stranger."""
    wild = named("wild", people.size.images)
    tested = round(TESTED * people.size.subjects)
    possible = "splits" in people.protocols and tested > 1 and len(wild) > 1
    for split in range(SPLITS if possible else 0):
        chosen = people.shuffled(f"split {split}")[:tested].tolist()
        enrolled = set(chosen[: max(1, tested // 3)])
        for index in sorted(chosen):
            who = identity_id("test", index)
            for number, one in enumerate(wild):
                role = "probe" if number or index not in enrolled else "gallery"
                yield "splits", split, role, who, f"{who}/{one.name}"


def _templates(people: BenchmarkPeople) -> Iterator[Entry]:
    made = templates(people.size)
    for index in range(people.size.subjects if "templates" in people.protocols else 0):
        yield from ((_name(index, name), index, photographs) for name, photographs in made.items())


def _probes(people: BenchmarkPeople) -> list[str]:
    return [f"probe_{number}" for number in range(people.size.probes)]


def _searches(people: BenchmarkPeople) -> Iterator[Row]:
    """Protocol, role, template. Both galleries of templates; a probe is mated in the one of its person."""
    yield from ((protocol, role, entry[0]) for protocol, role, entry in _searched(people))
    order = people.shuffled("templates").tolist()
    for number in (1, 2) if "templates" in people.protocols else ():
        protocol, enrolled = f"templates_gallery_{number}", set(order[number - 1 :: 2])
        yield from ((protocol, "gallery", _name(index, "gallery")) for index in sorted(enrolled))
        for index in range(people.size.subjects):
            role = "mated" if index in enrolled else "unmated"
            yield from ((protocol, role, _name(index, probe)) for probe in _probes(people))


def _pairs(people: BenchmarkPeople, negatives: Collection[str]) -> Iterator[Row]:
    """Gallery templates against probe templates: every one of one person, some of two."""
    probes = _probes(people)
    chosen = negatives if "templates" in people.protocols else ()
    for negative in (name for name in SUFFIX if name in chosen):
        protocol = f"templates{SUFFIX[negative]}"
        rng = np.random.default_rng(seed_of(people.world_seed, protocol))
        same = ((index, index) for index in range(people.size.subjects))
        two = _couples(people, negative, rng)
        for couples, most in ((same, None), (two, people.size.impostors)):
            rows = (
                (protocol, 0, _name(a, "gallery"), _name(b, probe), a == b)
                for a, b in couples
                for probe in probes
            )
            yield from islice(rows, most)


def _couples(people: BenchmarkPeople, negative: str, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Ordered pairs of two people, as many as their probes may be paired."""
    groups = people.groups if negative == "same_group" else np.zeros(people.size.subjects, np.int64)
    crowds = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    ends = np.cumsum([len(crowd) * (len(crowd) - 1) for crowd in crowds])
    count = min(-(-people.size.impostors // people.size.probes), int(ends[-1]))
    places = np.sort(rng.choice(int(ends[-1]), count, replace=False)) if count else ends[:0]
    return (_couple(crowds, ends, int(place)) for place in places)


def _couple(crowds: list[Numbers], ends: Numbers, place: int) -> tuple[int, int]:
    """The ordered pair of two different members of one crowd that stands at `place` among all."""
    which = int(np.searchsorted(ends, place, side="right"))
    crowd = crowds[which]
    place -= int(ends[which - 1]) if which else 0
    a, b = divmod(place, len(crowd) - 1)
    return int(crowd[a]), int(crowd[b + (b >= a)])
