"""Who the test part's people are: roles, groups and the sample ids of their photographs.

Groups (race and gender) are drawn as the renderer draws them, without the renderer: a million people take
seconds. Roles are dealt at random among the subjects; the last identities are the distractors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.synthetic.kinds import Photograph, Role, photographs
from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.world import BenchmarkSize, Sizes, World, identity_id, person_seed

AT_ONCE = 4096  # people whose groups are drawn together: bounds memory, changes nothing

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class BenchmarkPeople:
    """The people of the test part by their index."""

    world_seed: int
    world: World
    sizes: Sizes
    protocols: frozenset[str]

    @property
    def size(self) -> BenchmarkSize:
        return self.sizes.test

    @cached_property
    def _enrolled(self) -> npt.NDArray[np.bool_]:
        """Of each subject: whether it is in the gallery of the open set."""
        rank = self.shuffled("gallery")
        return rank.argsort() < self.size.enrolled

    def shuffled(self, purpose: str) -> Numbers:
        """The subjects in an order of their own for each purpose."""
        rng = np.random.default_rng(seed_of(self.world_seed, purpose))
        return rng.permutation(self.size.subjects)

    def role(self, index: int) -> Role:
        if index >= self.size.subjects:
            return "distractor"
        return "mated" if self._enrolled[index] else "unmated"

    def with_role(self, role: Role) -> Sequence[int]:
        if role == "distractor":
            return range(self.size.subjects, self.size.identities)
        found: list[int] = np.flatnonzero(self._enrolled == (role == "mated")).tolist()
        return found

    def photographs(self, index: int) -> tuple[Photograph, ...]:
        return photographs(self.size, self.protocols, self.role(index))

    @cached_property
    def groups(self) -> Numbers:
        """Of each subject: 2 race + gender."""
        from pipeline.synthetic import identity  # draws with torch
        from pipeline.synthetic.draws import Draws

        found = []
        for start in range(0, self.size.subjects, AT_ONCE):
            people = range(start, min(start + AT_ONCE, self.size.subjects))
            seeds = [person_seed(self.world_seed, self.sizes, "test", index) for index in people]
            race, male = identity.group(Draws(seeds), self.world)
            found.append((2 * race + male.long()).numpy())
        return np.concatenate(found)


def sample_id(index: int, photograph: str) -> str:
    return f"{identity_id('test', index)}/{photograph}"
