"""kill -9 at random moments of ingest and crop: no finished shard is made again, and the bits are the same.

    python -m benchmarks.kill_shards [--kills 10] [--seed 0] [--cases processes cluster] [--out rows.json]

processes  ingest draws faces of 32 px in two processes; the stage, or one of its processes, is killed.
cluster    crop cuts photographs on two Dask workers of this machine; the stage, or a worker, is killed.

One uninterrupted run gives the reference (sha256 of the dataset's files) and the time in which it makes
shards. Then, until enough kills have struck something alive, the stage is started from nothing, killed in
that time and run again until it ends; where a worker of a cluster is killed it has to end by itself. A
dataset's parts are links to those of its shards: one that was finished before a kill and isn't linked
afterwards was made again. Stages are forked from a process that has imported what they need, to save time.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.ingest_recordio import pack
from pipeline import files, stage

ROOT = Path(__file__).resolve().parent.parent
PHOTOS, PEOPLE = 2560, 80  # five shards of 512 rows, five of 128 (eight photographs a person)
DRAWS, RUNS = 10, 4  # attempts a kill, and runs after one, at most
WAYS = ("stage", "worker")
WARM = get_context("forkserver")


@dataclass(frozen=True)
class Case:
    """A stage of one dataset in a workspace."""

    folder: Path
    stage: str
    item: str
    cluster: Any = None

    @property
    def kept(self) -> Path:
        return self.folder / ".ckpt" / f"{self.stage}@{self.item}"

    @property
    def done(self) -> Path:
        return self.folder / "data/prepared" / self.stage / self.item

    def start(self) -> BaseProcess:
        cluster = f"cluster: {self.cluster.scheduler_address}\n" if self.cluster else ""
        (self.folder / "runtime.yaml").write_text(f"workers: 2\n{cluster}")
        process = WARM.Process(target=execute, args=(self.folder, self.stage, self.item))
        process.start()
        return process

    def forget(self) -> None:
        for path in (self.kept, self.done):
            files.remove_dir(path)

    def begun(self, process: BaseProcess) -> bool:
        """Waits until the stage makes its first shard; whether it lives then."""
        while process.is_alive() and not any(self.kept.glob("*/shards/*0*")):
            time.sleep(0.02)
        return process.is_alive()

    def finished(self) -> set[tuple[int, int]]:
        """The parts of finished shards, by their inodes and times."""
        return identities(self.kept.glob("*/shards/[0-9]*/part-*"))

    def linked(self) -> set[tuple[int, int]]:
        return identities(self.done.glob("part-*"))

    def sha(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(self.done.iterdir()):
            digest.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
        return digest.hexdigest()[:16]


def identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """What tells a file that was made again from the one before it."""
    return {(seen.st_ino, seen.st_mtime_ns) for seen in (path.stat() for path in paths)}


def execute(folder: Path, name: str, item: str) -> None:
    """python -m stages.NAME ITEM in the workspace, which keeps its log."""
    with open(folder / "kill.log", "ab", buffering=0) as log:
        for descriptor in (1, 2):
            os.dup2(log.fileno(), descriptor)
    os.chdir(folder)
    sys.argv = [f"stages.{name}", item]
    stage.execute(import_module(f"stages.{name}").main)


def ended(process: BaseProcess) -> int | None:
    """Its exit status, once it has ended."""
    process.join()
    return process.exitcode


def workspace(folder: Path) -> None:
    """Params, code by links, and photographs in a packed set."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"size": "smoke", "world_seed": 0}
    params["data"] |= {"unlabelled": "photos", "clustered": "none"}
    params["datasets"]["photos"] = {"source": "recordio", "box": "whole", "crop": "tight"}
    params["worlds"]["home"]["image_size"] = 32
    params["sizes"]["smoke"]["world"]["labelled"] |= {"identities": PEOPLE, "images": 8}
    for name in ("pipeline", "stages", "dvc.yaml", ".dvcignore"):
        (folder / name).symlink_to(ROOT / name)
    for name in params["datasets"]:
        (folder / "data/raw" / name).mkdir(parents=True)
    pack(folder / "data/raw/photos", PHOTOS, 96)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def finish(case: Case) -> int:
    """Runs the stage until it ends well; how often that took."""
    for run in range(1, RUNS + 1):
        if ended(case.start()) == 0:
            return run
    raise SystemExit(f"{case.stage} did not end:\n{(case.folder / 'kill.log').read_text()[-2000:]}")


def reference(case: Case) -> tuple[float, str]:
    """Seconds in which shards are made, and the bits, of an uninterrupted run."""
    case.forget()
    process = case.start()
    case.begun(process)
    begun = time.monotonic()
    if ended(process):
        raise SystemExit(f"{case.stage} failed:\n{(case.folder / 'kill.log').read_text()[-2000:]}")
    return time.monotonic() - begun, case.sha()


def strike(case: Case, process: BaseProcess, way: str, rng: random.Random) -> bool:
    """Kills what lives; whether anything did."""
    if not process.is_alive():
        return False
    if way == "stage":
        process.kill()
        return ended(process) != 0
    if case.cluster:
        nanny = rng.choice(sorted(case.cluster.workers))
        victim = case.cluster.workers[nanny].pid
    else:
        found = psutil.Process(process.pid).children()
        pids = [child.pid for child in found if "spawn_main" in " ".join(child.cmdline())]
        victim = rng.choice(pids) if pids else None
    if not victim:  # not begun, or being begun again
        return False
    psutil.Process(victim).kill()
    return True


def trial(case: Case, way: str, after: float, rng: random.Random) -> dict[str, Any]:
    case.forget()
    process = case.start()
    if case.begun(process):
        process.join(after)
    done = case.finished()
    with contextlib.suppress(psutil.NoSuchProcess):
        struck = strike(case, process, way, rng)
    alone = ended(process) == 0
    runs = 0 if alone else finish(case)
    again = len(done - case.linked()) if struck else 0
    told = {"case": case.stage, "way": way, "after_s": round(after, 1), "struck": struck}
    told["worker"] = bool(case.cluster) and way == "worker"
    return {**told, "finished": len(done), "again": again, "ended": alone, "runs": runs, "sha": case.sha()}


def kills(case: Case, count: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """The rows of `count` kills that struck; one that came too late is no kill, and another is drawn."""
    seconds, bits = reference(case)
    print(f"{case.stage}: {seconds:.1f} s of shards uninterrupted, files {bits}", flush=True)
    struck = 0
    for _ in range(DRAWS * count):
        if struck == count:
            return
        row = trial(case, rng.choice(WAYS), rng.uniform(0, seconds), rng)
        row["same"] = row["sha"] == bits
        print(row, flush=True)
        struck += row["struck"]
        yield row
    raise SystemExit(f"{case.stage}: {struck} kills of {DRAWS * count} came in time, {count} were asked for")


def run(case: str, folder: Path, count: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    if case == "processes":
        yield from kills(Case(folder, "ingest", "synthetic_train"), count, rng)
        return
    from distributed import LocalCluster

    finish(Case(folder, "ingest", "photos"))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield from kills(Case(folder, "crop", "photos", cluster), count, rng)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=10, help="of each case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--cases", nargs="+", choices=["processes", "cluster"], default=["processes", "cluster"]
    )
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    os.environ["LIKENESS_TRACKING"] = "later"
    WARM.set_forkserver_preload(["stages.ingest", "stages.crop", "distributed", "pandas", "cv2"])
    rng, rows = random.Random(given.seed), []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        workspace(Path(made))
        for case in given.cases:
            rows += run(case, Path(made), given.kills, rng)
    struck = [row for row in rows if row["struck"]]
    same, again = sum(row["same"] for row in rows), sum(row["again"] for row in rows)
    finished = sum(row["finished"] for row in struck)
    print(f"{len(struck)} kills: {same} of {len(rows)} runs with the same bits", end="; ")
    print(f"{finished} shards were finished before, {again} of them made again")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=2) + "\n")
    stopped = sum(row["worker"] and not row["ended"] for row in struck)  # a cluster has other workers
    if stopped:
        print(f"{stopped} stages did not end by themselves although only a worker of the cluster was killed")
    raise SystemExit(0 if same == len(rows) and not again and not stopped else 1)


if __name__ == "__main__":
    main()
