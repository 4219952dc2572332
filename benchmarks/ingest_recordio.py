"""Ingest of a RecordIO file against reading the file alone, and crop `as_is` against copying it, in one run.

    python -m benchmarks.ingest_recordio [--faces 20000] [--size 112] [--rounds 5] [--cold] [--slow]

Each round measures every way once, in turn; the ratio is taken within a round and its median told, of seconds
and of processor time. "The file" is read in pieces of 1 MiB. Ingest is what the stage does without its
tracking: samples checked by their headers, and rows that say where they lie. Aim: 0.8 of reading the file.
Crop `as_is` is what the stage does: image bytes from the file into shards. A copy is read and written in
pieces of 1 MiB; as with shards, nobody waits until it is on the disk.

The file is in the page cache, as it is when it has just been written or hashed and memory holds it. With
`--cold` it is taken out of the cache before each way. `--slow` adds what ingest would be one by one: "its
records" by our reader, samples with headers checked, and with all images decoded.
"""

from __future__ import annotations

import argparse
import os
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
    "ingest": ingest,
    "a copy of the file": copy,
}
SLOW = {"its records": read_records, "samples, headers checked": read_samples, "samples, all decoded": decode}


def forget(path: Path) -> None:
    """Take the file out of the page cache."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())  # what isn't on the disk yet stays
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def taken(way: Callable[[Path], None], path: Path, cold: bool) -> np.ndarray:
    """Seconds and processor seconds."""
    if cold:
        forget(path)
    start = time.perf_counter(), time.process_time()
    way(path)
    return np.subtract((time.perf_counter(), time.process_time()), start)


def told(rounds: list[dict[str, np.ndarray]], way: str, other: str) -> str:
    """How fast `way` is as a share of `other`: by the clock and by processor time."""
    clock, processor = np.median([found[other] / found[way] for found in rounds], 0)
    return f"{clock:.2f} (processor time: {processor:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="ingest of a RecordIO file against reading it")
    for name, default in (("faces", 20_000), ("size", 112), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", help="where to work: on the disk that is to be measured")
    for name in ("cold", "slow"):
        parser.add_argument(f"--{name}", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as temporary:
        path = pack(Path(temporary), asked.faces, asked.size)
        size = os.stat(path).st_size
        ways = {**WAYS, **(SLOW if asked.slow else {}), "crop as_is": lambda path: as_is(path, asked.size)}
        ingest(path)  # compiles what it needs
        rounds = [
            {name: taken(way, path, asked.cold) for name, way in ways.items()} for _ in range(asked.rounds)
        ]
    where = "out of" if asked.cold else "in"
    print(f"{asked.faces} faces, {size / 1e6:.0f} MB {where} the page cache, median of {asked.rounds} rounds")
    for name in ways:
        took, processor = np.median([found[name] for found in rounds], 0)
        rate = f"{size / took / 1e6:8.0f} MB/s{asked.faces / took:12.0f} faces/s"
        print(f"{name:26}{rate}{processor:9.3f} s CPU, {told(rounds, name, 'the file')} of reading the file")
    ratios = [found["the file"][0] / found["ingest"][0] for found in rounds]
    verdict = "met" if np.median(ratios) >= AIM else "missed"
    print(f"aim {AIM}: {verdict} ({np.median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f})")
    print(f"crop as_is: {told(rounds, 'crop as_is', 'a copy of the file')} of a copy's speed")


if __name__ == "__main__":
    main()
