"""One copy of a stage at a time, and none that outlives the DVC that started it.

`kill -9` of dvc alone leaves a stage running; the next `dvc repro` would start a second trainer
beside it. So a stage dies with dvc, and holds a lock that dies with it.
"""

from __future__ import annotations

import ctypes
import fcntl
import functools
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1
SHELLS = {"sh", "bash", "dash", "zsh", "fish", "ksh", "busybox"}
STAGE = "DVC_STAGE"  # set by DVC for every command it runs


class BusyError(RuntimeError):
    """Another copy of the stage is running."""


class OrphanError(RuntimeError):
    """The DVC that started this process is gone."""


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent ends (Linux). Also for pool workers."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


@functools.cache
def follow_dvc() -> None:
    """From now on die when the DVC that runs this stage dies; by hand (no DVC_STAGE) do nothing.

    The parent may be a shell that DVC started: then DVC itself is watched as well.
    """
    if STAGE not in os.environ or sys.platform != "linux":
        return
    parent = os.getppid()
    die_with_parent()
    starter = _starter(parent)
    if starter is None or os.getppid() != parent:
        raise OrphanError("the dvc that started this stage is gone")
    if starter != parent:
        threading.Thread(target=_die_after, args=(starter,), daemon=True, name="follow-dvc").start()


def _starter(pid: int) -> int | None:
    """The nearest ancestor from `pid` up that is no shell, if it is a Python program; else None."""
    while pid > 0:
        try:
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            return None
        if name not in SHELLS:
            return pid if any(word in f"{name} {arguments}" for word in ("dvc", "python", "pytest")) else None
        pid = int(status.split("PPid:")[1].split()[0])
    return None


def _die_after(pid: int) -> None:
    try:
        watched = os.pidfd_open(pid)
        select.select([watched], [], [])
    except ProcessLookupError:
        pass
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def only_copy(path: Path, what: str, wait: float) -> Iterator[None]:
    """Hold the lock at `path`; wait up to `wait` seconds for it, then say who has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    until, told = time.monotonic() + wait, False
    while (file := hold(path)) is None:
        if time.monotonic() > until:
            holder = path.read_text().strip() or "unknown"
            raise BusyError(f"{what} is busy: process {holder} holds {path}; wait for it or end it")
        if not told:
            log.info("%s is already running: waiting up to %.0f s for it", what, wait)
            told = True
        time.sleep(0.2)
    with file:
        file.write(str(os.getpid()))
        file.flush()
        # a forked worker shares the lock: it would hold it after this process is killed
        os.register_at_fork(after_in_child=file.close)
        yield


def hold(path: Path) -> IO[str] | None:
    """The file at `path`, locked and empty, until it is closed; None while another process holds it."""
    while True:
        file = open(path, "a+")  # noqa: SIM115 - the lock lives as long as the open file
        if not acquire(file.fileno()):
            file.close()
            return None
        if path.exists() and os.path.samestat(os.stat(path), os.fstat(file.fileno())):
            file.truncate(0)
            return file
        file.close()  # its last holder removed it between our opening and locking


def acquire(descriptor: int) -> bool:
    """Take the exclusive lock of an open file, if it is free."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_free(path: Path) -> bool:
    """True if nobody holds the lock at `path`."""
    if not path.exists():
        return True
    with open(path) as file:
        return acquire(file.fileno())
