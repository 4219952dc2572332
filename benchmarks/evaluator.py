"""The evaluator at the benchmarks' full sizes, against plain restatements of the common way, in one run.

    python -m benchmarks.evaluator [--scale 1] [--only ijb megaface folds] [--distractors 1000000] [--alone]

ijb       469,375 x 512 features, 23,124 templates, 15,658,489 pairs, 19,593 probes against galleries of 1,772
          and 1,759, by what the evaluate stage runs (`pipeline.evaluate.templated`): 1:1 ends with its
          EER, AUC and table of pairs, no bootstrap. Peer: a loop over templates and media, pairs in slices
          of 100,000 rows and scikit-learn's curve, argsort of the whole product. Aim: 5 times faster (10),
          2 GB or less, equal numbers.
megaface  3,530 probes of 80 people among 1,000,000 distractors, read from disk. Peer: the matrix product of
          the same blocks from the same file. Ours keeps what intervals need. Aim: 0.6 of its rate, 2 GB.
folds     accuracy of 6,000 pairs over 10 folds. Peer: 400 thresholds, one after the other. Aim: 20 times.

`--scale 0.01` shrinks the first two. Features are random directions around one of each person. Times are of
the wall and, behind the slash, of the processor: on a busy machine read the second. Each way runs in a
process of its own; peak memory is the whole process's, less what it held before (the features).
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse.csgraph  # noqa: F401  so that no way pays for an import
from sklearn.metrics import auc, roc_curve

from pipeline.evaluate import distractors, folds, intervals, templated, vectors
from pipeline.protocols import Asked

PARTS = ["folds", "ijb", "megaface"]
RANKS, FARS = [1, 5, 10], [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
IMAGES, DIM, PAIRS, PROBES, GALLERIES = 469_375, 512, 15_658_489, 19_593, (1_772, 1_759)
FACES, PEOPLE, GENUINE = 3_530, 80, 19_557


@dataclass
class World:
    """IJB-C's sizes: enrolled templates of every subject in one of two galleries, and mixed probes."""

    features: np.ndarray
    template: np.ndarray
    medium: np.ndarray
    person: np.ndarray  # of each template id
    gallery: np.ndarray  # 1, 2, 0: a probe; of each template id
    first: np.ndarray
    second: np.ndarray


def world(scale: float) -> World:
    rng = np.random.default_rng(0)
    galleries, probes = [max(4, int(n * scale)) for n in GALLERIES], max(40, int(PROBES * scale))
    subjects = sum(galleries)
    person = np.concatenate([np.arange(subjects), rng.integers(0, subjects, probes)])
    gallery = np.concatenate([np.repeat([1, 2], galleries), np.zeros(probes, int)])
    images = max(len(person), int(IMAGES * scale))
    template = np.concatenate([np.arange(len(person)), rng.integers(0, len(person), images - len(person))])
    medium = rng.integers(0, 8, images) + 8 * template
    mean = rng.standard_normal((subjects, DIM), dtype=np.float32)
    features = np.empty((images, DIM), np.float32)
    for start in range(0, images, 20_000):
        rows = slice(start, start + 20_000)
        noise = rng.standard_normal((len(template[rows]), DIM), dtype=np.float32)
        features[rows] = mean[person[template[rows]]] + 3.5 * noise
    enrolled, sought = np.flatnonzero(gallery), np.flatnonzero(gallery == 0)
    mates = np.stack([person[sought], sought], 1)[:GENUINE]  # a subject's enrolled template has its number
    cells = rng.choice(len(enrolled) * len(sought), int(PAIRS * scale**2) - len(mates), replace=False)
    cells.sort()
    pairs = np.concatenate([mates, np.stack([cells // len(sought), sought[cells % len(sought)]], 1)])
    return World(features, template, medium, person, gallery, *pairs.T.astype(np.int32).copy())


class Clock:
    """Wall and processor seconds of named steps."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[float, float]] = {}

    def __call__(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter(), time.process_time()
        answer = work()
        self.steps[name] = (time.perf_counter() - start[0], time.process_time() - start[1])
        return answer


def ours_ijb(w: World, clock: Clock) -> dict[str, Any]:
    members = pd.DataFrame({"template": w.template, "identity": w.person[w.template], "media": w.medium})
    same = w.person[w.first] == w.person[w.second]
    fold = np.zeros(len(same), np.int16)
    pairs = pd.DataFrame({"fold": fold, "a": w.first, "b": w.second, "same": same}, copy=False)
    galleries = {name: _roles(w, number) for name, number in (("1", 1), ("2", 2))}
    pooled = clock("templates", lambda: templated.pool(w.features, members, "none", False))
    verified = clock("1:1", lambda: templated.verify(pooled, pairs, FARS, 0, 0))
    found = clock("1:N", lambda: templated.search(pooled, galleries, Asked(RANKS, [0.01, 0.1])))
    tars = [one["tar"] for one in verified.metrics["tar_at_far"]]
    cmc = [[one["cmc"][f"rank_{k}"] for k in RANKS] for one in found.metrics["galleries"].values()]
    return {"unit": pooled.unit, "tar": tars, "cmc": cmc}


def _roles(w: World, number: int) -> pd.DataFrame:
    """The list of one gallery: its templates, and every probe."""
    enrolled, known = w.gallery == number, np.isin(w.person, w.person[w.gallery == number])
    role = np.select([enrolled, known], ["gallery", "mated"], "unmated")
    rows = np.flatnonzero(enrolled | (w.gallery == 0))
    return pd.DataFrame({"role": role[rows], "template": rows})


def common_ijb(w: World, clock: Clock) -> dict[str, Any]:
    """As the common evaluators do it, restated: float64 templates by loops, whole products and sorts."""
    unit, same = clock("templates", lambda: _loop_over_templates(w)), w.person[w.first] == w.person[w.second]

    def one_to_one() -> np.ndarray:
        scores = np.zeros(len(w.first))
        for start in range(0, len(scores), 100_000):
            rows = np.arange(start, min(start + 100_000, len(scores)))
            scores[rows] = np.sum(unit[w.first[rows]] * unit[w.second[rows]], -1)
        fpr, tpr, _ = roc_curve(same, scores)
        auc(fpr, tpr)
        fpr, tpr = np.flipud(fpr), np.flipud(tpr)
        [tpr[np.argmin(np.abs(fpr - far))] for far in FARS]
        return scores

    def search() -> list[list[float]]:
        probes = np.flatnonzero(w.gallery == 0)
        cmc = []
        for number in (1, 2):
            gallery = np.flatnonzero(w.gallery == number)
            order = np.argsort(-(unit[probes] @ unit[gallery].T), axis=1)[:, :10]
            hit = w.person[gallery][order] == w.person[probes][:, None]
            hit = hit[np.isin(w.person[probes], w.person[gallery])]
            cmc.append([float(hit[:, :k].any(1).mean()) for k in RANKS])
        return cmc

    scores = clock("1:1", one_to_one)
    return {"unit": unit, "tar": _at_most(scores, same), "cmc": clock("1:N", search)}


def _at_most(scores: np.ndarray, same: np.ndarray) -> list[float]:
    """The largest TAR with FAR <= x, which is ours; the common way reads the nearest, off another curve."""
    impostors, genuine = -np.sort(-scores[~same]), scores[same]
    return [float((genuine > impostors[int(far * len(impostors) + 1e-9)]).mean()) for far in FARS]


def _loop_over_templates(w: World) -> np.ndarray:
    rows = w.features / np.sqrt(np.sum(w.features**2, -1, keepdims=True))
    total = np.zeros((len(w.person), DIM))
    for name in range(len(w.person)):
        (mine,) = np.where(w.template == name)
        faces, media = rows[mine], w.medium[mine]
        total[name] = np.sum([faces[media == one].mean(0) for one in np.unique(media)], 0)
    return total / np.sqrt(np.sum(total**2, -1, keepdims=True))


def apart(work: Callable[..., dict[str, Any]], *given: Any) -> dict[str, Any]:
    """work(*given, clock) in a forked process: its answer, steps, and how much its peak rose."""
    parent, child = multiprocessing.get_context("fork").Pipe()

    def run() -> None:
        clock, before = Clock(), _resident()
        answer = work(*given, clock)
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        child.send({**answer, "steps": clock.steps, "before": before, "peak": peak})

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    child.close()
    answer = parent.recv()
    process.join()
    return answer


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def ijb(scale: float, alone: bool) -> None:
    w = world(scale)
    print(f"ijb: {w.features.shape[0]} x {DIM}, {len(w.person)} templates, {len(w.first)} pairs")
    ours = apart(ours_ijb, w)
    if alone:
        print(f"  ours {ours['steps']}, peak {ours['peak'] / 1e9:.2f} GB")
        return
    common = apart(common_ijb, w)
    for step, (wall, cpu) in ours["steps"].items():
        peer = common["steps"][step]
        print(f"  {step:10s} ours {wall:7.2f} / {cpu:7.2f} s   common {peer[0]:7.2f} / {peer[1]:7.2f} s")
    for name, steps in (("all", list(ours["steps"])), ("1:1 alone", ["templates", "1:1"])):
        mine, peer = (np.sum([one["steps"][s] for s in steps], 0) for one in (ours, common))
        print(f"  {name}: {peer[0] / mine[0]:.1f} / {peer[1] / mine[1]:.1f} times as fast (aim 5 to 10)")
    for name, one in (("ours", ours), ("common", common)):
        held, peak = one["before"] / 1e9, one["peak"] / 1e9
        print(f"  {name}: peak {peak:.2f} GB, of these {held:.2f} held before (aim 2)")
    difference = max(
        float(np.nanmax(np.abs(np.asarray(ours[key], float) - np.asarray(common[key], float))))
        for key in ("unit", "tar", "cmc")
    )
    print(f"  largest difference of a template, a TAR or a rank's share: {difference:.1e} (aim 1e-6)")


def _write_directions(path: Path, count: int, rng: np.random.Generator) -> None:
    with open(path, "wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (count, DIM)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, 20_000):
            rng.standard_normal((min(20_000, count - start), DIM), dtype=np.float32).tofile(file)


def megaface(scale: float, count: int) -> None:
    rng = np.random.default_rng(0)
    count = max(1000, int(count * scale))
    people = rng.integers(0, PEOPLE, max(200, int(FACES * scale)))
    mean = rng.standard_normal((PEOPLE, DIM), dtype=np.float32)
    probes = mean[people] + 2.5 * rng.standard_normal((len(people), DIM), dtype=np.float32)
    sizes = [10**k for k in range(1, 7) if 10**k < count] + [count]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "distractors.npy"
        _write_directions(path, count, rng)

        def product(clock: Clock) -> dict[str, Any]:
            unit = vectors.normalise(probes)
            step = distractors.BYTES // (4 * len(unit))
            out = np.empty((len(unit), step), np.float32)

            def run() -> None:
                for block in distractors.npy_blocks(path, step):
                    np.matmul(unit, block.T, out=out[:, : len(block)])

            clock("all", run)
            return {}

        def ours(clock: Clock) -> dict[str, Any]:
            blocks = distractors.npy_blocks(path)
            kept = intervals.highest(1e-6, len(probes) * count)  # for the intervals of evaluate
            return clock("all", lambda: distractors.megaface(probes, people, blocks, sizes, kept=kept))

        plain, mine = apart(product), apart(ours)
    wall, cpu = (plain["steps"]["all"][k] / mine["steps"]["all"][k] for k in (0, 1))
    taken, peak = "{:.1f} / {:.1f} s".format(*mine["steps"]["all"]), mine["peak"] / 1e9
    print(f"megaface, {len(people)} x {count}: {wall:.2f} / {cpu:.2f} of the product's rate")
    print(f"  ours {taken} (aim 0.6 of the rate), peak {peak:.2f} GB (aim 2)")
    print(f"  rank 1: { {n: round(cmc[1], 4) for n, cmc in mine['cmc'].items()} }")
    for tar in mine["tar_at_far"]:
        print(f"  TAR {tar['tar']} at FAR {tar['far']:g}, exact: {tar['exact']}")


def tenfold(repeats: int = 5) -> None:
    rng = np.random.default_rng(0)
    same = np.arange(6000) % 600 < 300
    scores = np.tanh(rng.normal(np.where(same, 0.5, 0.05), 0.14))
    fold = np.arange(6000) // 600
    distance = 2 - 2 * scores

    def loop() -> float:
        accuracy = []
        for k in range(10):
            right = [np.mean((distance[fold != k] < t) == same[fold != k]) for t in np.arange(0, 4, 0.01)]
            for t in np.arange(0, 4, 0.01):  # the common loop draws its ROC of the tested fold, too
                np.mean((distance[fold == k] < t) == same[fold == k])
            t = np.arange(0, 4, 0.01)[int(np.argmax(right))]
            accuracy.append(np.mean((distance[fold == k] < t) == same[fold == k]))
        return float(np.mean(accuracy))

    def timed(work: Callable[[], float]) -> tuple[float, float]:
        taken = []
        for _ in range(repeats):
            start = time.process_time()
            found = work()
            taken.append(time.process_time() - start)
        return found, min(taken)

    (mine, ours), (theirs, common) = timed(lambda: folds.kfold(scores, same, fold).mean), timed(loop)
    print(f"folds: ours {1e3 * ours:.1f} ms ({mine:.4%}), the loop {1e3 * common:.0f} ms ({theirs:.4%}),")
    print(f"  {common / ours:.0f} times as fast (aim 20)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--distractors", type=int, default=1_000_000)
    parser.add_argument("--alone", action="store_true", help="ijb without its slow peer")
    arguments = parser.parse_args()
    if "folds" in arguments.only:
        tenfold()
    if "ijb" in arguments.only:
        ijb(arguments.scale, arguments.alone)
    if "megaface" in arguments.only:
        megaface(arguments.scale, arguments.distractors)


if __name__ == "__main__":
    main()
