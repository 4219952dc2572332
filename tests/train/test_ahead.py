"""What is prepared ahead: the same batches in the same order, errors included."""

import threading
import time

import pytest
import torch

from pipeline.train.ahead import ahead

WAYS = [(0, False), (1, False), (3, False), (0, True), (2, True)]


def build(step):
    time.sleep(0.002 * (step % 3))  # so that workers finish out of order
    return {"step": torch.tensor([step])}


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_order_and_content(workers, processes):
    coming = ahead(build, 3, 14, workers=workers, processes=processes)
    got = [(step, int(raw["step"])) for step, raw in coming]
    assert got == [(step, step) for step in range(3, 14)]
    assert list(ahead(build, 5, 5, workers=workers, processes=processes)) == []


def broken(step):
    if step == 2:
        raise ValueError("sample x is torn")
    return build(step)


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_an_error_arrives_with_its_message(workers, processes):
    with pytest.raises(ValueError, match="sample x is torn"):
        list(ahead(broken, 0, 5, workers=workers, processes=processes))


def test_threads_end_when_the_reader_stops():
    coming = ahead(build, 0, 100, workers=2, processes=False)
    next(coming)
    assert any(thread.name.startswith("batches") for thread in threading.enumerate())
    coming.close()
    assert not any(thread.name.startswith("batches") for thread in threading.enumerate())
