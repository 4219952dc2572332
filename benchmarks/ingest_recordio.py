"""Ingest of a RecordIO file against reading the file alone, and crop `as_is` against copying it, in one run.

    python -m benchmarks.ingest_recordio [--faces 20000] [--size 112] [--rounds 5]

Each round measures every way once, in turn; the ratio is taken within a round and its median told. "The file"
is read in pieces of 1 MiB, "its records" one by one by our reader. Ingest is what the stage does without its
tracking: samples checked by their headers, and rows that say where they lie. Aim: 0.8 of reading the file.
Crop `as_is` is what the stage does: image bytes from the file into shards. A copy is read and written in
pieces of 1 MiB; as with shards, nobody waits until it is on the disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline import cropping, crops, files, progress, reading, records, runtime
from pipeline.sources import recordio
from pipeline.sources._insightface import Packer

AIM = 0.8
EACH = 20  # images of an identity


def pack(folder: Path, count: int, size: int) -> Path:
    """A packed set of smooth random pictures, about as many bytes each as an aligned face."""
    random = np.random.default_rng(0)
    images = []
    for _ in range(200):
        coarse = cv2.resize(random.integers(0, 256, (24, 24, 3), np.uint8), (size, size))
        images.append(records.encode(np.asarray(coarse, np.uint8)))
    with Packer(folder, size=(size, size)) as packer:
        for label in range(count // EACH):
            packer.add(label, [images[(label * EACH + i) % len(images)] for i in range(EACH)])
    return folder / "train.rec"


def read_file(path: Path) -> None:
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass


def read_records(path: Path) -> None:
    for _ in recordio.Reader(path).scan():
        pass


def read_samples(path: Path) -> None:
    for _ in recordio.RecordSource(path).samples():
        pass


def decode(path: Path) -> None:
    for _ in recordio.RecordSource(path, check="decode").samples():
        pass


def ingest(path: Path) -> None:
    source = recordio.RecordSource(path)
    with files.writing_dir(path.parent / "ingested") as folder, progress.progress(0, "ingest") as bar:
        writer = records.Writer(folder)
        reading.collect(source, writer, path.parent / "kept", runtime.Runtime(), bar)
        writer.close(source.about())


def copy(path: Path) -> None:
    """What any copy of the images costs: read, write."""
    with open(path.parent / "copy", "wb") as out, open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            out.write(piece)


def as_is(path: Path, side: int) -> None:
    dataset = records.Dataset(path.parent / "ingested", path.parent)
    with files.writing_dir(path.parent / "cropped") as folder:
        writer = records.Writer(folder)
        resolution = crops.Resolution(side)
        for batch in cropping.untouched(dataset, side, range(len(dataset))):
            cropping.put(writer, batch, resolution)
        writer.close(dataset.about)
        if writer.set_aside:
            raise ValueError(f"{len(writer.set_aside)} images were set aside")


WAYS: dict[str, Callable[[Path], None]] = {
    "the file": read_file,
    "its records": read_records,
    "samples, headers checked": read_samples,
    "samples, all decoded": decode,
    "ingest": ingest,
    "a copy of the file": copy,
}


def seconds(way: Callable[[Path], None], path: Path) -> float:
    start = time.perf_counter()
    way(path)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description="ingest of a RecordIO file against reading it")
    for name, default in (("faces", 20_000), ("size", 112), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        path = pack(Path(temporary), asked.faces, asked.size)
        size = os.stat(path).st_size
        ways = {**WAYS, "crop as_is": lambda path: as_is(path, asked.size)}
        ingest(path)  # compiles what it needs
        rounds = [{name: seconds(way, path) for name, way in ways.items()} for _ in range(asked.rounds)]
    print(f"{asked.faces} faces, {size / 1e6:.0f} MB in the page cache, median of {asked.rounds} rounds")
    for name in ways:
        took = statistics.median(found[name] for found in rounds)
        ratio = statistics.median(found["the file"] / found[name] for found in rounds)
        rate = asked.faces / took
        print(f"{name:28}{size / took / 1e6:10.0f} MB/s{rate:12.0f} faces/s{ratio:8.3f} of reading the file")
    measured = statistics.median(found["the file"] / found["ingest"] for found in rounds)
    passed = statistics.median(found["a copy of the file"] / found["crop as_is"] for found in rounds)
    print(
        f"aim {AIM}: {'met' if measured >= AIM else 'missed'}; crop as_is is {passed:.2f} of a copy's speed"
    )


if __name__ == "__main__":
    main()
