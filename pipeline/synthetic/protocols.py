"""Lists of pairs of the test part, in folds, with negatives of any two people or of two of one group.

A list `x` has random negatives; `x_same_group` has two people of the same race and gender. `blurred` is
`front` again: the same pairs of the same photographs, blurred.

Every identity is in one fold of a list only, so that a threshold chosen on nine folds has not seen the
tenth's people. A fold has as many pairs of one person as of two, and no pair twice. The folds of a
same-group list are dealt so that each has people of about three groups: else few would have a match.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from pipeline.synthetic.couples import Couples
from pipeline.synthetic.kinds import PAIRED, TWINS
from pipeline.synthetic.people import BenchmarkPeople, Numbers, sample_id
from pipeline.synthetic.possible import FOLDS, TESTABLE
from pipeline.synthetic.seeds import seed_of

GROUPS_A_FOLD = 3  # at about so many of them, people of a fold have a match, and folds are no single group
SUFFIX = {"random": "", "same_group": "_same_group"}
Row = dict[str, Any]


def pairs(people: BenchmarkPeople, negatives: Collection[str]) -> list[Row]:
    """Rows of `records.PAIRS`: of each protocol that pairs photographs, a list for each of `negatives`."""
    rows: list[Row] = []
    for negative in (name for name in SUFFIX if name in negatives):
        groups = people.groups if negative == "same_group" else None
        folds = _folds(people, groups)
        for protocol, kinds in PAIRED.items():
            twins = [
                twin for twin, origin in TWINS.items() if origin == protocol and twin in people.protocols
            ]
            if protocol not in people.protocols and not twins:
                continue
            rng = np.random.default_rng(seed_of(people.world_seed, "pairs", protocol, negative))
            made = [
                {"protocol": protocol + SUFFIX[negative], "fold": fold, **pair}
                for fold, members in enumerate(folds)
                for pair in _fold(members, kinds, people.size.images, people.size.pairs, groups, rng)
            ]
            if len({row["fold"] for row in made}) < TESTABLE:  # nobody else's threshold to test with
                continue
            rows += made if protocol in people.protocols else []
            rows += [_twin(row, protocol, twin) for twin in twins for row in made]
    return rows


def couples(people: BenchmarkPeople, negative: str) -> list[int]:
    """Of every fold of such lists: how many couples its negatives are drawn of."""
    groups = people.groups if negative == "same_group" else None
    return [len(_couples(members, groups)) for members in _folds(people, groups)]


def _twin(row: Row, protocol: str, twin: str) -> Row:
    """The same pair of the twins of its photographs."""
    renamed = {side: row[side].replace(f"/{protocol}_", f"/{twin}_") for side in ("a", "b")}
    return row | renamed | {"protocol": row["protocol"].replace(protocol, twin, 1)}


def _folds(people: BenchmarkPeople, groups: Numbers | None) -> list[Numbers]:
    """Subjects of each fold, no more than its pairs can be of."""
    order = people.shuffled("folds")
    folds = [order[fold::FOLDS] for fold in range(FOLDS)] if groups is None else _by_group(order, groups)
    return [members[: 2 * people.size.pairs] for members in folds]


def _by_group(order: Numbers, groups: Numbers) -> list[Numbers]:
    """People who belong together are dealt together, always to the smallest fold."""
    together = max(2, len(order) // FOLDS // GROUPS_A_FOLD)
    units: list[list[int]] = []
    for group in np.unique(groups):
        members = order[groups[order] == group].tolist()
        cut = [members[start : start + together] for start in range(0, len(members), together)]
        if len(cut) > 1 and len(cut[-1]) == 1:
            single = cut.pop()
            cut[-1] += single
        units += cut
    folds: list[list[int]] = [[] for _ in range(FOLDS)]
    for unit in sorted(units, key=len, reverse=True):
        min(folds, key=len).extend(unit)
    return [np.array(members, np.int64) for members in folds]


def _fold(
    members: Numbers,
    kinds: tuple[str, str],
    images: int,
    most: int,
    groups: Numbers | None,
    rng: np.random.Generator,
) -> list[Row]:
    """As many pairs of one person as of two, drawn without replacement; none where either is impossible."""
    alike = kinds[0] == kinds[1]
    twos = Couples(np.zeros(images, np.int64))  # photographs of one kind
    couples = _couples(members, groups)
    ways = 1 if alike else 2  # either of two people may be the one of the first kind
    genuine = len(members), len(twos) if alike else images * images
    impostor = len(couples), ways, images, images
    count = min(most, math.prod(genuine), math.prod(impostor))
    person, photographs = _drawn(rng, genuine, count)
    i, j = twos.at(photographs) if alike else np.divmod(photographs, images)
    rows = _rows(kinds, members[person], i, members[person], j)
    number, way, i, j = _drawn(rng, impostor, count)
    first, second = couples.at(number)
    one, other = np.where(way, second, first), np.where(way, first, second)
    return rows + _rows(kinds, members[one], i, members[other], j)


def _couples(members: Numbers, groups: Numbers | None) -> Couples:
    """Of two who may be each other's negatives."""
    return Couples(np.zeros(len(members), np.int64) if groups is None else groups[members])


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], count: int) -> tuple[Numbers, ...]:
    """Indices of `count` different places of an array of that shape."""
    if not count:
        return (np.zeros(0, np.int64),) * len(shape)
    flat = rng.choice(math.prod(shape), count, replace=False)
    return np.unravel_index(flat, shape)


def _rows(kinds: tuple[str, str], one: Numbers, i: Numbers, other: Numbers, j: Numbers) -> list[Row]:
    """Photograph `i` of people of the first kind, beside photograph `j` of people of the second kind."""
    numbers = zip(one.tolist(), i.tolist(), other.tolist(), j.tolist(), strict=True)
    return [
        {"a": sample_id(a, f"{kinds[0]}_{i}"), "b": sample_id(b, f"{kinds[1]}_{j}"), "same": a == b}
        for a, i, b, j in numbers
    ]
