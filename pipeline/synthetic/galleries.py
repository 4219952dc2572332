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

from collections.abc import Collection, Iterable

import numpy as np
import pyarrow as pa

from pipeline import records
from pipeline.synthetic.kinds import Photograph, named, surveilled, templates
from pipeline.synthetic.people import BenchmarkPeople, Numbers
from pipeline.synthetic.protocols import SUFFIX
from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.world import identity_id

Entry = tuple[str, int, list[Photograph]]  # a template: its name, whose it is, what it is made of
Search = tuple[str, str, str]  # protocol, role, template
SPLITS = 10
TESTED = 0.75  # share of the subjects in a split, as 4,249 of LFW's 5,749 people are


def lists(people: BenchmarkPeople, negatives: Collection[str]) -> dict[str, pa.Table]:
    """`templates`, `template_pairs`, `searches` and `splits` of the protocols that have them."""
    entries: list[Entry] = []
    searches: list[Search] = []
    for protocol, make in {"distractors": _distractors, "surveillance": _surveillance}.items():
        if protocol in people.protocols:
            made = make(people)
            entries += [entry for _, entry in made]
            searches += [(protocol, role, entry[0]) for role, entry in made]
    pairs = records.LISTS["template_pairs"].empty_table()
    if "templates" in people.protocols:
        entries += _templates(people)
        searches += _searches(people)
        pairs = _pairs(people, negatives)
    found = {
        "templates": _template_table(entries),
        "template_pairs": pairs,
        "searches": _table("searches", searches),
        "splits": _table("splits", _splits(people) if "splits" in people.protocols else []),
    }
    return {name: table for name, table in found.items() if table.num_rows}


def _template_table(entries: Iterable[Entry]) -> pa.Table:
    rows = []
    for name, index, photographs in entries:
        who = identity_id("test", index)
        rows += [(name, who, f"{who}/{one.name}", f"{who}/{one.medium}") for one in photographs]
    return _table("templates", rows)


def _table(name: str, rows: Iterable[tuple[object, ...]]) -> pa.Table:
    schema = records.LISTS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema
    )


def _name(index: int, template: str) -> str:
    return f"{identity_id('test', index)}/{template}"


def _single(index: int, photograph: Photograph) -> Entry:
    return _name(index, photograph.name), index, [photograph]


def _distractors(people: BenchmarkPeople) -> list[tuple[str, Entry]]:
    """The first wild photograph of each subject, the others, and the one of each distractor."""
    wild = named("wild", people.size.images)
    found = [
        ("mated" if number else "gallery", _single(index, photograph))
        for index in range(people.size.subjects)
        for number, photograph in enumerate(wild)
    ]
    return found + [("distractor", _single(index, wild[0])) for index in people.with_role("distractor")]


def _surveillance(people: BenchmarkPeople) -> list[tuple[str, Entry]]:
    enrolled, searched = surveilled(people.size)
    found: list[tuple[str, Entry]] = []
    for index in people.with_role("mated"):
        found.append(("gallery", (_name(index, "surveillance_gallery"), index, enrolled)))
        found += [("mated", _single(index, photograph)) for photograph in searched]
    for index in people.with_role("unmated"):
        found += [("unmated", _single(index, photograph)) for photograph in searched]
    return found


def _splits(people: BenchmarkPeople) -> list[tuple[str, int, str, str, str]]:
    """Rows of `records.SPLITS`; none where nobody has a mate or a stranger."""
    wild = named("wild", people.size.images)
    tested = round(TESTED * people.size.subjects)
    found = []
    for split in range(SPLITS if tested > 1 and len(wild) > 1 else 0):
        chosen = people.shuffled(f"split {split}")[:tested].tolist()
        enrolled = set(chosen[: max(1, tested // 3)])
        for index in sorted(chosen):
            who = identity_id("test", index)
            for number, one in enumerate(wild):
                role = "probe" if number or index not in enrolled else "gallery"
                found.append(("splits", split, role, who, f"{who}/{one.name}"))
    return found


def _templates(people: BenchmarkPeople) -> list[Entry]:
    made = templates(people.size)
    return [
        (_name(index, name), index, photographs)
        for index in range(people.size.subjects)
        for name, photographs in made.items()
    ]


def _probes(people: BenchmarkPeople) -> list[str]:
    return [f"probe_{number}" for number in range(people.size.probes)]


def _searches(people: BenchmarkPeople) -> list[Search]:
    """Both galleries; a probe is mated in the one that its person is in."""
    order = people.shuffled("templates").tolist()
    found: list[Search] = []
    for number in (1, 2):
        protocol, enrolled = f"templates_gallery_{number}", set(order[number - 1 :: 2])
        found += [(protocol, "gallery", _name(index, "gallery")) for index in sorted(enrolled)]
        found += [
            (protocol, "mated" if index in enrolled else "unmated", _name(index, probe))
            for index in range(people.size.subjects)
            for probe in _probes(people)
        ]
    return found


def _pairs(people: BenchmarkPeople, negatives: Collection[str]) -> pa.Table:
    """Gallery templates against probe templates: every one of one person, some of two."""
    probes = _probes(people)
    rows: list[tuple[str, int, str, str, bool]] = []
    for negative in (name for name in SUFFIX if name in negatives):
        protocol = f"templates{SUFFIX[negative]}"
        rng = np.random.default_rng(seed_of(people.world_seed, protocol))
        same = [(index, index) for index in range(people.size.subjects)]
        for couples, most in ((same, None), (_couples(people, negative, rng), people.size.impostors)):
            made = [
                (protocol, 0, _name(a, "gallery"), _name(b, probe), a == b)
                for a, b in couples
                for probe in probes
            ]
            rows += made[:most]
    return _table("template_pairs", rows)


def _couples(people: BenchmarkPeople, negative: str, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Ordered pairs of two people, as many as their probes may be paired."""
    groups = people.groups if negative == "same_group" else np.zeros(people.size.subjects, np.int64)
    crowds = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    ends = np.cumsum([len(crowd) * (len(crowd) - 1) for crowd in crowds])
    count = min(-(-people.size.impostors // people.size.probes), int(ends[-1]))
    if not count:
        return []
    places = np.sort(rng.choice(int(ends[-1]), count, replace=False))
    return [_couple(crowds, ends, place) for place in places.tolist()]


def _couple(crowds: list[Numbers], ends: Numbers, place: int) -> tuple[int, int]:
    """The ordered pair of two different members of one crowd that stands at `place` among all."""
    which = int(np.searchsorted(ends, place, side="right"))
    crowd = crowds[which]
    place -= int(ends[which - 1]) if which else 0
    a, b = divmod(place, len(crowd) - 1)
    return int(crowd[a]), int(crowd[b + (b >= a)])
