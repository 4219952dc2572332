"""kill -9 at random moments of training and distilling: the final weights must not notice.

    python -m pipeline run kill && python benchmarks/kill.py --kills 20 --seed 0

For each stage: one uninterrupted run gives the reference (sha256 of the model's files). Then, until enough
kills have struck something alive (one that came too late is drawn again), the stage is started from nothing,
killed at a random moment (DVC alone, the stage alone, or the whole group), and run again until it ends; its
model must be that of the reference, and at no sampled instant (every 0.1 s) may two trainers live.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

STAGES = {"train@teacher": "data/models/teacher", "distill@student": "data/models/student"}
WAYS = ("dvc", "stage", "group")
DRAWS = 10  # attempts a kill, at most


@dataclass(frozen=True)
class Moments:
    """When and how to kill: seconds after the start."""

    first: float
    last: float
    ways: Sequence[str]


def command(stage: str) -> list[str]:
    return [sys.executable, "-m", "dvc", "--wait-for-lock", "repro", "-s", "-f", "--no-run-cache", stage]


def trainers(folder: Path, stage: str) -> list[psutil.Process]:
    """Live main processes of the stage in this workspace (its forked workers have it as a parent)."""
    module, item = stage.split("@")
    found, where = [], str(folder.resolve())
    for process in psutil.process_iter(["cmdline", "status", "pid", "cwd"]):
        line = process.info["cmdline"] or []
        alive, here = process.info["status"] != psutil.STATUS_ZOMBIE, process.info["cwd"] == where
        if f"stages.{module}" in line and item in line and alive and here:
            found.append(process)
    pids = {process.pid for process in found}
    return [
        process for process in found if _parent(process) not in pids and "-c" not in process.info["cmdline"]
    ]


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def sha(folder: Path, model: str) -> str:
    """Of every file of the model, with its name."""
    digest = hashlib.sha256()
    for path in sorted(path for path in (folder / model).rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder / model).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def start(folder: Path, stage: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    log = open(folder / "kill.log", "ab")  # noqa: SIM115 - the child's for as long as it lives
    return subprocess.Popen(
        command(stage), cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
    )


def watch(process: subprocess.Popen[bytes], folder: Path, stage: str, until: float) -> int:
    """Waits for the end, or until `until`; the largest number of trainers seen alive at once."""
    most = 0
    while process.poll() is None and time.monotonic() < until:
        most = max(most, len(trainers(folder, stage)))
        time.sleep(0.1)
    return most


def strike(process: subprocess.Popen[bytes], folder: Path, stage: str, way: str) -> bool:
    """Kills what lives; whether anything did: DVC has not ended, and neither has (or not begun) the stage."""
    living = trainers(folder, stage)
    struck = process.poll() is None and (way != "stage" or bool(living))
    if struck and way == "group":
        os.killpg(process.pid, signal.SIGKILL)
    elif struck and way == "dvc":
        process.kill()
    elif struck:
        for trainer in living:
            trainer.kill()
    status = process.wait()
    # killed it was only if it did not end well in the same moment
    return struck and status != 0


def finish(folder: Path, stage: str, env: dict[str, str]) -> int:
    """Runs the stage to its end; DVC's own lock may need a moment after a kill."""
    most = 0
    for _ in range(5):
        process = start(folder, stage, env)
        most = max(most, watch(process, folder, stage, time.monotonic() + 900))
        if process.returncode == 0:
            return most
        time.sleep(1)
    raise SystemExit(f"{stage} did not end; see {folder / 'kill.log'}")


def trial(
    folder: Path, stage: str, moments: Moments, rng: random.Random, env: dict[str, str]
) -> dict[str, object]:
    way, after = rng.choice(moments.ways), rng.uniform(moments.first, moments.last)
    shutil.rmtree(folder / ".ckpt" / stage, ignore_errors=True)
    process = start(folder, stage, env)
    most = watch(process, folder, stage, time.monotonic() + after)
    struck = strike(process, folder, stage, way)
    saved = len(list((folder / ".ckpt" / stage).rglob("*.pt")))
    most = max(most, finish(folder, stage, env))
    weights = sha(folder, STAGES[stage])
    return {
        "stage": stage,
        "way": way,
        "after_s": round(after, 1),
        "struck": struck,
        "checkpoints": saved,
        "trainers": most,
        "sha": weights,
    }


def kills(
    folder: Path,
    stage: str,
    count: int,
    moments: Moments,
    reference: str,
    rng: random.Random,
    env: dict[str, str],
) -> list[dict[str, object]]:
    """The rows of `count` kills that struck; one that came too late is no kill, and another is drawn."""
    rows: list[dict[str, object]] = []
    for _ in range(DRAWS * count):
        if len(rows) == count:
            break
        row = trial(folder, stage, moments, rng, env)
        row["same"] = row["sha"] == reference
        print(row, flush=True)
        if row["struck"]:
            rows.append(row)
    if len(rows) < count:
        raise SystemExit(
            f"{stage}: {len(rows)} of {DRAWS * count} kills came in time, {count} were asked for"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace", type=Path, default=Path(".experiments/kill/smoke"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--latest", type=float, default=0.98, help="share of a run after which none strikes")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rng, rows = random.Random(given.seed), []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "LIKENESS_TRACKING": "later"}
    runtime = given.workspace / "runtime.yaml"
    runtime.write_text(re.sub(r"(?m)^checkpoint_seconds:.*$", "checkpoint_seconds: 0.5", runtime.read_text()))
    for stage in given.stages:
        model = STAGES[stage]
        shutil.rmtree(given.workspace / ".ckpt" / stage, ignore_errors=True)
        begun = time.monotonic()
        finish(given.workspace, stage, env)
        seconds, reference = time.monotonic() - begun, sha(given.workspace, model)
        print(f"{stage}: {seconds:.1f} s uninterrupted, model {reference}", flush=True)
        moments = Moments(0.05 * seconds, given.latest * seconds, given.ways)
        rows += kills(given.workspace, stage, given.kills // len(given.stages), moments, reference, rng, env)
    equal, most = sum(bool(row["same"]) for row in rows), max(int(str(row["trainers"])) for row in rows)
    print(f"{len(rows)} kills: {equal} with the same bits, at most {most} trainer at once")
    if given.out:
        given.out.write_text(json.dumps(rows, indent=2) + "\n")
    raise SystemExit(0 if equal == len(rows) and most <= 1 else 1)


if __name__ == "__main__":
    main()
