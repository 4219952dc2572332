"""The DAG of dvc.yaml as a Prefect flow: a task a stage, one DVC worker in the workspace.

DVC stays the only judge of what has to run and the only cache: the graph is read from DVC's own
index, and every task is `dvc repro --single-item STAGE`. Results: ran, cached (restored from the run
cache), skipped (nothing changed), failed, not run (something upstream failed).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

RAN, CACHED, SKIPPED, FAILED, NOT_RUN = "ran", "cached", "skipped", "failed", "not run"
DELAYS = (5.0, 30.0)  # seconds before the first and the second retry
USER_ERROR = 2  # exit code of a stage that refuses its params or data: trying again can't help
GROUP = "LIKENESS_GROUP"  # tracking groups the runs of one flow by it

# What may pass by itself. Only the last lines of a log are searched: a warning on the way is no cause.
TRANSIENT = re.compile(
    r"is busy|is already running|unable to acquire lock|no space left"
    r"|connection (?:refused|reset|aborted|error)|timed? ?out|temporary failure|exited with (?:-9|137|75)\b",
    re.IGNORECASE,
)
EXIT = re.compile(r"exited with (-?\d+)")
QUIET = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}
# Replaces itself by the command, which the kernel ends together with the flow, however that ends.
# A function run between fork and exec would do too, but is not safe in a process with threads.
LAUNCH = """
import ctypes, os, signal, sys
try:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
except AttributeError:
    pass
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""


class StageFailedError(RuntimeError):
    """A stage did not end well; the message ends with the last lines of its log."""


def graph(targets: Sequence[str] | None = None) -> dict[str, list[str]]:
    """Stage -> the stages it waits for, of `targets` and all that is upstream of them (None: everything).

    A target is what `dvc repro` takes: a stage, a group of stages (`train`), or one of a group
    (`train@teacher`).
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    with Repo() as repo:
        dag = repo.index.graph
        try:
            found = [stage for name in targets or [] for stage in repo.stage.collect(name, with_deps=True)]
        except DvcException as error:
            raise ValueError(f"{error}; stages: {', '.join(sorted(s.addressing for s in dag))}") from error
        stages = found if targets else dag.nodes
        edges = {s.addressing: sorted(above.addressing for above in dag.successors(s)) for s in stages}
    return dict(sorted(edges.items()))


def outcome(log: str) -> str:
    """What DVC says it did with a stage that ended well: `ran`, `cached` or `skipped`."""
    if re.search(r"^Running stage '", log, re.MULTILINE):
        return RAN
    if re.search(r"^Stage '.*' is cached - skipping run", log, re.MULTILINE):
        return CACHED
    return SKIPPED


def may_pass(log: Sequence[str]) -> bool:
    """True when a failure with these last lines is worth another try; never for a stage's user error."""
    text = "\n".join(log)
    code = EXIT.search(text)
    if code and int(code.group(1)) == USER_ERROR:
        return False
    return bool(TRANSIENT.search(text))


@dataclass
class Workspace:
    """Runs one DVC command at a time in the working directory, and ends it when told to."""

    group: str
    stopping: bool = False
    _child: subprocess.Popen[str] | None = None

    def repro(self, stage: str, say: Callable[[str], None]) -> tuple[int, list[str], str]:
        """(exit code, last lines, result) of `dvc repro` of this stage alone; every line goes to `say`."""
        dvc = [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "--single-item", stage]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        self._child = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, str(os.getpid()), *dvc],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", GROUP: self.group},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        last: deque[str] = deque(maxlen=30)
        told: list[str] = []
        with self._child as child:
            for line in child.stdout or ():
                last.append(line.rstrip())
                if "tage '" in line:
                    told.append(line)
                say(line.rstrip())
        return child.returncode, list(last), outcome("".join(told))

    def stop(self) -> None:
        """End the running command and all that it started; nothing new is started afterwards."""
        self.stopping = True
        child = self._child
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if child is None or child.poll() is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, sign)
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=10)


@dataclass
class StageTask:
    """One stage: its Prefect task, and how it went."""

    name: str
    workspace: Workspace
    delays: Sequence[float]
    result: str = NOT_RUN
    seconds: float = 0.0
    _last: list[str] = field(default_factory=list)

    def run(self) -> Any:
        """Reproduce the stage; the Prefect state is named after the result."""
        from prefect.logging import get_run_logger
        from prefect.states import Completed

        self.result = FAILED
        if self.workspace.stopping:
            raise StageFailedError(f"{self.name}: the flow was stopped")
        log, start = get_run_logger(), time.monotonic()
        code, self._last, result = self.workspace.repro(self.name, lambda line: log.info("%s", line))
        self.seconds = time.monotonic() - start
        if code:
            tail = "\n".join(self._last[-12:])
            raise StageFailedError(f"stage {self.name} failed (dvc ended with {code}):\n{tail}")
        self.result = result
        return Completed(name=result.capitalize(), message=f"{self.seconds:.1f} s", data=result)

    def may_retry(self) -> bool:
        return not self.workspace.stopping and may_pass(self._last)

    def task(self) -> Any:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        decorate: Any = task(
            name=self.name,
            task_run_name=self.name,
            cache_policy=NO_CACHE,
            retries=len(self.delays),
            retry_delay_seconds=list(self.delays),
            retry_condition_fn=lambda *_: self.may_retry(),  # of methods Prefect takes no notice
        )
        return decorate(self.run)


def _guard_server() -> None:
    """Start Prefect's temporary server, if no lasting one is named, such that it can't outlive this process.

    Prefect stops it at exit, but not when the process is killed: a shell that waits for the end of a
    pipe, which the kernel closes then, does it instead.
    """
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.settings import PREFECT_API_URL

    server = SubprocessASGIServer()
    if PREFECT_API_URL.value() or server.running:
        return
    server.start()
    if server.server_process is not None:
        subprocess.Popen(
            ["sh", "-c", 'read -r _; kill "$0" 2>/dev/null', str(server.server_process.pid)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )


def run_stages(dag: Mapping[str, Sequence[str]], delays: Sequence[float] = DELAYS) -> dict[str, str]:
    """Run a graph (stage -> upstream stages) as one flow; stage -> result, in the order of the run."""
    os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for every request otherwise
    from prefect import flow
    from prefect.task_runners import ThreadPoolTaskRunner

    workspace = Workspace(os.environ.get(GROUP) or uuid.uuid4().hex)
    order = list(TopologicalSorter(dag).static_order())
    stages = {name: StageTask(name, workspace, delays) for name in order}

    def body() -> Any:
        futures: dict[str, Any] = {}
        try:
            for name in order:
                upstream = [futures[above] for above in dag[name]]
                futures[name] = stages[name].task().submit(wait_for=upstream)
            for future in futures.values():
                future.wait()
        except BaseException:  # SIGTERM and Ctrl-C arrive here as exceptions
            workspace.stop()
            raise
        return _verdict(list(stages.values()))

    _guard_server()
    # One worker: a second `dvc repro` in the same workspace would only wait for the lock, or miss it.
    runner: Any = ThreadPoolTaskRunner(max_workers=1)
    state: Any = flow(name="likeness", task_runner=runner)(body)(return_state=True)
    if state.is_crashed():
        raise StageFailedError(f"the flow did not end by itself: {state.message}")
    return {name: stage.result for name, stage in stages.items()}


def _verdict(stages: Sequence[StageTask]) -> Any:
    """The flow's final state, and a table of all results in its page of the UI."""
    from prefect.artifacts import create_table_artifact
    from prefect.states import Completed, Failed

    rows = [{"stage": s.name, "result": s.result, "seconds": round(s.seconds, 1)} for s in stages]
    create_table_artifact(key="stages", table=rows, description="What DVC did with each stage")
    counts = {r: sum(s.result == r for s in stages) for r in (RAN, CACHED, SKIPPED, FAILED, NOT_RUN)}
    message = ", ".join(f"{count} {result}" for result, count in counts.items() if count)
    logging.getLogger(__name__).info("%s", message)
    bad = counts[FAILED] + counts[NOT_RUN]
    return Failed(message=message) if bad else Completed(message=message)


def run_flow(targets: list[str] | None = None) -> dict[str, str]:
    """Check params, then run `targets` and what they need (None: the whole DAG) as a Prefect flow.

    Returns stage -> result. Uses the server that PREFECT_API_URL names, else a temporary one. Bad
    params raise before anything is started.
    """
    from pipeline import params

    params.require()
    return run_stages(graph(targets))
