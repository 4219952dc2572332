"""Protocols of the test part that a size leaves without a pair, a probe or a stranger, by the knob to turn.

What a size alone tells, before anybody is drawn. Whether people of one race and gender meet in the folds
depends on who they are: `protocols.couples` counts them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pipeline.synthetic.kinds import PAIRED, PROTOCOLS, TWINS
from pipeline.synthetic.world import BenchmarkSize

FOLDS = 10  # of a list of pairs
TESTABLE = 2  # folds at least: one fold has nobody else's threshold
ALIKE = {name for name, (one, other) in PAIRED.items() if one == other}
PAIRS = (*PAIRED, *TWINS)
TWO_PHOTOGRAPHS = (*ALIKE, *(twin for twin, origin in TWINS.items() if origin in ALIKE),
                   "distractors", "surveillance", "splits")  # fmt: skip
TWO_SUBJECTS = ("templates", "surveillance", "splits")


@dataclass(frozen=True)
class Lack:
    """A knob of the test part's size that leaves protocols empty."""

    knob: str
    what: str
    right: str
    protocols: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.what}: {', '.join(self.protocols)} would be empty"


def lacks(size: BenchmarkSize, chosen: Collection[str]) -> Iterator[Lack]:
    """Every knob that leaves one of the `chosen` protocols empty."""

    def of(names: Collection[str]) -> tuple[str, ...]:
        return tuple(name for name in PROTOCOLS if name in chosen and name in names)

    if size.images < 2 and (empty := of(TWO_PHOTOGRAPHS)):
        yield Lack("images", f"{size.images} photograph of a person and kind", "2 or more", empty)
    least = FOLDS + TESTABLE
    if size.subjects < least and (empty := of(PAIRS)):
        what = f"{_people(size)}, of whom fewer than {TESTABLE} of {FOLDS} folds have two"
        yield Lack("identities", what, f"{least + size.distractors} or more", empty)
    if size.subjects < 2 and (empty := of(TWO_SUBJECTS)):
        yield Lack("identities", _people(size), f"{2 + size.distractors} or more", empty)
    elif size.enrolled == size.subjects and (empty := of(["surveillance"])):
        what = f"{size.mated:g} of {_people(size)} is everyone, and nobody a stranger"
        yield Lack("mated", what, "a smaller share, such as 0.5", empty)
    if not size.distractors and (empty := of(["distractors"])):
        yield Lack("distractors", "0", "how many of the identities they are", empty)


def _people(size: BenchmarkSize) -> str:
    besides = f" beside {size.distractors} distractors" if size.distractors else ""
    return f"{size.subjects} {'person' if size.subjects == 1 else 'people'}{besides}"
