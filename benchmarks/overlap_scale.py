"""Overlap search at size, against the plain matrix product in the same run.

    python -m benchmarks.overlap_scale [--scale 1] [--rounds 1]

100,000 identities x 512 against 50,000 single test faces: for every identity the nearest face and for every
face the nearest identity (`pipeline.evaluate.overlap.nearest`). Peer: the product of the same blocks, and
nothing else. Aim: half its speed, 2 GB at most (both sets and all that the search takes). `--scale 0.2`
shrinks both sides to a fifth and takes a few seconds. Times are of the wall and, behind the slash, of the
processor: on a busy machine read the second. Peak memory is the whole process's, that of each way by itself.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from collections.abc import Callable

import numpy as np

from pipeline.evaluate import overlap

PEOPLE, FACES, DIM, PLANTED = 100_000, 50_000, 512, 40


def sets(scale: float) -> tuple[overlap.Faces, overlap.Faces]:
    """Random directions, an image a person; the first PLANTED test faces are of the first people."""
    rng = np.random.default_rng(0)
    people, faces = max(PLANTED, int(PEOPLE * scale)), max(PLANTED, int(FACES * scale))
    left, right = (rng.standard_normal((count, DIM), dtype=np.float32) for count in (people, faces))
    right[:PLANTED] = left[:PLANTED] + 0.5 * right[:PLANTED]
    for each in (left, right):
        each /= np.linalg.norm(each, axis=1, keepdims=True)
    ids = [f"p{number:06d}" for number in range(people)]
    test = [f"t{number:06d}" for number in range(faces)]
    return (
        overlap.Faces("train", ids, ids, [None] * people, left),
        overlap.Faces("test", test, [None] * faces, [None] * faces, right),
    )


def product(scale: float) -> float:
    """The plain product, in blocks of the same size."""
    train, test = sets(scale)
    step, total = max(1, overlap.CELLS // len(test.vector)), 0.0
    for start in range(0, len(train.vector), step):
        total += float((train.vector[start : start + step] @ test.vector.T)[0, 0])
    return total


def search(scale: float) -> int:
    """Ours; how many of the planted people found their face."""
    train, test = sets(scale)
    match = overlap.nearest(train, [test], (True, False))
    return 0 if match is None else sum(match.matched[n] == f"t{n:06d}" for n in range(PLANTED))


def apart(work: Callable[[float], float], scale: float) -> tuple[float, float, float, float]:
    """(answer, wall s, processor s, peak GB) of work(scale) in a process of its own, less making the sets."""
    parent, child = multiprocessing.get_context("fork").Pipe()

    def run() -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        sets(scale)
        made = time.perf_counter() - wall, time.process_time() - cpu
        wall, cpu = time.perf_counter(), time.process_time()
        answer = work(scale)
        spent = time.perf_counter() - wall - made[0], time.process_time() - cpu - made[1]
        child.send((answer, *spent, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    child.close()
    answer: tuple[float, float, float, float] = parent.recv()
    process.join()
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=1)
    given = parser.parse_args()
    best: dict[str, tuple[float, float, float, float]] = {}
    for _ in range(given.rounds):
        for name, work in (("product", product), ("search", search)):
            found = apart(work, given.scale)
            if name not in best or found[2] < best[name][2]:
                best[name] = found
    people, faces = int(PEOPLE * given.scale), int(FACES * given.scale)
    print(f"{people:,} identities x {DIM} against {faces:,} faces")
    for name, (_, wall, cpu, peak) in best.items():
        rate = 2e-9 * people * faces * DIM / cpu
        print(
            f"  {name:8s} {wall:7.2f} / {cpu:7.2f} s, {rate:.0f} GFLOP a processor second, peak {peak:.2f} GB"
        )
    plain, ours = best["product"], best["search"]
    print(f"  search at {plain[1] / ours[1]:.2f} / {plain[2] / ours[2]:.2f} of the product's speed (aim 0.5)")
    print(f"  planted people who found their face: {ours[0]:.0f} of {PLANTED}")


if __name__ == "__main__":
    main()
