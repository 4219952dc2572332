"""Seconds of a `dvc repro` that has nothing to do, and where they go; aim: 2.

    python -m benchmarks.noop_repro [--rounds 5] [--here]

No code of the pipeline runs when nothing has changed, so all of it is DVC's own time: a part is fixed (a
repository of one stage takes it too), the rest grows with the stages of dvc.yaml. The stages are real, their
outputs are stand-ins in a copy of this repository; `--here` takes the outputs of this workspace, if they
are up to date.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AIM = 2.0
ROOT = Path(__file__).resolve().parent.parent
DVC = [sys.executable, "-m", "dvc"]
# Run by a Python of its own in the repository that is measured: the parts of one no-op, in seconds.
PARTS = """
import json, logging, time
start = time.perf_counter()
import dvc.cli, dvc.commands.repro
from dvc.repo import Repo
imported = time.perf_counter()
repo = Repo()
stages = len(repo.index.graph)
read = time.perf_counter()
logging.disable(logging.CRITICAL)
done = repo.reproduce()
end = time.perf_counter()
print(json.dumps({"stages": stages, "ran": len(done), "importing dvc": imported - start,
                  "reading dvc.yaml into a graph": read - imported, "comparing every stage": end - read}))
"""


def dvc(folder: Path, *arguments: str) -> str:
    done = subprocess.run([*DVC, *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"dvc {' '.join(arguments)} in {folder}:\n{done.stdout}{done.stderr}")
    return done.stdout


def seconds(command: list[str], folder: Path) -> tuple[float, float]:
    """On the clock, and on the processor: far apart where something else is busy."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - start, cpu


def copy(folder: Path) -> Path:
    """This repository's files, committed or not, without data; every output is a stand-in."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file() and not name.endswith("dvc.lock"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    if not (folder / ".dvc").exists():
        dvc(folder, "init", "-q")
    stand_in(folder)
    dvc(folder, "commit", "--force", "--quiet")
    return folder


def stand_in(folder: Path) -> None:
    """Something at every path that a stage would write."""
    from dvc.repo import Repo

    with Repo(str(folder)) as repo:
        paths = [Path(out.fs_path) for stage in repo.index.stages for out in stage.outs]
    for path in paths:
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"of": path.name}))
            continue
        path.mkdir(parents=True, exist_ok=True)
        for part in range(4):
            (path / f"part-{part}.arrow").write_bytes(f"{path} {part}".encode() * 1000)


def one_stage(folder: Path) -> Path:
    """The smallest repository: what it takes is DVC's fixed cost."""
    folder.mkdir()
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    dvc(folder, "init", "-q")
    shutil.copyfile(ROOT / ".dvc/config", folder / ".dvc/config")
    (folder / "in").write_text("1")
    (folder / "dvc.yaml").write_text("stages: {only: {cmd: cp in out, deps: [in], outs: [out]}}\n")
    dvc(folder, "repro", "--quiet")
    return folder


def measure(folder: Path, rounds: int) -> dict[str, float]:
    """Medians over the rounds; an error if a stage ran after all."""
    if "Running stage" in dvc(folder, "repro", "--dry"):
        raise SystemExit(f"{folder}: not everything is up to date: run `dvc repro` first")
    found: list[dict[str, float]] = []
    for _ in range(rounds):
        whole, cpu = seconds([*DVC, "repro"], folder)
        start, _ = seconds([sys.executable, "-c", ""], folder)
        parts = subprocess.run(
            [sys.executable, "-c", PARTS], cwd=folder, check=True, capture_output=True, text=True
        )
        named = {"dvc repro": whole, "of it on the processor": cpu, "starting Python": start}
        found.append({**named, **json.loads(parts.stdout.splitlines()[-1])})
    assert all(one["ran"] == 0 for one in found)
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description="seconds of a dvc repro that has nothing to do")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--here", action="store_true", help="measure this workspace and its real outputs")
    asked = parser.parse_args()
    os.environ["DVC_NO_ANALYTICS"] = "true"
    with tempfile.TemporaryDirectory() as temporary:
        where = ROOT if asked.here else copy(Path(temporary) / "copy")
        ours = measure(where, asked.rounds)
        floor = measure(one_stage(Path(temporary) / "one"), asked.rounds)
    whole, fixed = ours["dvc repro"], floor["dvc repro"]
    outputs = "real outputs" if asked.here else "stand-in outputs"
    print(f"{ours['stages']:.0f} stages, {outputs}, median of {asked.rounds} rounds")
    for name in (name for name in ours if name not in ("stages", "ran")):
        print(f"{name:34}{ours[name]:7.2f} s{100 * ours[name] / whole:6.0f} %")
    print(f"{'a repository of one stage':34}{fixed:7.2f} s{100 * fixed / whole:6.0f} %  (DVC's fixed cost)")
    print("DVC's own share: 100 % (no code of the pipeline runs)")
    print(f"aim {AIM:g} s: {'met' if whole <= AIM else 'missed'}")


if __name__ == "__main__":
    main()
