"""Lists of pairs of the test part, in folds, with negatives of any two people or of two of one group.

A list `x` has random negatives; `x_same_group` has two people of the same race and gender. `blurred` is
`front` again: the same pairs of the same photographs, blurred.

Every identity is in one fold of a list only, so that a threshold chosen on nine folds has not seen the
tenth's people. A fold has as many pairs of one person as of two, and no pair twice. The folds of a
same-group list are dealt so that each has people of about three groups: else few would have a match.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from pipeline.synthetic.kinds import PAIRED, TWINS
from pipeline.synthetic.people import BenchmarkPeople, Numbers, sample_id
from pipeline.synthetic.seeds import seed_of

FOLDS = 10
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
            if len({row["fold"] for row in made}) < 2:  # nobody else's threshold to test with
                continue
            rows += made if protocol in people.protocols else []
            rows += [_twin(row, protocol, twin) for twin in twins for row in made]
    return rows


def _twin(row: Row, protocol: str, twin: str) -> Row:
    """The same pair of the twins of its photographs."""
    renamed = {side: row[side].replace(f"/{protocol}_", f"/{twin}_") for side in ("a", "b")}
    return row | renamed | {"protocol": row["protocol"].replace(protocol, twin, 1)}


def _folds(people: BenchmarkPeople, groups: Numbers | None) -> list[list[int]]:
    """Subjects of each fold, no more than its pairs can be of."""
    order = people.shuffled("folds")
    if groups is None:
        folds = [order[fold::FOLDS].tolist() for fold in range(FOLDS)]
    else:
        folds = _by_group(order, groups)
    return [members[: 2 * people.size.pairs] for members in folds]


def _by_group(order: Numbers, groups: Numbers) -> list[list[int]]:
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
    return folds


def _fold(
    members: Sequence[int],
    kinds: tuple[str, str],
    images: int,
    most: int,
    groups: Numbers | None,
    rng: np.random.Generator,
) -> list[Row]:
    """As many pairs of one person as of two, drawn without replacement; none where either is impossible."""
    alike = kinds[0] == kinds[1]
    own = [(i, j) for i in range(images) for j in range(images) if i < j or not alike]
    couples = [(a, b) for a, b in combinations(members, 2) if groups is None or groups[a] == groups[b]]
    ways = 1 if alike else 2  # either of two people may be the one of the first kind
    genuine, impostor = (len(members), len(own)), (len(couples), ways, images, images)
    count = min(most, int(np.prod(genuine)), int(np.prod(impostor)))
    rows: list[Row] = []
    for person, photographs in _drawn(rng, genuine, count):
        i, j = own[photographs]
        rows.append(_pair((members[person], kinds[0], i), (members[person], kinds[1], j)))
    for couple, way, i, j in _drawn(rng, impostor, count):
        first, second = couples[couple][::-1] if way else couples[couple]
        rows.append(_pair((first, kinds[0], i), (second, kinds[1], j)))
    return rows


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], count: int) -> list[list[int]]:
    """`count` different places of an array of that shape."""
    if not count:
        return []
    flat = rng.choice(int(np.prod(shape)), count, replace=False)
    return np.stack(np.unravel_index(flat, shape), 1).tolist()


def _pair(first: tuple[int, str, int], second: tuple[int, str, int]) -> Row:
    a, b = (sample_id(person, f"{kind}_{number}") for person, kind, number in (first, second))
    return {"a": a, "b": b, "same": first[0] == second[0]}
