"""What the evaluator streams, each against its floor in the same run: the matrix product, the net alone.

    python -m benchmarks.streams [--scale 1] [--only pairs roc embed]

pairs   all pairs of one split of BLUFR on LFW (9,708 faces x 512, 47 million pairs) into a streaming ROC, as
        `pipeline.evaluate.exhaustive` does it; floor: the same tiles of the product and nothing else.
roc     the same of 141,421 faces: 10^10 pairs; `--scale 0.1` is a tenth of them. Then the impostors at and
        above the thresholds of the far tail are counted once more, score by score: these counts must agree.
embed   a dataset of 112-pixel JPEGs through `pipeline.evaluate.embed`, mirror images too; floor: the net on
        the same images in memory. Aim: 0.9.

Times are of the wall and, behind the slash, of the processor: on a busy machine read the second. Each way
runs in a process of its own; peak memory is that process's.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evaluator import DIM, Clock, apart
from benchmarks.loader import write
from pipeline import model
from pipeline.evaluate import embed, exhaustive, spread, tiles, vectors
from pipeline.evaluate.resampled import People
from pipeline.evaluate.streaming import StreamingRoc
from pipeline.loader import Faces
from pipeline.runtime import Runtime

PARTS = ("pairs", "roc", "embed")
FACES, PEOPLE, MANY = 9_708, 4_249, 141_421  # of a split of BLUFR; of 10^10 pairs
FARS = (1e-6, 1e-7)
DRAWS = 100  # of the bootstrap that is timed
IMAGES, SIDE = 4_000, 112


def faces(count: int, people: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    who = np.sort(rng.integers(0, people, count))
    mean = rng.standard_normal((people, DIM), dtype=np.float32)
    unit = np.empty((count, DIM), np.float32)
    for start in range(0, count, 20_000):
        rows = slice(start, start + 20_000)
        noise = rng.standard_normal((len(who[rows]), DIM), dtype=np.float32)
        unit[rows] = vectors.normalise(mean[who[rows]] + 2.5 * noise)
    return unit, who


def product(unit: np.ndarray, who: np.ndarray, clock: Clock) -> dict[str, Any]:
    """The tiles of the product, nothing done with them."""
    side = int(np.sqrt(tiles.BYTES / 4))

    def run() -> None:
        for top in range(0, len(unit), side):
            for left in range(top, len(unit), side):
                unit[top : top + side] @ unit[left : left + side].T

    clock("all", run)
    return {}


def streamed(unit: np.ndarray, who: np.ndarray, clock: Clock) -> dict[str, Any]:
    state = StreamingRoc()
    clock("all", lambda: exhaustive.all_pairs(unit, who, state))
    tars = [state.tar_at_far(far) for far in FARS]
    return {"pairs": state.genuine.count + state.impostors.count, "tars": tars}


def recounted(unit: np.ndarray, who: np.ndarray, threshold: float) -> int:
    """Impostor pairs at or above a threshold, counted off the product with nothing kept."""
    found, side = 0, 4096
    for top in range(0, len(unit), side):
        for left in range(top, len(unit), side):
            scores = unit[top : top + side] @ unit[left : left + side].T
            row, column = np.nonzero(scores >= threshold)
            row, column = row + top, column + left
            found += int(((row < column) & (who[row] != who[column])).sum())
    return found


def drawn(unit: np.ndarray, who: np.ndarray, clock: Clock) -> dict[str, Any]:
    """What the intervals of one split cost beyond the split itself."""
    names = np.array([f"p{k}" for k in who], object)
    state = StreamingRoc()
    exhaustive.all_pairs(unit, names, state)
    people = People.of(names, DRAWS)

    def run() -> np.ndarray:
        pairs = spread.compared(unit, names, state, 1e-3, people)
        return spread.resampled.tar(pairs, [1e-3, 1e-4], people)

    clock("all", run)
    return {}


def pairs(scale: float) -> None:
    unit, who = faces(max(200, int(FACES * scale**0.5)), max(20, int(PEOPLE * scale**0.5)))
    told("pairs", unit, who)
    taken = apart(drawn, unit, who)
    print("  intervals, {} draws: {:.1f} / {:.1f} s".format(DRAWS, *taken["steps"]["all"]))


def told(name: str, unit: np.ndarray, who: np.ndarray) -> dict[str, Any]:
    plain, mine = apart(product, unit, who), apart(streamed, unit, who)
    wall, cpu = (plain["steps"]["all"][k] / mine["steps"]["all"][k] for k in (0, 1))
    taken = "{:.1f} / {:.1f} s".format(*mine["steps"]["all"])
    rate, peak = mine["pairs"] / mine["steps"]["all"][1] / 1e6, mine["peak"] / 1e9
    print(f"{name}: {len(unit)} faces, {mine['pairs']:.3g} pairs in {taken}, {rate:.0f} M pairs a CPU-second")
    print(
        f"  {wall:.2f} / {cpu:.2f} of the product's rate,"
        f" peak {peak:.2f} GB ({mine['before'] / 1e9:.2f} before)"
    )
    return mine


def roc(scale: float) -> None:
    count = max(500, int(MANY * scale**0.5))
    unit, who = faces(count, max(50, count // 20))
    for tar in told("roc", unit, who)["tars"]:
        if tar["tar"] is None:
            print(f"  {tar['note']}")
            continue
        again = recounted(unit, who, np.float32(tar["threshold"]))
        agree = "agree" if again == tar["false_accepts"] else "DIFFER"
        print(
            f"  FAR {tar['far']:g}: TAR {tar['tar']:.4f}, exact: {tar['exact']}, {tar['false_accepts']} false"
            f" accepts, recounted {again}: they {agree}"
        )


def embedding(scale: float) -> None:
    count = max(300, int(IMAGES * scale))
    shape = {"depth": [1, 1, 1, 1], "width": [8, 8, 16, 40, 80], "dim": 128, "stem_stride": 2, "dropout": 0.0}
    torch.set_num_threads(1)
    net = model.build(model.ModelSpec(name="net", shape=shape, size=SIDE)).eval()
    runtime = Runtime(device="cpu", threads=1, workers=0)
    with tempfile.TemporaryDirectory() as folder:
        place = write(Path(folder) / "faces", count, SIDE)
        images = Faces(place, cache_gb=64.0).images(np.arange(count))

        def alone(clock: Clock) -> dict[str, Any]:
            def run() -> None:
                with torch.inference_mode():
                    for start in range(0, count, embed.BATCH):
                        for flip in (False, True):
                            pixels = images[start : start + embed.BATCH]
                            pixels = pixels.flip(2) if flip else pixels
                            net(model.normalise(pixels, net.spec.mean, net.spec.std))

            clock("all", run)
            return {}

        def whole(clock: Clock) -> dict[str, Any]:
            clock("all", lambda: embed.embed(net, Faces(place), runtime))
            return {}

        ratios = []
        for _ in range(3):
            plain, mine = apart(alone), apart(whole)
            ratios.append([plain["steps"]["all"][k] / mine["steps"]["all"][k] for k in (0, 1)])
    wall, cpu = np.median(ratios, 0)
    print(f"embed: {count} images of {SIDE} px and mirror images: {wall:.2f} / {cpu:.2f} of the net's rate")
    print("  {:.1f} / {:.1f} s (aim 0.9), peak {:.2f} GB".format(*mine["steps"]["all"], mine["peak"] / 1e9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    asked = parser.parse_args()
    for name, run in (("pairs", pairs), ("roc", roc), ("embed", embedding)):
        if name in asked.only:
            run(asked.scale)


if __name__ == "__main__":
    main()
