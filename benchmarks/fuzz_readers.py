"""Fuzzes the readers of binary files: any bytes give samples or a SourceError, in bounded time and memory.

    python -m benchmarks.fuzz_readers --reader rec --minutes 1       rec, idx, bin, tar, zip, image
    python -m benchmarks.fuzz_readers --reader bin --atheris         guided by coverage (pip install atheris)

Without atheris, whole seeds are mutated at random: bytes changed, pieces cut, doubled, and numbers of the
format set to their limits. A finding is written to `fuzz-<reader>-<hash>` and its traceback shown. What was
run so far stands in docs/datasets.md.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import pickle
import random
import resource
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

if "--atheris" in sys.argv:  # it follows what it saw being imported
    import atheris  # type: ignore[import-not-found]

    instrumented = atheris.instrument_imports(include=["pipeline.sources"])
else:
    instrumented = contextlib.nullcontext()
with instrumented:
    from pipeline.sources import SourceError, _image, recordio, verification_bin
    from pipeline.sources._insightface import Packer
    from pipeline.sources._tree import Tree

SLOW = 5.0  # seconds: no toy may take longer
LIMITS = [
    b"\0" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\0\0\0\x80",
    b"\x0a\x23\xd7\xce",
    b"\0\0\x80\x7f",
    b".",
]


def jpeg(seed: int) -> bytes:
    picture = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def seed_rec(folder: Path) -> bytes:
    with Packer(folder) as packer:
        for label in range(3):
            packer.add(label, [jpeg(label), b"\x0a\x23\xd7\xce" * 3])
    return (folder / "train.rec").read_bytes()


def read_rec(data: bytes, folder: Path) -> None:
    (folder / "train.rec").write_bytes(data)
    (folder / "train.idx").unlink(missing_ok=True)
    source = recordio.RecordSource(folder / "train.rec")
    list(source.tables())
    list(source.samples())


def seed_idx(folder: Path) -> bytes:
    seed_rec(folder)
    return (folder / "train.idx").read_bytes()


def read_idx(data: bytes, folder: Path) -> None:
    if not (folder / "train.rec").exists():
        seed_rec(folder)
    (folder / "train.idx").write_bytes(data)
    source = recordio.RecordSource(folder / "train.rec")
    list(source.tables())
    list(source.samples())


def seed_bin(folder: Path) -> bytes:
    arrays = [np.frombuffer(jpeg(i), np.uint8) for i in range(2)]
    return pickle.dumps(([*arrays, jpeg(2), np.zeros((2, 2), np.uint8)], [np.True_, False]), protocol=3)


def read_bin(data: bytes, folder: Path) -> None:
    verification_bin.read(data, "fuzz.bin")


def seed_tar(folder: Path) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a/1.jpg", "b/" + "long" * 40 + ".jpg", "ü.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 200
            archive.addfile(member, io.BytesIO(jpeg(1)[:200]))
    return file.getvalue()


def seed_zip(folder: Path) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/1.jpg", "b/2.jpg"):
            archive.writestr(name, bytes(300) + jpeg(1))
    return file.getvalue()


def read_archive(suffix: str) -> Callable[[bytes, Path], None]:
    def read(data: bytes, folder: Path) -> None:
        (folder / f"x{suffix}").write_bytes(data)
        tree = Tree(folder / f"x{suffix}")
        for path in tree.paths:
            tree.read(path)

    return read


def seed_image(folder: Path) -> bytes:
    return jpeg(0)


def read_image(data: bytes, folder: Path) -> None:
    for check in ("header", "decode"):
        _image.sample("x", data, "whole", check)  # type: ignore[arg-type]


READERS = {
    "rec": (seed_rec, read_rec),
    "idx": (seed_idx, read_idx),
    "bin": (seed_bin, read_bin),
    "tar": (seed_tar, read_archive(".tar")),
    "zip": (seed_zip, read_archive(".zip")),
    "image": (seed_image, read_image),
}


def mutated(seed: bytes, rng: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at, span = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 8, 64))
        kind = rng.randrange(6)
        if kind == 0 and data:
            data[min(at, len(data) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + span] = rng.randbytes(span)
        elif kind == 2:
            del data[at : at + span]
        elif kind == 3:
            data[at:at] = data[at : at + span]
        elif kind == 4:
            limit = rng.choice(LIMITS)
            data[at : at + len(limit)] = limit
        else:
            del data[at if rng.random() < 0.1 else len(data) :]
    return bytes(data)


def one(name: str, data: bytes, folder: Path) -> str | None:
    """What is wrong with the reader's answer to `data`, if anything."""
    started = time.perf_counter()
    try:
        READERS[name][1](data, folder)
    except SourceError:
        pass
    except Exception:
        return traceback.format_exc()
    took = time.perf_counter() - started
    return f"took {took:.1f} s" if took > SLOW else None


def keep(name: str, data: bytes, what: str) -> None:
    path = Path(f"fuzz-{name}-{hashlib.sha256(data).hexdigest()[:12]}")
    path.write_bytes(data)
    print(f"{path}:\n{what}")


def randomly(name: str, minutes: float, seed: int) -> int:
    rng, findings, runs = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as place:
        whole = READERS[name][0](Path(place))
        end = time.monotonic() + 60 * minutes
        while time.monotonic() < end and findings < 5:
            data = mutated(whole, rng)
            what = one(name, data, Path(place))
            runs += 1
            if what:
                findings += 1
                keep(name, data, what)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{name}: {runs} inputs in {minutes:g} minutes (seed {seed}), {findings} findings, peak {peak} MB")
    return findings


def guided(name: str, minutes: float) -> None:
    place = Path(tempfile.mkdtemp())
    corpus = place / "corpus"
    corpus.mkdir()
    (corpus / "seed").write_bytes(READERS[name][0](place))

    def test(data: bytes) -> None:
        what = one(name, data, place)
        if what:
            keep(name, data, what)
            raise RuntimeError(what)

    options = [f"-max_total_time={int(60 * minutes)}", "-max_len=8192", "-rss_limit_mb=2048", str(corpus)]
    atheris.Setup([sys.argv[0], *options], test)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--reader", choices=[*READERS, "all"], default="all")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    names = list(READERS) if given.reader == "all" else [given.reader]
    if given.atheris:
        guided(names[0], given.minutes)
    elif sum(randomly(name, given.minutes, given.seed) for name in names):
        sys.exit(1)


if __name__ == "__main__":
    main()
