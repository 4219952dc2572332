"""Work that threads do ahead of whoever uses it: for work that lets go of Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
EACH = 4  # items that a thread is ahead at most, done and waiting included: bounds memory


def ahead(make: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[Made]:
    """`make(item)` of each item, in their order; with one worker or none as each is asked for."""
    if workers <= 1:
        yield from map(make, items)
        return
    executor, waiting = ThreadPoolExecutor(workers), deque[Future[Made]]()
    try:
        for item in items:
            waiting.append(executor.submit(make, item))
            if len(waiting) >= EACH * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # what has not begun is not waited for: there was an error, or nobody asks any more
        executor.shutdown(cancel_futures=True)
