"""Where shards are made: in this process, in processes of this machine, or on a Dask cluster.

Workers have one thread each, and find their task in a file beside its shards. Processes are started afresh
(a fork would copy torch's locks) and die with the process that started them. Workers of a cluster see the
project's folder under the same path, have the same libraries, and make one shard at a time; one that dies
costs its shard alone, which another one makes. What a run that died left them to do they do, or drop where
its folder is gone.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import platform
import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from pipeline import files, guard, runtime

Submit = Callable[[range, Path], Callable[[], None]]  # begins a shard; what it gives waits for its end
ANSWER, JOIN = 20.0, 60.0  # seconds that a scheduler has to answer, and a first worker to join it
HOW = "start scheduler and workers in the project's folder, with PYTHONPATH=. and the project's libraries"
FACTS = "shard.json"
KEPT = "finished shards are kept, a new run goes on from there"


class ShardError(RuntimeError):
    """Shards that can't be made, or that belong to something else."""


class Task(Protocol):
    """What makes shards. It is sent to other processes (pickled); a shard depends on its numbers alone."""

    @property
    def threaded(self) -> bool:
        """It uses several threads itself, so that here its shards are made one after the other."""
        ...

    def make(self, numbers: range, folder: Path, workers: int, tell: Callable[[int], None]) -> dict[str, Any]:
        """Writes `part-*.arrow` into `folder`, in so many threads; counts: `rows`, and of all `seen`."""
        ...


def make(
    task: Task, numbers: range, place: Path, workers: int = 1, tell: Callable[[int], None] = lambda _: None
) -> None:
    """One shard, whole or not at all."""
    with files.making_dir(place) as aside:
        facts = task.make(numbers, aside, workers, tell)
        files.write_json(aside / FACTS, {**facts, "sizes": sizes(aside)})


def sizes(folder: Path) -> dict[str, int]:
    """Of the files of a shard, in bytes."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.name != FACTS}


def _kept(task: Task, folder: Path) -> tuple[str, str]:
    """The task as a file for workers, and a digest of it.

    Not sent to a process as it starts: multiprocessing writes it into a pipe, and where that is full (64 kB)
    waits until the process has imported all it needs, for ever if it dies before. Nor scattered by a
    scheduler: that is lost with the workers that hold it.
    """
    path, content = folder.resolve() / "task.pickle", pickle.dumps(task)
    files.write_bytes(path, content)
    return str(path), hashlib.sha256(content).hexdigest()


_TASK: list[Task] = []  # of a worker process: given once, not with every shard


@contextmanager
def processes(task: Task, workers: int, settings: runtime.Runtime, folder: Path) -> Iterator[Submit]:
    """A pool of processes; the task lies in `folder` for them. They log what this process logs."""
    one = settings.model_copy(update={"threads_choice": 1})
    given = (_kept(task, folder)[0], one, os.getpid(), logging.getLogger().getEffectiveLevel())
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, given) as pool:
        try:
            yield lambda numbers, place: submitted(pool, numbers, place)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start(task: str, settings: runtime.Runtime, parent: int, level: int) -> None:
    """A worker's first act. Ctrl-C ends it without a word: the process that started it tells."""
    guard.die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.basicConfig(level=level, format="%(message)s")
    _one_thread(settings)
    _TASK[:] = [pickle.loads(Path(task).read_bytes())]


def _one_thread(settings: runtime.Runtime) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    runtime.prepare(settings, seed=0)
    import cv2

    cv2.setNumThreads(1)


def _work(numbers: range, place: Path) -> None:
    make(_TASK[0], numbers, place)


def submitted(pool: ProcessPoolExecutor, numbers: range, place: Path) -> Callable[[], None]:
    """Begin a shard in a pool."""
    with _told(f"before shard {place.name} was begun"):
        future = pool.submit(_work, numbers, place)

    def wait() -> None:
        with _told(f"while shard {place.name} was waited for"):
            future.result()

    return wait


@contextmanager
def _told(when: str) -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool as error:
        raise ShardError(f"a worker died {when} (killed, or out of memory?); {KEPT}") from error


@contextmanager
def cluster(task: Task, address: str, folder: Path) -> Iterator[Submit]:
    """The workers of the Dask scheduler at `address`; the task itself lies in `folder` for them."""
    client = _client(address)
    here = {**runtime.versions(), "the project's code": code()}
    given = (str(Path.cwd()), *_kept(task, folder), here)

    def submit(numbers: range, place: Path) -> Callable[[], None]:
        future = client.submit(_far, *given, numbers, str(place.resolve()), pure=False)
        return lambda: _wait(future, place, client)

    with client:
        yield submit


def _client(address: str) -> Any:
    where = f"{runtime.FILE}: cluster: {address}"
    try:
        from distributed import Client
    except ImportError as error:
        raise ShardError(f'{where} needs Dask: pip install -e ".[cluster]"') from error
    try:
        client = Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ShardError(f"{where}: no Dask scheduler answers there ({error})") from error
    try:
        client.wait_for_workers(1, timeout=JOIN)
        _check(client, where)
    except TimeoutError as error:
        client.close()
        raise ShardError(f"{where}: the scheduler has no worker after {JOIN:.0f} s") from error
    except ShardError:
        client.close()
        raise
    return client


def _check(client: Any, where: str) -> None:
    """Raise where the project can't be imported: a worker that can't would let its shards wait for ever."""

    def known() -> bool:  # sent by value, as a function inside another one is
        import importlib.util

        return importlib.util.find_spec("pipeline") is not None

    # a worker that can't be asked and is gone has died since, which says nothing against the others
    told, alive = client.run(known, on_error="return"), set(client.nthreads())
    strangers = [name for name, knows in told.items() if knows is not True and name in alive]
    if not client.run_on_scheduler(known):
        strangers.append("the scheduler")
    if strangers:
        raise ShardError(f"{where}: {', '.join(sorted(strangers))} can't import the project: {HOW}")


def _wait(future: Any, place: Path, client: Any) -> None:
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    what = f"{runtime.FILE}: cluster: {client.scheduler.address}: shard {place.name}"
    try:
        while not _ended(future):
            if not client.nthreads():
                client.wait_for_workers(1, timeout=JOIN)
        future.result()
    except TimeoutError as error:
        if future.done():  # the task's own
            raise
        raise ShardError(f"{what}: no worker is left, for {JOIN:.0f} s or more; {KEPT}") from error
    except KilledWorker as error:
        raise ShardError(f"{what} was given up, several workers died of it (memory?); {KEPT}") from error
    except (CancelledError, FutureCancelledError, CommClosedError) as error:
        raise ShardError(f"{what} was lost, the scheduler is gone; {KEPT}") from error


def _ended(future: Any) -> bool:
    """Whether it is, after a wait of `JOIN` seconds at most."""
    try:
        future.exception(timeout=JOIN)
    except TimeoutError:
        return bool(future.done())
    return True


_ONE = Lock()  # a worker with several threads makes one shard at a time all the same


def _far(home: str, task: str, digest: str, versions: Mapping[str, str], numbers: range, place: str) -> None:
    """One shard on a worker of a cluster."""
    host = platform.node()
    here = {**runtime.versions(), "the project's code": _loaded()}
    unlike = [name for name, wanted in versions.items() if here.get(name) != wanted]
    if other := [f"{name} {here.get(name)}, not {versions[name]}" for name in unlike]:
        raise ShardError(f"the worker on {host} has {', '.join(other)}: shards would differ; start it anew")
    if not Path(task).is_file():
        raise ShardError(f"the worker on {host} does not see {task}: it needs the project's folder there")
    with _ONE:
        if Path(place).is_dir():  # by a worker that died since, or for a run that died
            return
        os.chdir(home)
        make(_given(task, digest), numbers, Path(place))


def code() -> str:
    """A digest of the project's modules as they lie on the disk."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:12]


@lru_cache(maxsize=1)
def _loaded() -> str:
    """The same when this worker process began: what it has imported since is of these files or older."""
    return code()


@lru_cache(maxsize=1)
def _given(path: str, digest: str) -> Task:
    """The task of that file, once a worker process."""
    _one_thread(runtime.Runtime(threads=1))
    task: Task = pickle.loads(Path(path).read_bytes())
    return task
