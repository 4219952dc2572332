"""The crop stage's rate as a share of decoding, warping and encoding alone, and its peak memory.

    python -m benchmarks.crop [--faces 2000] [--rounds 5] [--side 250] [--workers 1]

Photographs are blurred noise of `side` x `side` pixels with five points each, crops are aligned, 112 px.
Alone means: OpenCV's calls on bytes that lie in memory, in as many threads. Rounds take turns; medians.
Aim: 0.8.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np

from pipeline import geometry, records, runtime, shards
from pipeline.cropping import Cropping
from pipeline.crops import Params
from pipeline.records import Sample
from stages.crop import FEWEST

SIZE = 112


def lay(folder: Path, faces: int, side: int) -> None:
    """The dataset of the photographs."""
    rng, writer = np.random.default_rng(0), records.Writer(folder)
    for number in range(faces):
        image = cv2.GaussianBlur(rng.integers(0, 256, (side, side, 3), np.uint8), (0, 0), 3)
        points = geometry.template(SIZE) * side / 200 + side / 5 + rng.normal(0, 2, (5, 2))
        writer.add(Sample(f"{number}", records.encode(image, 95), points5=points.ravel().tolist()))
    writer.close({})


def alone(faces: list[tuple[bytes, np.ndarray]], workers: int) -> None:
    template = geometry.template(SIZE)

    def one(face: tuple[bytes, np.ndarray]) -> None:
        image = cv2.imdecode(np.frombuffer(face[0], np.uint8), cv2.IMREAD_COLOR_RGB)
        matrix = geometry.similarity(face[1], template)
        crop = cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])

    if workers <= 1:
        for face in faces:
            one(face)
        return
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(one, faces, chunksize=64):
            pass


def stage(dataset: Path, kept: Path, faces: int, workers: int) -> None:
    """What the stage does, written and all."""
    task = Cropping(dataset, dataset, Params(image_size=SIZE), "source", {})
    task.check()
    cut = shards.stretches(faces, shards.rows(faces, FEWEST))
    bar, settings = SimpleNamespace(advance=lambda steps=1: None), runtime.Runtime(workers=workers)
    done = records.Writer(kept / "done")
    done.folder.mkdir(parents=True)
    for shard in shards.made(task, cut, kept, settings, bar):
        done.adopt(shard.parts, shard.facts["rows"])
        if shard.facts["set_aside"]:
            raise ValueError(f"{len(shard.facts['set_aside'])} faces were set aside")
    done.close({})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--side", type=int, default=250)
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "photos").mkdir()
        lay(folder / "photos", args.faces, args.side)
        faces = [
            (sample.image, np.reshape(sample.points5, (5, 2)))
            for sample in records.Dataset(folder / "photos").samples()
        ]
        rates: dict[str, list[float]] = {"alone": [], "stage": []}
        for number in range(args.rounds):
            start = time.perf_counter()
            alone(faces, args.workers)
            middle = time.perf_counter()
            stage(folder / "photos", folder / f"{number}", args.faces, args.workers)
            rates["alone"].append(args.faces / (middle - start))
            rates["stage"].append(args.faces / (time.perf_counter() - middle))
    shares = [ours / theirs for ours, theirs in zip(rates["stage"], rates["alone"], strict=True)]
    told = ", ".join(f"{name} {statistics.median(rate):.0f} faces/s" for name, rate in rates.items())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spread = f"{min(shares):.2f} to {max(shares):.2f}"
    print(f"{told}: {statistics.median(shares):.2f} of it ({spread}; aim 0.8), peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
