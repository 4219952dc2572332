"""Shards: the same bytes for any number of workers, kept over kill -9, refused when of something else."""

import logging
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil
import pytest

from pipeline import pools, records, shards
from pipeline.sources import Ranged, Skipped, synthetic
from pipeline.synthetic.world import Sizes, World
from tests.ranged import Numbers, collect, contents, times

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    collect(folder, Numbers(), 1)
    return folder


def test_shards_hold_what_the_source_yields(whole):
    dataset, source = records.Dataset(whole / "done"), Numbers()
    every = list(source.samples())
    assert list(dataset.samples()) == [one for one in every if not isinstance(one, Skipped)]
    assert len(list((whole / "done").glob("part-*"))) == 5, "of 128 rows each"
    counted = collect(whole, source, 1)
    assert counted["5"] == 8 + (sum(number % 7 == 3 for number in range(50, 60)) == 1)
    assert sum(counted.values()) == len(dataset)


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_the_same_bytes_for_any_number_of_workers(whole, tmp_path, workers):
    collect(tmp_path, Numbers(), workers)
    assert contents(tmp_path) == contents(whole)


def test_a_killed_run_goes_on_and_leaves_finished_shards_as_they_are(whole, tmp_path):
    command = [sys.executable, "-m", "tests.ranged", str(tmp_path), "2", "0.004"]
    killed = subprocess.Popen(command, cwd=ROOT)
    while len(finished := times(tmp_path)) < 4:
        assert killed.poll() is None, "it ended too soon"
        time.sleep(0.01)
    workers = psutil.Process(killed.pid).children(recursive=True)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in workers if worker.is_running()], "workers die with their parent"
    finished = times(tmp_path)
    begun = tmp_path / "begun"
    assert not (tmp_path / "done").exists()
    collect(tmp_path, Numbers(made=str(begun)), 2)
    assert contents(tmp_path) == contents(whole)
    after = times(tmp_path)
    assert {path: after[path] for path in finished} == finished
    again = {int(line) // 128 for line in begun.read_text().split()}
    assert len(again) == 5 - len({path.parent for path in finished}) > 0
    assert not list((tmp_path / "kept" / "shards").glob(".*.tmp")), "no debris"


def test_a_worker_that_dies_as_it_starts_is_told_however_heavy_the_task(tmp_path):
    command = [sys.executable, "-m", "tests.ranged", str(tmp_path), "2", "0", "--load", "1000000"]
    driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        while not (workers := [child for child in children(driver) if "spawn_main" in child.cmdline()[-2]]):
            time.sleep(0.005)
        workers[0].kill()
        _, told = driver.communicate(timeout=100)
    finally:
        driver.kill()
    assert driver.returncode == 1
    assert "a worker died" in told


def children(process):
    """Its living ones that have begun to be what they will be."""
    found = psutil.Process(process.pid).children()
    return [child for child in found if child.is_running() and len(child.cmdline()) > 2]


def test_workers_log_what_their_driver_logs(tmp_path, caplog, capfd):
    for level, heard in ((logging.WARNING, False), (logging.INFO, True)):
        caplog.set_level(level)
        (tmp_path / str(level)).mkdir()
        collect(tmp_path / str(level), Numbers(), 2)
        assert ("a stretch from 512 on\n" in capfd.readouterr().err) == heard


def test_nothing_is_made_twice(whole, tmp_path):
    begun = tmp_path / "begun"
    for _ in range(2):
        collect(tmp_path, Numbers(made=str(begun)), 1)
    assert len(begun.read_text().split()) == 5
    assert contents(tmp_path) == contents(whole)


def test_shards_of_something_else_are_refused(tmp_path):
    collect(tmp_path, Numbers(), 1)
    with pytest.raises(shards.ShardError, match=r"kept/shards holds shards of other params, data or code"):
        collect(tmp_path, Numbers(count=500), 1)
    (tmp_path / "kept").rename(tmp_path / "other")
    with pytest.raises(shards.ShardError, match=r"remove it to start afresh"):
        collect(tmp_path, Numbers(), 1, tmp_path / "other")


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_the_source_is_told_and_finished_shards_stay(tmp_path, workers):
    with pytest.raises(ValueError, match="number 300 can't be read"):
        collect(tmp_path, Numbers(fatal=(300, "raises")), workers)
    assert not (tmp_path / "done").exists()
    assert len({path.parent.name for path in times(tmp_path)}) >= 2


def test_a_worker_that_dies_is_told(tmp_path):
    with pytest.raises(shards.ShardError, match=r"a worker died .*a new run goes on from there"):
        collect(tmp_path, Numbers(fatal=(300, "dies")), 2)


def test_a_worker_that_dies_before_all_is_handed_out_is_told(tmp_path):
    class Broken:
        def submit(self, *_):
            raise BrokenProcessPool("a child process terminated abruptly")

    with pytest.raises(shards.ShardError, match=r"before shard 00007 was begun .*finished shards are kept"):
        pools.submitted(Broken(), range(3), tmp_path / "00007")


def test_no_samples_and_few(tmp_path):
    for count in (0, 1):
        source = Numbers(count=count)
        assert isinstance(source, Ranged)
        collect(tmp_path, source, 2, tmp_path / f"{count}")
        assert len(records.Dataset(tmp_path / "done")) == count


def test_a_world_is_the_same_with_two_workers_and_read_in_one(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SMALLEST", 30)
    size = {"identities": 2, "images": 1}
    test = {"identities": 8, "images": 2, "distractors": 2, "probes": 1, "stills": 1, "frames": 2}
    sizes = dict.fromkeys(("labelled", "unlabelled", "validation"), size) | {"test": test}
    world = World(image_size=32, hats=0.5)
    source = synthetic.Synthetic("test", "home", world, world, Sizes.model_validate(sizes), 5)
    assert len(source.stretches(shards.SMALLEST)) == 4
    for workers in (1, 2):
        (tmp_path / f"{workers}").mkdir()
        collect(tmp_path / f"{workers}", source, workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    stored = records.Dataset(tmp_path / "2" / "done")
    some = list(source.stretch(range(5, 7)))
    start = stored.frame(["sample_id"])["sample_id"].tolist().index(some[0].sample_id)
    assert [stored.image_bytes(start + row).to_pybytes() for row in range(len(some))] == [
        sample.image for sample in some
    ]
