"""A Dask cluster makes the same shards; a worker killed mid-way costs nothing but its shard, made anew."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import files, pools, reading, records, runtime, shards
from pipeline.cropping import Cropping
from pipeline.crops import Params
from pipeline.records import Sample
from pipeline.runtime import Runtime
from tests.ranged import Numbers, collect, contents, times

distributed = pytest.importorskip("distributed", reason="Dask is an extra: pip install -e '.[cluster]'")
BAR = SimpleNamespace(advance=lambda steps=1: None)
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def cluster():
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as running:
        yield running


def far(folder, source, address):
    """Collected by the workers at `address`."""
    return collect(folder, source, 2, cluster=address)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, collect(folder, Numbers(), 1)


def test_the_same_bytes_on_a_cluster(cluster, whole, tmp_path):
    assert far(tmp_path, Numbers(), cluster.scheduler_address) == whole[1]
    assert contents(tmp_path) == contents(whole[0])


def test_a_killed_worker_loses_nothing_and_no_finished_shard_is_made_again(cluster, whole, tmp_path):
    begun, early = tmp_path / "begun", {}

    def kill():
        while len(found := times(tmp_path)) < 4:  # two shards of two files
            time.sleep(0.01)
        early.update(found)
        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)

    killer = Thread(target=kill)
    killer.start()
    people = far(tmp_path, Numbers(seconds=0.004, made=str(begun)), cluster.scheduler_address)
    killer.join()
    assert people == whole[1]
    assert contents(tmp_path) == contents(whole[0])
    assert {path: times(tmp_path)[path] for path in early} == early
    made = [int(line) for line in begun.read_text().split()]
    finished = {int(path.parent.name) * 128 for path in early}
    assert set(made) == set(range(0, 600, 128))
    assert all(made.count(start) == 1 for start in finished)


def killed_driver(folder, address, shards):
    """A driver of slow shards, killed once so many are finished; when these were written."""
    begun, given = folder / "begun", [str(folder), "2", "0.01", "--cluster", address]
    command = [sys.executable, "-m", "tests.ranged", *given, "--made", str(begun)]
    driver = subprocess.Popen(command, cwd=ROOT)
    while len(found := times(folder)) < 2 * shards or len(begun.read_text().split()) < shards + 2:
        assert driver.poll() is None, "it ended too soon"
        time.sleep(0.01)
    driver.kill()
    driver.wait()
    return found


def at_rest(cluster):
    """Waits until no worker has anything to do."""
    with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
        while any(client.processing().values()) or any(client.call_stack().values()):
            time.sleep(0.05)


def test_a_killed_driver_loses_nothing_and_no_finished_shard_is_made_again(cluster, whole, tmp_path):
    early = killed_driver(tmp_path, cluster.scheduler_address, 2)
    assert len(early) < 10
    assert not (tmp_path / "done").exists()
    source = Numbers(seconds=0.01, made=str(tmp_path / "begun"))
    people = far(tmp_path, source, cluster.scheduler_address)  # while the killed one's tasks are at work
    at_rest(cluster)
    assert people == whole[1]
    assert contents(tmp_path) == contents(whole[0])
    assert {path: times(tmp_path)[path] for path in early} == early
    made = [int(line) for line in (tmp_path / "begun").read_text().split()]
    finished = {int(path.parent.name) * 128 for path in early}
    assert all(made.count(start) == 1 for start in finished)
    assert set(made) == set(range(0, 600, 128))
    assert not list((tmp_path / "kept" / "shards").glob(".*")), "no debris"


def test_tasks_of_a_killed_driver_bring_nothing_back_that_was_removed(cluster, tmp_path):
    killed_driver(tmp_path, cluster.scheduler_address, 1)
    files.remove_dir(tmp_path / "kept")
    at_rest(cluster)
    assert not [name for name in os.listdir(tmp_path) if "kept" in name]


def test_a_shard_that_another_thread_of_the_worker_has_made_meanwhile_is_not_made_again(tmp_path):
    task, place = reading.Reading(Numbers(made=str(tmp_path / "begun"))), tmp_path / "00000"
    given = (str(Path.cwd()), *pools._kept(task, tmp_path), {}, range(10), str(place))
    with pools._ONE:
        second = Thread(target=pools._far, args=given)
        second.start()
        second.join(0.1)
        place.mkdir()
    second.join()
    assert not (tmp_path / "begun").exists()


def test_a_cluster_without_any_worker_left_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "JOIN", 0.2)
    nobody = {"n_workers": 0, "dashboard_address": None}
    with (
        distributed.LocalCluster(**nobody) as empty,
        distributed.Client(empty.scheduler_address, set_as_default=False) as client,
        pytest.raises(pools.ShardError, match="shard 00003: no worker is left"),
    ):
        pools._wait(client.submit(abs, 1), tmp_path / "00003", client)


def test_an_error_of_a_task_comes_back(cluster, tmp_path):
    with pytest.raises(ValueError, match="number 300 can't be read"):
        far(tmp_path, Numbers(fatal=(300, "raises")), cluster.scheduler_address)


def test_a_worker_with_other_code_is_refused(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "code", lambda: "edited")
    with pytest.raises(pools.ShardError, match=r"has the project's code \w{12}, not edited: .*start it anew"):
        far(tmp_path, Numbers(), cluster.scheduler_address)


def test_crops_on_a_cluster_are_those_made_here(cluster, tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    writer, rng = records.Writer(folder), np.random.default_rng(0)
    for number in range(60):
        image = records.encode(rng.integers(0, 256, (24, 20, 3), np.uint8), 101)
        writer.add(Sample(f"{number}", image, box=[2.0, 3.0, 12.0, 14.0]))
    writer.close({})
    task, found = Cropping(folder, folder, Params(method="unaligned", image_size=16), "source", {}), []
    for address in (None, cluster.scheduler_address):
        settings = Runtime(workers=2, cluster=address)
        cut = shards.stretches(60, 25)
        made = list(shards.made(task, cut, tmp_path / f"kept{len(found)}", settings, BAR))
        found.append([(shard.facts, [part.read_bytes() for part in shard.parts]) for shard in made])
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_a_shard_that_kills_its_workers_is_named(cluster, tmp_path):
    with pytest.raises(pools.ShardError, match=r"shard 00002 was given up, several workers died of it"):
        far(tmp_path, Numbers(fatal=(300, "dies")), cluster.scheduler_address)


def test_no_scheduler_no_worker_and_no_dask_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(pools, "ANSWER", 0.2)
    with pytest.raises(pools.ShardError, match=r"cluster: tcp://127.0.0.1:9: no Dask scheduler"):
        far(tmp_path, Numbers(), "tcp://127.0.0.1:9")
    with pytest.raises(pools.ShardError, match=r"runtime.yaml: cluster: nonsense://x: no Dask scheduler"):
        far(tmp_path, Numbers(), "nonsense://x")
    monkeypatch.undo()
    monkeypatch.setattr(pools, "JOIN", 0.2)
    nobody = {"n_workers": 0, "dashboard_address": None}
    with (
        distributed.LocalCluster(**nobody) as empty,
        pytest.raises(pools.ShardError, match="the scheduler has no worker"),
    ):
        far(tmp_path, Numbers(), empty.scheduler_address)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(pools.ShardError, match=r'needs Dask: pip install -e "\.\[cluster\]"'):
        far(tmp_path, Numbers(), "tcp://127.0.0.1:9")


def test_a_cluster_that_can_t_import_the_project_is_told():
    class Strange:
        def run(self, known, on_error):
            assert known()
            died, mute = OSError("it died meanwhile"), TypeError("no such pickle")
            return {"tcp://a:1": True, "tcp://b:2": False, "tcp://c:3": died, "tcp://d:4": mute}

        def nthreads(self):
            return {"tcp://a:1": 1, "tcp://b:2": 1, "tcp://d:4": 1}

        def run_on_scheduler(self, known):
            return False

    said = r"x: tcp://b:2, tcp://d:4, the scheduler can't import the project: start scheduler and"
    with pytest.raises(pools.ShardError, match=said):
        pools._check(Strange(), "x")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"versions": {"numpy": "0.1"}}, r"has numpy .*, not 0.1: shards would differ; start it anew"),
        (
            {"task": "/nowhere/task.pickle"},
            r"does not see /nowhere/task.pickle: it needs the project's folder",
        ),
    ],
)
def test_a_worker_that_can_t_make_the_same_shard_says_so(tmp_path, change, reason):
    given = {"home": str(tmp_path), "task": "t", "digest": "0", "versions": runtime.versions()} | change
    with pytest.raises(pools.ShardError, match=reason):
        pools._far(**given, numbers=range(1), place=str(tmp_path / "00000"))


def test_whoever_is_first_has_made_a_folder(tmp_path):
    with files.making_dir(tmp_path / "a") as late:
        (late / "x").write_text("late")
        with files.making_dir(tmp_path / "b") as other:
            (other / "x").write_text("early")
        (tmp_path / "b").rename(tmp_path / "a")
    assert (tmp_path / "a" / "x").read_text() == "early"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(RuntimeError), files.making_dir(tmp_path / "c"):
        raise RuntimeError
    assert not (tmp_path / "c").exists()


def test_only_what_is_provably_dead_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(files.platform, "node", lambda: "worker.999999")
    with files.making_dir(tmp_path / "a") as alive:
        dead = alive.with_name(alive.name.replace(f"{os.getpid()}", "99999999"))
        other = dead.with_name(dead.name.replace("worker", "elsewhere"))
        for folder in (dead, other):
            folder.mkdir()
        with files.writing_dir(tmp_path / "a2"):
            files.sweep(tmp_path)
        assert (alive.exists(), dead.exists(), other.exists()) == (True, False, True)


def test_a_shard_that_lost_a_part_is_refused(tmp_path):
    collect(tmp_path, Numbers(count=10), 1)
    (part,) = tmp_path.glob("kept/shards/00000/part-*")
    part.unlink()
    with pytest.raises(pools.ShardError, match=r"shards/00000 is not what its shard.json says; remove it"):
        collect(tmp_path, Numbers(count=10), 1)
