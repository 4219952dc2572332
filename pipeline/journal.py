"""What a stage tells the tracking server, written to disk first: it can't stop or slow a stage.

A stage appends JSON lines to `.ckpt/unsent/<run>/log.jsonl`; pipeline/track.py, in a process of its
own, hands them to MLflow. What could not be sent stays there until `python -m pipeline sync`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pipeline import files, guard

log = logging.getLogger(__name__)
SWITCH = "LIKENESS_TRACKING"  # on | later (keep, send nothing) | off
CODE = Path(".code.json")  # of a workspace whose code was copied: what `git_state` said where it came from
SAMPLE = 10.0  # seconds between system metrics


def switch() -> str:
    return os.environ.get(SWITCH, "on")


def unsent(root: Path) -> Path:
    return root / ".ckpt" / "unsent"


@dataclass
class Journal:
    """One stage's run, written to disk as it goes. `started` (ms) dates every step of it:
    a resumed stage repeats the same (step, time, value) rows, which MLflow keeps once.
    """

    root: Path
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: int = field(default_factory=lambda: int(time.time() * 1000))
    _file: IO[str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def folder(self) -> Path:
        return unsent(self.root) / self.key

    def begin(self, name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        if switch() == "off":
            return
        try:
            self._file = _locked(self.folder / "log.jsonl")
            os.register_at_fork(after_in_child=self._forget)
        except OSError as error:
            log.warning("nothing of this run is tracked: %s", error)
            return
        self._write(kind="run", name=name, started=self.started, params=dict(params), tags=dict(tags))
        threading.Thread(target=self._sample, daemon=True, name="system-metrics").start()
        if switch() == "on":
            start_sender(self.root)

    def _forget(self) -> None:
        """A forked worker must not hold the log open: it tells the sender that the stage lives."""
        if self._file is not None:
            os.close(self._file.fileno())
            self._file = None

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        at = step or 0
        numbers = {name: float(value) for name, value in values.items()}
        self._write(kind="metrics", step=at, time=self.started + at, values=numbers)

    def artifact(self, path: Path, name: str) -> None:
        """Keep a copy: the file itself may be gone before it is sent."""
        if self._file is None:
            return
        try:
            kept = self.folder / "files" / name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)
        except OSError as error:
            log.warning("%s is not tracked: %s", path, error)
            return
        self._write(kind="artifact", name=name)

    def end(self, status: str) -> None:
        """FINISHED, FAILED or KILLED. Says so if the store has not taken what was sent so far."""
        self._stop.set()
        if self._file is None:
            return
        self._measure()
        self._write(kind="end", status=status, time=int(time.time() * 1000))
        with self._lock, contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._file = None
        trouble = unsent(self.root) / "trouble.txt"
        if switch() == "on" and trouble.exists():
            with contextlib.suppress(OSError):
                log.warning("%s", trouble.read_text().strip())

    def mlflow_run_id(self) -> str | None:
        """The run's id in MLflow, if the sender has come to it."""
        try:
            return str(files.read_json(self.folder / "sent.json")["run_id"])
        except (OSError, ValueError, KeyError):
            return None

    def _write(self, **record: Any) -> None:
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(json.dumps(record, default=str) + "\n")
                self._file.flush()
            except (OSError, ValueError) as error:  # a full disk; a file that is closed already
                log.warning("tracking stops here: %s", error)
                with contextlib.suppress(OSError):
                    self._file.close()
                self._file = None

    def _system(self) -> dict[str, float]:
        import psutil

        process = psutil.Process()
        sizes = []
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                sizes.append(each.memory_info().rss)
        values = {"system/cpu_percent": psutil.cpu_percent(), "system/memory_mb": sum(sizes) / 2**20}
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "cuda") and torch.cuda.is_initialized():
            values["system/gpu_memory_mb"] = torch.cuda.memory_allocated() / 2**20
            with contextlib.suppress(Exception):  # needs pynvml, which not every machine has
                values["system/gpu_percent"] = float(torch.cuda.utilization())
        return values

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE):
            self._measure()

    def _measure(self) -> None:
        """System metrics of now; their step is seconds since the run's first start."""
        now = int(time.time() * 1000)
        self._write(kind="metrics", step=(now - self.started) // 1000, time=now, values=self._system())


def _locked(path: Path) -> IO[str]:
    """The log, open as long as the stage lives, which its lock tells the sender.

    A sender that finds it before it is locked may remove it as a dead stage's: then it is made again.
    """
    while True:
        with contextlib.suppress(FileNotFoundError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "a")  # noqa: SIM115
            fcntl.flock(file, fcntl.LOCK_SH)
            if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                return file
            file.close()


def start_sender(root: Path) -> None:
    """Start the sender unless one is at work. It is on its own: a stage never waits for it."""
    if not guard.is_free(unsent(root) / "sender.lock"):
        return
    try:
        with open(unsent(root) / "sender.log", "a") as out:
            subprocess.Popen(
                [sys.executable, "-m", "pipeline.track", str(root)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=root,
            )
    except OSError as error:
        log.warning("tracking is kept but not sent: %s", error)


def group() -> str:
    """One name for all stages of one `dvc repro`: LIKENESS_GROUP, or the DVC process above us."""
    import psutil

    if os.environ.get("LIKENESS_GROUP"):
        return os.environ["LIKENESS_GROUP"]
    above = [psutil.Process()] if guard.STAGE not in os.environ else psutil.Process().parents()
    with contextlib.suppress(psutil.Error):
        for process in above:
            if process.name() not in guard.SHELLS:
                return f"{int(process.create_time())}-{process.pid}"
    return f"{int(time.time())}-{os.getpid()}"


def git_state() -> dict[str, str]:
    """The commit, and whether tracked files differ from it; nothing outside a repository.

    A workspace of copied files says in CODE which ones these are.
    """
    if CODE.exists():
        return dict(json.loads(CODE.read_text()))
    try:
        head = _git("rev-parse", "HEAD")
        return {"git.revision": head, "git.dirty": str(bool(_git("status", "--porcelain", "-uno"))).lower()}
    except (OSError, subprocess.SubprocessError):
        return {}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, timeout=10)
    return done.stdout.strip()
