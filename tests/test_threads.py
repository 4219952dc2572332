"""Work ahead in threads: in order, bounded, and its errors arrive."""

import threading

import pytest

from pipeline import threads


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_order(workers):
    assert list(threads.ahead(lambda n: n * n, range(50), workers)) == [n * n for n in range(50)]
    assert list(threads.ahead(str, [], workers)) == []


def test_threads_are_ahead_by_so_much_and_no_more():
    begun = []
    made = threads.ahead(lambda n: begun.append(n) or n, range(100), 2)
    assert [next(made), next(made)] == [0, 1]
    assert 2 <= len(begun) <= 2 + 2 * threads.EACH
    made.close()


def test_two_items_are_made_at_a_time():
    both = threading.Barrier(2, timeout=30)
    assert len(list(threads.ahead(lambda _: both.wait(), range(8), 2))) == 8


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_arrives_where_its_item_would(workers):
    made = threads.ahead(lambda n: 1 // (3 - n), range(9), workers)
    assert [next(made) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)
