"""Lists of pairs that would be counted wrongly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.protocols import _lists as lists


@pytest.mark.parametrize(
    ("pairs", "same", "message"),
    [
        ([("a", "b"), ("a", "b")], [1, 0], "called both same and different, rows 0 and 1"),
        (
            [("c", "d"), ("a", "b"), ("d", "c"), ("c", "a"), ("b", "a")],
            [1, 0, 1, 0, 1],
            r"b - a is called both same and different, rows 1 and 4 \(1 rows",
        ),
        ([("a", "b"), ("c", "c")], [0, 1], "row 1 pairs c with itself"),
        ([("a", "b")], [0, 1], "2 kinds"),
    ],
)
def test_what_is_wrong_is_named(pairs, same, message):
    a, b = np.array(pairs).T
    with pytest.raises(lists.PairListError, match=message):
        lists.check_pairs(a, b, np.array(same, bool))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(6, 9), st.booleans()), min_size=1, max_size=20))
def test_repeats_are_counted_in_either_order(rows):
    turned = [(j, i) if turn else (i, j) for i, j, turn in rows]
    a, b = np.array(turned).T
    assert lists.check_pairs(a, b, np.zeros(len(rows), bool)) == len(rows) - len({row[:2] for row in rows})


def test_repeats_are_counted_and_a_clean_list_has_none():
    assert lists.check_pairs(np.array([1, 2, 3]), np.array([2, 3, 1]), np.array([True, False, False])) == 0
    assert lists.check_pairs(np.array([1, 2, 2]), np.array([2, 1, 1]), np.array([True, True, True])) == 2
