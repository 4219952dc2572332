"""Does the evaluator show a bias where one was planted, and none where none was?

    python -m benchmarks.bias --folder FOLDER --model data/models/student [--people 200] [--groupings 10]
    python -m benchmarks.bias --folder FOLDER --rare black [--epochs 8]

Synthetic people of a world that the model was not trained on, as crops of 64 pixels, embedded by a trained
model as they are and blurred (Gaussian, `--sigma` pixels). People are dealt into five groups at random, so
that a balanced world has no bias but chance's; in the biased one every other photograph of the first group is
a blurred one (`--all`: every one). Errors are those of `pipeline.evaluate.fairness`, as the report shows
them: FMR and FNMR of each group at one global threshold, and whether the worst group's interval lies apart
from the best one's. Then the same with the renderer's races, where the balanced world has whatever bias the
model has. With `--rare` two nets are trained instead, on even shares of the races and on a world where one is
2 % of the people, and both are tested on even shares.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch

from benchmarks import drawn
from pipeline import model
from pipeline.augment.flip import Unchanged
from pipeline.evaluate import embed, fairness, vectors
from pipeline.loader import Faces
from pipeline.records import Dataset
from pipeline.runtime import Runtime
from pipeline.synthetic.world import RACES
from pipeline.train.batches import Batches, Stream
from pipeline.train.checkpoint import Checkpoints, seed_all
from pipeline.train.loop import fit
from pipeline.train.recognition import Recognition
from pipeline.train.schedule import Schedule

SHAPE = {"depth": [1, 1, 1, 1], "width": [8, 8, 16, 40, 80], "dim": 128, "stem_stride": 2, "dropout": 0.0}
HERE = Runtime(device="cpu", threads=1, workers=0)
GROUPS, IMPOSTORS, FAR, DRAWS = 5, 30_000, 0.01, 300


class Blurred:
    """Faces out of focus."""

    def __init__(self, faces: Faces, sigma: float) -> None:
        self.faces, self.sigma = faces, sigma

    def __len__(self) -> int:
        return len(self.faces)

    def images(self, positions: np.ndarray) -> torch.Tensor:
        sharp = self.faces.images(positions).numpy()
        return torch.from_numpy(np.stack([cv2.GaussianBlur(one, (0, 0), self.sigma) for one in sharp]))


def pairs(person: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Every genuine pair, and impostors of any two people."""
    first, second = np.triu_indices(len(person), 1)
    same = person[first] == person[second]
    others = np.flatnonzero(~same)
    rows = np.append(np.flatnonzero(same), rng.choice(others, min(len(others), IMPOSTORS), replace=False))
    told = {"a": first[rows], "b": second[rows], "same": same[rows]}
    return pd.DataFrame(told).assign(person_a=person[first[rows]], person_b=person[second[rows]])


def errors(listed: pd.DataFrame, sides: np.ndarray, code: np.ndarray, blurred: np.ndarray) -> dict[str, Any]:
    """What is measured of groups; `sides`: unit embeddings of sharp and of blurred faces."""
    unit = np.where(blurred[:, None], sides[1], sides[0])
    scores = vectors.cosine(unit, listed["a"].to_numpy(), listed["b"].to_numpy())
    described = pd.DataFrame({"group": code, "yaw_degrees": np.nan}, index=np.arange(len(code)))
    numbers, _ = fairness.measured(listed.assign(score=scores), described, ["group"], FAR, [0, 180], DRAWS, 0)
    return dict(numbers["attributes"]["group"])


def told(name: str, found: dict[str, Any], names: Sequence[str]) -> None:
    print(name)
    for rate in ("fmr", "fnmr"):
        rates = []
        for code, row in found["cohorts"].items():
            if code != "all":
                low, high = 100 * row[f"{rate}_low"], 100 * row[f"{rate}_high"]
                rates.append(f"{names[int(code)]} {100 * row[rate]:.1f} [{low:.1f}, {high:.1f}]")
        apart = found[rate]
        what = "apart" if apart["apart"] else "within the noise"
        print(
            f"  {rate.upper()}, % {', '.join(rates)}; worst {names[int(apart['worst'])]}, {what}", flush=True
        )


def groupings(person: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """Groups of people dealt at random, as the group of each face."""
    for seed in range(count):
        dealt = np.random.default_rng(seed).permutation(person.max() + 1) % GROUPS
        yield dealt[person]


def trained(folder: Path, races: dict[str, float], people: int, images: int, epochs: int) -> model.Recogniser:
    """The demo's student, from labels alone, of a world with these shares."""
    taken = drawn.photographs(folder, 132, people, images, races=races)
    faces = Faces(drawn.crops(folder, taken, "aligned"), needs_identity=True, cache_gb=4)
    margin = {"m": 0.2, "s": "adaptive"}
    known = {"head": "cosface", "classes": len(faces.classes), "margin": margin}
    spec = model.ModelSpec(name="net", shape=SHAPE, size=drawn.SIZE, **known)
    seed_all(0)
    net, stream = model.build(spec), Stream(faces, 32, 0, Unchanged(flip=True))
    with tempfile.TemporaryDirectory() as checkpoints:
        curves = fit(
            net,
            Recognition(model.build_head(spec, net.dim)),
            Batches(stream, seed=0),
            epochs=epochs,
            schedule=Schedule("sgd", lr=0.1, warmup=0.05),
            checkpoints=Checkpoints(checkpoints, "net", 1e9),
            seed=0,
            channels_last=True,
        )
    shares = (
        pd.Series(Dataset(faces.folder).frame(["race"])["race"]).value_counts(normalize=True).sort_index()
    )
    mix = ", ".join(f"{RACES[int(code)]} {share:.1%}" for code, share in shares.items())
    print(f"{len(faces)} faces ({mix}), {epochs} epochs, loss {curves[-1]['loss']:.2f}", flush=True)
    return net


def rare(asked: argparse.Namespace, place: Path, listed: pd.DataFrame, race: np.ndarray) -> None:
    """Errors of races by a net that saw few of one, and by one that saw as many of each."""
    few = {name: 0.02 if name == asked.rare else 0.245 for name in RACES}
    for name, races in (("even shares", dict.fromkeys(RACES, 0.2)), (f"{asked.rare} is 2 %", few)):
        net = trained(asked.folder, races, asked.trained, 8, asked.epochs)
        unit = vectors.fuse(embed.embed(net, Faces(place), HERE), "concat")
        told(name, errors(listed, np.stack([unit, unit]), race, np.zeros(len(race), bool)), RACES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where faces are drawn, once")
    parser.add_argument("--model", type=Path, default=Path("data/models/student"))
    parser.add_argument("--world", type=int, default=131)
    for name, default in (("people", 200), ("images", 6), ("groupings", 10)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--sigma", type=float, default=4.0)
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--rare", choices=RACES)
    for name, default in (("epochs", 8), ("trained", 250)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    photographs = drawn.photographs(asked.folder, asked.world, asked.people, asked.images, "validation")
    place = drawn.crops(asked.folder, photographs, "aligned")
    frame = Dataset(place).frame(["identity", "race"])
    person = pd.factorize(frame["identity"])[0]
    race = frame["race"].to_numpy(int)
    listed = pairs(person, np.random.default_rng(0))
    print(
        f"{len(frame)} faces of {asked.people} people, {int(listed['same'].sum())} genuine pairs", flush=True
    )
    if asked.rare:
        rare(asked, place, listed, race)
        return
    net, both = model.load(asked.model).recogniser, (Faces(place), Blurred(Faces(place), asked.sigma))
    sides = np.stack([vectors.fuse(embed.embed(net, faces, HERE), "concat") for faces in both])
    shots = np.arange(len(person)) % asked.images
    chosen = np.ones(len(person), bool) if asked.all else shots % 2 == 1
    counts: Counter[str] = Counter()
    for number, code in enumerate(groupings(person, asked.groupings)):
        balanced = errors(listed, sides, code, np.zeros(len(person), bool))
        biased = errors(listed, sides, code, (code == 0) & chosen)
        for rate in ("fmr", "fnmr"):
            counts[f"balanced {rate}"] += bool(balanced[rate]["apart"])
            counts[f"biased {rate}"] += bool(biased[rate]["apart"] and biased[rate]["worst"] == "0")
        if not number:
            told("balanced", balanced, "ABCDE")
            told("A blurred", biased, "ABCDE")
    print(f"of {asked.groupings} groupings, in FMR and FNMR:")
    print(f"  a group told apart in the balanced world {counts['balanced fmr']}, {counts['balanced fnmr']}")
    print(f"  the planted group told apart, as the worst {counts['biased fmr']}, {counts['biased fnmr']}")
    told("races, none blurred", errors(listed, sides, race, np.zeros(len(person), bool)), RACES)
    told(f"{RACES[2]} blurred", errors(listed, sides, race, (race == 2) & chosen), RACES)


if __name__ == "__main__":
    main()
