"""What is prepared ahead: the same batches in the same order, errors included."""

import threading
import time
from dataclasses import replace

import pytest
import torch

from pipeline.augment import wild
from pipeline.train.ahead import ahead
from tests.train.test_loop import Bomb, KilledError, bits, same, train
from tests.train.tiny import two_streams

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


@pytest.mark.parametrize(("workers", "processes"), WAYS)
def test_the_global_generator_stays_where_it_is(workers, processes):
    """A resumed run asks for workers once more than one that was never interrupted."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for start in (0, 4):
        list(ahead(build, start, 6, workers=workers, processes=processes))
    assert torch.equal(torch.get_rng_state(), before)


def test_resumed_with_worker_processes(tmp_path):
    """Dropout draws from the generator that workers must leave alone."""

    def batches(folder):
        found = two_streams(folder, workers=1)
        augment = wild.build(wild.Params())
        found.streams = [replace(stream, augment=augment) for stream in found.streams]
        return found

    net, objective, _ = train(tmp_path, ckpt="whole", epochs=1, batches=batches(tmp_path))
    with pytest.raises(KilledError):
        train(tmp_path, every=0.0, epochs=1, batches=batches(tmp_path), progress=Bomb(1))
    again, theirs, _ = train(tmp_path, every=0.0, epochs=1, batches=batches(tmp_path))
    assert same(bits(net, objective), bits(again, theirs))
