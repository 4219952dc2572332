"""Throughput of the batches that training gets, against decoding alone on as many threads, in one run.

    python -m benchmarks.loader [--faces 4000] [--size 112] [--workers N] [--rounds 5]

Each round measures every way once, in turn, so that what else the machine does hits them alike; the ratio is
taken within a round, and its median over the rounds is told. Aim: 0.9 or more of decoding alone for what the
workers hand over (read, decoded, mirrored, stacked). The faces are smooth random pictures, JPEG, quality 95.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from pipeline import files, plugin, records
from pipeline.loader import Faces
from pipeline.runtime import cores
from pipeline.train.ahead import ahead
from pipeline.train.batches import Batches, Stream

AIM = 0.9
BATCH = 64
LOADER = "loader, decoding each time"


def write(folder: Path, count: int, size: int) -> Path:
    """`count` pictures in which JPEG finds as much to do as in a face."""
    random = np.random.default_rng(0)
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for row in range(count):
            coarse = random.integers(0, 256, (9, 9, 3), np.uint8)
            picture = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC).astype(np.int16)
            picture += random.integers(-6, 7, picture.shape, np.int16)
            image = np.clip(picture, 0, 255).astype(np.uint8)
            writer.add(records.Sample(str(row), records.encode(image), identity=str(row % 50)))
        writer.close({})
    return folder


def decoding(folder: Path, workers: int) -> Callable[[], int]:
    """Every image once in random order, decoded and dropped."""
    dataset = records.Dataset(folder)
    order = np.random.default_rng(1).permutation(len(dataset))
    parts = np.array_split(order, len(order) // BATCH)

    def some(rows: np.ndarray) -> int:
        return sum(len(dataset.image(int(row))) > 0 for row in rows)

    def run() -> int:
        with ThreadPoolExecutor(workers) as pool:
            return sum(pool.map(some, parts))

    return run


def augmenting(folder: Path, name: str) -> Callable[[], int]:
    """Every eighth image once, decoded and augmented, one after the other."""
    dataset, module = records.Dataset(folder), plugin.load("augment", name)
    augment = module.build(module.Params())
    rows = range(0, len(dataset), 8)

    def run() -> int:
        for row in rows:
            augment.image(dataset.image(row), row)
        return len(rows)

    return run


def loading(
    folder: Path, workers: int, augment: str, *, cache_gb: float = 0.0, whole: bool = False
) -> Callable[[], int]:
    """An epoch as the workers hand it over: bytes, augmented and mirrored; `whole`: normalised here too."""
    faces = Faces(folder, needs_identity=True, cache_gb=cache_gb)
    module = plugin.load("augment", augment)
    stream = Stream(faces, BATCH, 0, module.build(module.Params()))
    batches = Batches(stream, workers=workers)
    if whole:
        return lambda: sum(len(batch) for _, batch in batches.run(0, batches.steps))
    processes = not stream.augment.only_flip

    def run() -> int:
        coming = ahead(batches.raw, 0, batches.steps, workers=workers, processes=processes)
        return sum(len(raw["label"]) for _, raw in coming)

    return run


def rate(run: Callable[[], int]) -> float:
    """Images a second."""
    start = time.perf_counter()
    count = run()
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="loader throughput against decoding alone")
    for name, default in (("faces", 4000), ("size", 112), ("workers", cores()), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = write(Path(temporary) / "faces", asked.faces, asked.size)
        ways = {
            "decoding alone": decoding(folder, asked.workers),
            LOADER: loading(folder, asked.workers, "flip"),
            "the same, and normalising": loading(folder, asked.workers, "flip", whole=True),
            "decoded once, and normalising": loading(
                folder, asked.workers, "flip", cache_gb=64.0, whole=True
            ),
            "decoding and `wild`, one core": augmenting(folder, "wild"),
            "loader with `wild`": loading(folder, asked.workers, "wild"),
        }
        rounds = [{name: rate(run) for name, run in ways.items()} for _ in range(asked.rounds)]
    print(f"{asked.faces} faces of {asked.size} px, {asked.workers} workers, median of {asked.rounds} rounds")
    for name in ways:
        ratio = statistics.median(found[name] / found["decoding alone"] for found in rounds)
        speed = statistics.median(found[name] for found in rounds)
        print(f"{name:32}{speed:12.0f} images/s{ratio:8.2f} of decoding alone")
    measured = statistics.median(found[LOADER] / found["decoding alone"] for found in rounds)
    print(f"aim {AIM}: {'met' if measured >= AIM else 'missed'}")


if __name__ == "__main__":
    main()
