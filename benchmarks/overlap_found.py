"""How many people overlap finds who lie among the training faces under other names, and how many others go.

    python -m benchmarks.overlap_found lfw [--shared ../shared/data] [--rates 1e-6 1e-5 1e-4]
    python -m benchmarks.overlap_found drawn [--epochs 20] [--people 300]

lfw    real faces: half of the images of PLANTED people of LFW-a with two or more are the benchmark, the other
       half lies in the training set under a false name, among 600 people that are in no benchmark. Then the
       same with copies: the benchmark's own images, saved again smaller and as JPEG. The model is a foreign
       MobileFaceNet; nobody has a name that could help.
drawn  a synthetic world of size `demo` with 240 labelled people, 40 of them the benchmark's; faces, scout and
       overlap by the pipeline's own stages, in a folder of its own. Takes minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import yaml

from pipeline import crops, files, model, plugin, records
from pipeline.backbones import foreign as files_of
from pipeline.evaluate import embed, hashes, removals
from pipeline.evaluate.overlap import Faces
from pipeline.loader import Faces as Images
from pipeline.runtime import Runtime

PLANTED, STRANGERS = 200, 600
RAW = {"lfw.tar": "lfw_a_gray250_folds1-5_and_unpaired.tar", "boxes.json": "lfw_a_boxes_landmarks.json"}
MS1M = {
    "image_size": 112,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "divide": 255.0,
    "dim": 128,
}
SETTINGS = {"mutual_rate": 0.0, "duplicates": {"radius": 8, "similarity": 0.9, "identity": False}}
ROOT = Path(__file__).resolve().parent.parent


def foreign(shared: Path, folder: Path) -> model.Recogniser:
    params = files_of.Params(**MS1M)
    mean, std = files_of.normalisation(params)
    spec = model.ModelSpec(
        name="ms1m", kind="foreign", backbone="foreign", shape=params.model_dump(mode="json"),
        auditable=False, mean=mean, std=std,
    )  # fmt: skip
    model.save_foreign(folder, spec, shared / "weights" / "mobilefacenet_ms1m.onnx")
    return model.load(folder).recogniser


def people(shared: Path, folder: Path, planted: int, strangers: int) -> list[records.Sample]:
    """Aligned crops of `planted` people with two images or more and of other people, by name."""
    (folder / "raw").mkdir()
    for name, source in RAW.items():
        (folder / "raw" / name).symlink_to(shared.resolve() / source)
    source = plugin.load("sources", "folder")
    every = list(source.build(source.Params(), folder / "raw", {}).samples())
    images = pd.Series([sample.identity for sample in every if isinstance(sample, records.Sample)])
    counts = images.value_counts().sort_index()
    rng = np.random.default_rng(0)
    chosen = list(rng.choice(counts[counts >= 2].index, planted, replace=False))
    chosen += list(rng.choice(counts.index.difference(chosen), strangers, replace=False))
    (folder / "whole").mkdir()
    writer = records.Writer(folder / "whole")
    for sample in every:
        if isinstance(sample, records.Sample) and sample.identity in set(chosen):
            writer.add(sample)
    writer.close({})
    detector = plugin.load("detectors", "file")
    boxes = detector.build(detector.Params(path="boxes.json"), folder / "raw")
    whole = records.Dataset(folder / "whole", folder / "raw")
    crop = crops.Cropper(boxes, "aligned", 112)
    order = {who: place for place, who in enumerate(chosen)}
    made = [face for sample in whole.samples() for face in crop(sample)]
    found = [face for face in made if isinstance(face, records.Sample)]
    return sorted(found, key=lambda face: (order[str(face.identity)], face.sample_id))


def resaved(image: bytes) -> bytes:
    """Three quarters the size and back, JPEG at quality 60."""
    whole = records.decode(image)
    small = cv2.resize(whole, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    return records.encode(np.asarray(cv2.resize(small, whole.shape[1::-1]), np.uint8), 60)


def embedded(net: model.Recogniser, samples: Sequence[records.Sample], folder: Path) -> Faces:
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for sample in samples:
            writer.add(sample)
        writer.close({})
    images = hashes.Hashing(Images(folder))
    frame = records.Dataset(folder).frame(["sample_id", "identity"]).assign(name=None)
    return Faces.of("all", frame, embed.embed(net, images, Runtime()), images.hashes)


def part(dataset: str, faces: Faces, rows: Sequence[int], identity: Sequence[str]) -> Faces:
    """These rows as a dataset of its own, under these names."""
    assert faces.hashes is not None
    ids = [f"{who}/{row}" for who, row in zip(identity, rows, strict=True)]
    return Faces(dataset, ids, list(identity), [None] * len(rows), faces.vector[rows], faces.hashes[rows])


def halves(faces: Faces, planted: int) -> tuple[list[int], list[int], list[str]]:
    """Rows of the benchmark, rows of the training set, and the false name of every row."""
    numbers: dict[str | None, int] = {}
    name = [f"{numbers.setdefault(who, len(numbers)):05d}" for who in faces.identity]
    shots: dict[str, list[int]] = {}
    for row, who in enumerate(name):
        shots.setdefault(who, []).append(row)
    benchmark = [
        row for who, rows in shots.items() if int(who) < planted for row in rows[: (len(rows) + 1) // 2]
    ]
    return benchmark, sorted(set(range(len(name))) - set(benchmark)), name


def found(training: Faces, benchmark: Faces, planted: int, rate: float) -> dict[str, float]:
    """People found, strangers lost, strangers expected to be lost, images removed as copies."""
    given = {**SETTINGS, "false_match_rate": rate}
    result = removals.search([([training], [benchmark])], None, given)
    gone = {row["identity"] for row in result.rows if row["reason"] != "duplicate"}
    (limit, _), *_ = result.limits.values()
    copies = removals.duplicates.find(training, [benchmark], 8, 0.9)
    told = removals.expected("training", result.matches, result.limits)
    return {
        "found": sum(int(who) < planted for who in gone),
        "lost": sum(int(who) >= planted for who in gone),
        "expected": told["expected_false_removals"],
        "threshold": limit.value,
        "copies": len(copies),
    }


def lfw(
    shared: Path, rates: Sequence[float], planted: int, strangers: int
) -> dict[tuple[bool, float], dict[str, float]]:
    """(whether the planted images are copies, rate) -> what is found."""
    answer = {}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        net = foreign(shared, folder / "ms1m")
        samples = people(shared, folder, planted, strangers)
        every = embedded(net, samples, folder / "every")
        test, train, name = halves(every, planted)
        copies = [
            records.Sample(str(row), resaved(samples[row].image), identity=samples[row].identity)
            for row in test
        ]
        again = embedded(net, copies, folder / "again")
    benchmark = part("benchmark", every, test, [str(every.identity[row]) for row in test])
    others = part("training", every, train, [name[row] for row in train])
    alone = [row for row in train if int(name[row]) >= planted]
    both = replace(
        again,
        vector=np.concatenate([again.vector, every.vector[alone]]),
        hashes=np.concatenate([np.asarray(again.hashes), np.asarray(every.hashes)[alone]]),
    )
    names = [name[row] for row in (*test, *alone)]
    copied = part("training", both, range(len(names)), names)
    for kind, training in ((False, others), (True, copied)):
        for rate in rates:
            told = found(training, benchmark, planted, rate)
            answer[kind, rate] = told | {"faces": len(training.identity), "benchmark": len(test)}
    return answer


def drawn(epochs: int, labelled: int, seed: int) -> str:
    """What the overlap stage says of a world with 40 planted people, and the report's truth about it."""
    from pipeline.report import overlap
    from pipeline.report.gather import Results

    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params |= {"size": "demo", "world_seed": seed}
    params["data"]["unlabelled"] = params["data"]["clustered"] = "none"
    size = params["sizes"]["demo"]
    size["epochs"]["scout"] = epochs
    size["world"]["labelled"] |= {"identities": labelled, "planted": 40}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name in ("pipeline", "stages", "dvc.yaml", ".dvcignore"):
            (folder / name).symlink_to(ROOT / name)
        for name in params["datasets"]:
            (folder / "data/raw" / name).mkdir(parents=True)
        (folder / "data/overlap").mkdir()
        (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        parts = ("synthetic_train", "synthetic_validation")
        stages = [f"{stage} {part}" for part in parts for stage in ("ingest", "crop")]
        stages += ["ingest synthetic_test --benchmark", "crop synthetic_test --benchmark", "scout", "overlap"]
        for command in stages:
            line = [sys.executable, "-m", *f"stages.{command}".split()]
            subprocess.run(line, cwd=folder, check=True, env={**os.environ, "LIKENESS_TRACKING": "later"})
        shown = overlap.overlap(Results(folder / "data", params))
        assert shown is not None
        rows = [f"{row.dataset}: {row.truth}, expected by chance {row.expected:.1f}" for row in shown.cleaned]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["lfw", "drawn"])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-6, 1e-5, 1e-4])
    parser.add_argument("--planted", type=int, default=PLANTED)
    parser.add_argument("--strangers", type=int, default=STRANGERS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--people", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.what == "drawn":
        print(drawn(given.epochs, given.people, given.seed))
        return
    for (copied, rate), told in lfw(given.shared, given.rates, given.planted, given.strangers).items():
        kind = "copies" if copied else "other photographs"
        print(f"{kind}, false-match rate {rate:g}: found {told['found']:.0f} of {given.planted}", end="; ")
        print(f"lost {told['lost']:.0f} of {given.strangers} (expected {told['expected']:.2f})", end="; ")
        print(f"threshold {told['threshold']:.3f}, {told['copies']:.0f} images copied,", end=" ")
        print(f"{told['faces']} and {told['benchmark']} faces")


if __name__ == "__main__":
    main()
