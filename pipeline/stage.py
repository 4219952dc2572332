"""What surrounds every stage: declared parameters, seed, runtime, tracking, progress, resume.

def main(run: stage.Run) -> None: ...

if __name__ == "__main__":
    stage.execute(main)
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import errno
import io
import logging
import os
import platform
import resource
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import declared, files, guard, leftovers, runtime
from pipeline.journal import Journal, git_state, group
from pipeline.progress import Progress, progress

log = logging.getLogger("pipeline.stage")
ASIDE = Path(".ckpt/set_aside")  # lists of stages that set too much aside: DVC keeps no output of those
WAIT = 20.0  # seconds that a second copy of a stage waits for the first
KNOWN = ("pipeline", "stages")  # an error raised in these packages needs no traceback


PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.ETIMEDOUT, errno.ECONNREFUSED, errno.ECONNRESET)
EXPERIMENT = ("DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")


class StageError(RuntimeError):
    """A stage that can't go on, and why."""


@dataclass(frozen=True)
class Run:
    """What a stage's `main` gets. Paths are relative to the repository's root."""

    name: str  # the file of the stage: "train"
    item: str | None  # "teacher" of train@teacher
    benchmark: bool  # benchmarks are prepared apart, by the same code
    declared: declared.Declared
    runtime: runtime.Runtime
    checkpoints: Path  # survives a kill, pruned on success
    journal: Journal
    seed: int
    side: dict[str, Any] = field(default_factory=dict)  # into data/runs/...: differs from run to run

    @property
    def params(self) -> dict[str, Any]:
        """Exactly the parameters that dvc.yaml declares for this stage, nested."""
        return self.declared.tree

    @property
    def prepared(self) -> Path:
        """Where this group's datasets lie."""
        return Path("data/benchmarks" if self.benchmark else "data/prepared")

    def say(self, text: str) -> None:
        """What came out, in one line, to the person who watches."""
        log.info("%s: %s", address_of(self.name, self.item, self.benchmark), text)

    def log(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Numbers of one step, to tracking."""
        self.journal.metrics(values, step)

    def figure(self, path: Path | str, name: str | None = None) -> None:
        """A picture or page that a person would look at, to tracking."""
        self.artifact(path, f"figures/{name or Path(path).name}")

    def artifact(self, path: Path | str, name: str | None = None) -> None:
        self.journal.artifact(Path(path), name or Path(path).name)

    def metrics(self, values: Mapping[str, Any]) -> None:
        """The stage's metrics file, and its numbers to tracking."""
        path = self.declared.out("data/metrics/")
        if path is None:
            raise StageError(f"dvc.yaml declares no data/metrics/... output for {self.declared.address}")
        files.write_json(path, values)
        flat = declared.flatten(values)
        self.log({key: value for key, value in flat.items() if isinstance(value, int | float)})

    def progress(self, total: float, what: str) -> contextlib.AbstractContextManager[Progress]:
        return progress(total, what)


def execute(main: Callable[[Run], None]) -> None:
    """Run a stage's `main` with all that surrounds it.

    Exit status: 2 for what is wrong with parameters, data or files (trying again can't help), 75 for
    what may pass, 1 for a surprise.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        name, item, benchmark = arguments(main, sys.argv[1:])
        guard.follow_dvc()
        address = os.environ.get(guard.STAGE) or address_of(name, item, benchmark)
        only = guard.only_copy(Path(".ckpt/locks") / f"{address}.lock", address, WAIT)
        with only, prepared(name, item, benchmark, address) as run:
            main(run)
        status = 0
    except KeyboardInterrupt:
        log.error("interrupted; what was done so far is kept")
        status = 130
    except Exception as error:
        status, told = explain(error)
        log.error("%s", told)
    logging.shutdown()
    sys.exit(status)


def arguments(main: Callable[[Run], None], given: list[str]) -> tuple[str, str | None, bool]:
    """The stage's name (its file's stem), item and --benchmark flag."""
    name = Path(main.__code__.co_filename).stem
    about = sys.modules[main.__module__].__doc__
    parser = argparse.ArgumentParser(prog=f"python -m stages.{name}", description=about)
    parser.add_argument("item", nargs="?", help="dataset or model, for a stage that has several")
    parser.add_argument("--benchmark", action="store_true", help="the dataset is a benchmark")
    parsed = parser.parse_args(given)
    return name, parsed.item, parsed.benchmark


def address_of(name: str, item: str | None, benchmark: bool) -> str:
    """ "crop", "x", True -> "benchmark_crop@x"."""
    stem = f"benchmark_{name}" if benchmark else name
    return stem if item is None else f"{stem}@{item}"


@contextlib.contextmanager
def listed(address: str, aside: Sequence[Mapping[str, str]]) -> Iterator[None]:
    """Where the block refuses a dataset, what was set aside is written down, and the error says where."""
    path = ASIDE / f"{address}.csv"
    path.unlink(missing_ok=True)  # of an earlier try
    try:
        yield
    except ValueError as error:
        text = io.StringIO()
        rows = [(row["sample_id"], row["reason"]) for row in aside]
        csv.writer(text, lineterminator="\n").writerows([("sample_id", "reason"), *rows])
        files.write_text(path, text.getvalue())
        raise type(error)(f"{error}. All {len(aside):,} are listed in {path}") from error


def root() -> Path:
    """The repository's root; that of the main repository in DVC's own copies of it."""
    return Path(os.environ.get("DVC_ROOT") or ".").resolve()


@contextlib.contextmanager
def prepared(name: str, item: str | None, benchmark: bool, address: str) -> Iterator[Run]:
    """Everything before and after a stage's own work."""
    begun = time.monotonic()
    what = declared.declared(address)
    settings = runtime.read()
    seed = seed_of(what.tree, name, item)
    lock = declared.read_lock()
    leftovers.move_aside(what.deps, lock)
    hashes = declared.dep_hashes(what.deps, lock, trust_lock=guard.STAGE in os.environ)
    kept = root() / ".ckpt" / address
    folder = kept / declared.fingerprint(what.params, hashes)
    with guard.only_copy(folder.with_suffix(".lock"), f"{address} with these parameters and inputs", WAIT):
        journal = journal_of(folder)
        params = declared.flatten({**declared.upstream_params(what.deps, lock), **what.params})
        journal.begin(address, params, tags(address, hashes))
        runtime.prepare(settings, seed)
        status = "FAILED"
        try:
            run = Run(name, item, benchmark, what, settings, folder, journal, seed)
            yield run
            write_record(what, journal, time.monotonic() - begun, settings, run.side)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            journal.end(status)
        files.remove_dir(folder)
    prune(kept)


def seed_of(params: Mapping[str, Any], name: str, item: str | None) -> int:
    """The stage's own seed among its parameters, 0 if it has none."""
    own = params.get(name, {})
    own = own.get(item, own) if isinstance(own, Mapping) and item else own
    return int(own.get("seed", 0)) if isinstance(own, Mapping) else 0


def journal_of(folder: Path) -> Journal:
    """The journal of a new run, or of the run that this one resumes."""
    path = folder / "run.json"
    if path.exists():
        known = files.read_json(path)
        log.info("an earlier attempt is kept in %s: going on from there", folder)
        return Journal(root(), key=known["key"], started=known["started"])
    journal = Journal(root())
    files.write_json(path, {"key": journal.key, "started": journal.started})
    return journal


def tags(address: str, hashes: Mapping[str, str]) -> dict[str, str]:
    """A run's marks: stage, Git revision, hash of each input, the `dvc repro` it belongs to."""
    own = {"stage": address, "group": group(), **git_state()}
    experiment = {name: os.environ[name] for name in EXPERIMENT if name in os.environ}
    return {**own, **experiment, **{f"dep.{dep}": value for dep, value in hashes.items()}}


def write_record(
    what: declared.Declared,
    journal: Journal,
    seconds: float,
    settings: runtime.Runtime,
    side: Mapping[str, Any] | None = None,
) -> None:
    """data/runs/...: what differs from run to run, so that nothing depends on it."""
    path = what.out("data/runs/")
    if path is None:
        return
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB here
    record = {
        "run": journal.key,
        "mlflow_run_id": journal.mlflow_run_id(),
        "started": journal.started / 1000,
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(max(peaks) / unit, 1),
        "machine": machine(settings),
    }
    files.write_json(path, {**(side or {}), **record})


def machine(settings: runtime.Runtime) -> dict[str, Any]:
    facts = {"system": platform.system(), "processor": platform.machine(), "cores": runtime.cores()}
    return {**facts, "threads": settings.threads, **runtime.versions()}


def prune(kept: Path) -> None:
    """Drop this stage's checkpoints of other parameters, unless another workspace is at them."""
    for lock in kept.glob("*.lock"):
        if (file := guard.hold(lock)) is not None:
            files.remove_dir(lock.with_suffix(""))
            lock.unlink(missing_ok=True)
            file.close()
    files.sweep(kept)
    with contextlib.suppress(OSError):
        kept.rmdir()


def explain(error: Exception) -> tuple[int, str]:
    """Exit status and message: one line for an error that names its cause, a traceback for a surprise."""
    *_, last = traceback.extract_tb(error.__traceback__)
    ours = any(f"/{package}/" in last.filename.replace(os.sep, "/") for package in KNOWN)
    named = type(error).__module__.split(".")[0] in ("pipeline", "pydantic_core")
    if isinstance(error, guard.BusyError) or (isinstance(error, OSError) and error.errno in PASSING):
        return 75, f"error: {error}"
    if told := runtime.nondeterministic(error):
        return 2, f"error: {told}"
    if (
        named
        or isinstance(error, OSError)
        or (ours and isinstance(error, ValueError | RuntimeError | ArithmeticError))
    ):
        return 2, f"error: {error}"
    return 1, "".join(traceback.format_exception(error))
