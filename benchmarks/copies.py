"""How near the hashes of LFW-a's faces are: of the same photograph cut differently, and of different ones.

    python -m benchmarks.copies [--shared ../shared/data] [--every 1]

Told are the share of faces whose hash stays within 8 bits where the crop is shifted (any direction, seed 0),
the share of all pairs of photographs that are as near, and how many of these the embedding of a foreign
MobileFaceNet takes for copies at a cosine of 0.9, the default of `overlap.duplicates`.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.overlap_found import RAW, ROOT, embedded, foreign
from pipeline import geometry, records
from pipeline.evaluate import hashes
from pipeline.evaluate.vectors import normalise

SIZE, RADIUS, SIMILARITY, SHIFTS = 112, 8, 0.9, (0.02, 0.04)


def cuts(shared: Path, every: int) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Each photograph's name, its aligned crop, and the same shifted by shares of its side."""
    known, rng = json.loads((shared / RAW["boxes.json"]).read_text()), np.random.default_rng(0)
    with tarfile.open(shared / RAW["lfw.tar"]) as archive:
        for number, member in enumerate(one for one in archive if one.isfile()):
            if number % every:
                continue
            name, file = Path(member.name).name, archive.extractfile(member)
            assert file is not None
            image, points = records.decode(file.read()), np.reshape(known[name][5:], (5, 2))
            matrix, angle = geometry.similarity(points, geometry.template(SIZE)), rng.uniform(0, 2 * np.pi)
            aside = np.zeros((2, 3))
            aside[:, 2] = SIZE * np.cos(angle), SIZE * np.sin(angle)
            moved = [matrix + share * aside for share in (0.0, *SHIFTS)]
            yield name, [cv2.warpAffine(image, m, (SIZE, SIZE), flags=cv2.INTER_LINEAR) for m in moved]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--every", type=int, default=1, help="every so many images")
    given = parser.parse_args()
    names, crops, found = [], [], []
    for name, made in cuts(given.shared, given.every):
        names.append(name)
        crops.append(made[0])
        found.append(hashes.hashes(np.stack(made)))
    plain, *shifted = np.stack(found, axis=1)
    for share, other in zip(SHIFTS, shifted, strict=True):
        near = np.minimum(*np.bitwise_count(plain[:, :1] ^ other).T) <= RADIUS
        print(f"shifted by {share:.0%}: {near.mean():.1%} of {len(near)} faces within {RADIUS} bits")
    blocks = [(a[a < b], b[a < b]) for a, b, _ in hashes.within(plain, plain, RADIUS)]
    left, right = (np.concatenate(part) for part in zip(*blocks, strict=True))
    pairs = len(names) * (len(names) - 1) // 2
    print(f"{len(left)} of {pairs / 1e6:.1f} million pairs as near: {1e5 * len(left) / pairs:.1f} of 100,000")
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    samples = [records.Sample(names[row], records.encode(crops[row], 101)) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        net = foreign(given.shared, Path(folder) / "ms1m")
        vectors = normalise(embedded(net, samples, Path(folder) / "faces").vector)
    one, two = places.reshape(2, -1)
    copies = np.flatnonzero((vectors[one] * vectors[two]).sum(1) >= SIMILARITY)
    person = [name.rpartition("_")[0] for name in names]
    others = sum(person[left[pair]] != person[right[pair]] for pair in copies)
    print(f"{len(copies)} of them copies by the embedding, {others} of these under two names")


if __name__ == "__main__":
    main()
