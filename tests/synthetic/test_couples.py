"""Couples by number, against a list of all of them."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.synthetic.couples import Couples


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_the_numbers_are_those_of_the_list_of_all(kinds):
    every = [(a, b) for a, b in combinations(range(len(kinds)), 2) if kinds[a] == kinds[b]]
    couples = Couples(np.array(kinds, np.int64))
    assert len(couples) == len(every)
    first, second = couples.at(np.arange(len(every)))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == every


def test_more_members_than_a_list_of_couples_could_hold():
    couples = Couples(np.zeros(200_000, np.int64))
    assert len(couples) == 200_000 * 199_999 // 2
    first, second = couples.at(np.array([0, 199_998, len(couples) - 1]))
    assert (first.tolist(), second.tolist()) == ([0, 0, 199_998], [1, 199_999, 199_999])
