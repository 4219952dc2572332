"""The test part: kinds of photographs of every person, and five lists of pairs in folds.

    front: front-front        front_profile: front-profile      young_old: young-old
    blurred: front-blur       wild: wild-wild

Every identity is in one fold only, so that a threshold chosen on nine folds has not seen the tenth's
people. A fold has as many pairs of one person as of two, and no pair twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.world import identity_id

FOLDS = 10
PAIRS_A_FOLD = 300  # of one person, and as many of two


@dataclass(frozen=True)
class Kind:
    """Ranges (degrees, years, share of pixels) that replace what the world would draw."""

    yaw: tuple[float, float]
    pitch: tuple[float, float] = (-15.0, 15.0)
    age: tuple[float, float] = (20.0, 40.0)
    resolution: tuple[float, float] = (1.0, 1.0)
    both_sides: bool = False  # yaw of either sign


KINDS: dict[str, Kind | None] = {
    "front": Kind((-15.0, 15.0), (-10.0, 10.0)),
    "profile": Kind((65.0, 90.0), (-10.0, 10.0), both_sides=True),
    "young": Kind((-25.0, 25.0), age=(8.0, 18.0)),
    "old": Kind((-25.0, 25.0), age=(58.0, 80.0)),
    "blur": Kind((-30.0, 30.0), resolution=(0.23, 0.44)),
    "wild": None,  # as the world is
}
PROTOCOLS = {
    "front": ("front", "front"),
    "front_profile": ("front", "profile"),
    "young_old": ("young", "old"),
    "blurred": ("front", "blur"),
    "wild": ("wild", "wild"),
}


def image_names(images: int) -> list[str]:
    """The names of a test person's photographs: kind and number."""
    return [f"{kind}_{number}" for kind in KINDS for number in range(images)]


def pairs(world_seed: int, identities: int, images: int) -> list[dict[str, Any]]:
    """Rows of `records.PAIRS`; sample ids are those of the test part."""
    rng = np.random.default_rng(seed_of(world_seed, "pairs"))
    order = rng.permutation(identities)
    folds = [order[fold::FOLDS].tolist() for fold in range(FOLDS)]
    rows: list[dict[str, Any]] = []
    for protocol, kinds in PROTOCOLS.items():
        for fold, people in enumerate(folds):
            for same, chosen in _balanced(
                _same(people, kinds, images), _different(people, kinds, images), rng
            ):
                rows += [
                    {"protocol": protocol, "fold": fold, "a": a, "b": b, "same": same} for a, b in chosen
                ]
    return rows


Pair = tuple[str, str]


def _balanced(
    positive: Sequence[Pair], negative: Sequence[Pair], rng: np.random.Generator
) -> list[tuple[bool, list[Pair]]]:
    """Equally many of both, drawn without replacement; nothing where one of them is empty."""
    count = min(PAIRS_A_FOLD, len(positive), len(negative))
    return [
        (same, [candidates[index] for index in rng.permutation(len(candidates))[:count]])
        for same, candidates in ((True, positive), (False, negative))
    ]


def _photographs(person: int, kind: str, images: int) -> list[str]:
    return [f"{identity_id('test', person)}/{kind}_{number}" for number in range(images)]


def _same(people: Sequence[int], kinds: tuple[str, str], images: int) -> list[Pair]:
    found: list[Pair] = []
    for person in people:
        first, second = (_photographs(person, kind, images) for kind in kinds)
        found += combinations(first, 2) if kinds[0] == kinds[1] else product(first, second)
    return found


def _different(people: Sequence[int], kinds: tuple[str, str], images: int) -> list[Pair]:
    """Both orders of two people where the kinds differ, one where they don't."""
    found: list[Pair] = []
    for a, b in combinations(people, 2):
        found += product(_photographs(a, kinds[0], images), _photographs(b, kinds[1], images))
        if kinds[0] != kinds[1]:
            found += product(_photographs(b, kinds[0], images), _photographs(a, kinds[1], images))
    return found
