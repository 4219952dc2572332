"""Prepares the next batches while a step computes; the order and the content don't depend on how.

Threads where the work is decoding (OpenCV lets go of Python's lock), processes where it is Python
(augmentation), nothing at all for `workers` 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline import guard

Raw = dict[str, Tensor]
Build = Callable[[int], Raw]
Coming = Iterator[tuple[int, Raw]]

_EACH = 2  # batches that a worker prepares ahead


def ahead(build: Build, start: int, stop: int, *, workers: int, processes: bool) -> Coming:
    """(step, build(step)) for start <= step < stop, in order."""
    if workers < 1 or start >= stop:
        return ((step, build(step)) for step in range(start, stop))
    prepare = _by_processes if processes else _by_threads
    return prepare(build, start, stop, workers)


def _by_threads(build: Build, start: int, stop: int, workers: int) -> Coming:
    waiting: deque[Future[Raw]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
    try:
        asked = start
        for step in range(start, stop):
            while asked < stop and len(waiting) < workers * _EACH:
                waiting.append(pool.submit(build, asked))
                asked += 1
            yield step, waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Steps(Dataset[Raw]):
    def __init__(self, build: Build) -> None:
        self.build = build

    def __getitem__(self, step: int) -> Raw:
        return self.build(step)


def _quiet(_: int) -> None:
    """A worker is one thread, more would fight over the cores; and it doesn't outlive the training."""
    import cv2

    cv2.setNumThreads(0)
    guard.die_with_parent()


def _by_processes(build: Build, start: int, stop: int, workers: int) -> Coming:
    loader = DataLoader(
        _Steps(build),
        batch_size=None,  # an item is a batch already
        sampler=range(start, stop),
        num_workers=workers,
        prefetch_factor=_EACH,
        multiprocessing_context="fork",
        worker_init_fn=_quiet,
        generator=torch.Generator(),  # else it draws a seed from the global one, once more where it resumes
    )
    yield from zip(range(start, stop), loader, strict=True)
