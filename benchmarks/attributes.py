"""Are the attributes of synthetic people readable from photographs? A small net learns them and is tested.

    python -m benchmarks.attributes --folder /tmp/faces                    # to choose on: world 0, validation
    python -m benchmarks.attributes --folder /tmp/faces --test-world 121   # reported once: another world

One IR net with a linear head for each attribute, cross-entropies summed, trained on labelled people of
world 0; mirror images are averaged in the test. Aims: gender, race, pitch, yaw 95 %, age group 85 %. The
codes are those of `pipeline.annotators`. `clean` are the same people in the same pictures without occluders,
masks, blur and low resolution, |yaw| <= 60. Intervals are 95 %, by a bootstrap over people.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from benchmarks import drawn
from pipeline import files, model
from pipeline.annotators import SIZES, age_group, angle_bin
from pipeline.augment.flip import Unchanged
from pipeline.contracts import Batch, Objective, Outputs
from pipeline.loader import Faces
from pipeline.records import Dataset
from pipeline.synthetic.world import RACES
from pipeline.train.batches import Batches, Stream
from pipeline.train.checkpoint import Checkpoints, seed_all
from pipeline.train.loop import fit
from pipeline.train.schedule import Schedule

AIMS = {"gender": 0.95, "race": 0.95, "age_group": 0.85, "yaw": 0.95, "pitch": 0.95}
NAMES = list(SIZES)
SHAPE = {"depth": [1, 2, 2, 2], "width": [16, 16, 32, 64, 128], "dim": 128, "stem_stride": 2, "dropout": 0.2}
CLASSES = {
    "gender": ("woman", "man"),
    "race": RACES,
    "age_group": ("0-19", "20-49", "50+"),
    "yaw": ("< -30", "> 30", "else"),
    "pitch": ("< -30", "> 30", "else"),
}
OTHER_SIDE = [1, 0, 2]  # the yaw code of the mirror image
FRONTAL = 60.0  # largest |yaw| of a clean photograph, degrees
DRAWS = 1000


@dataclass(frozen=True)
class Truth:
    """What is known of n faces: codes in the order of `NAMES`, people as numbers, degrees and years."""

    codes: Int[np.ndarray, "n attributes"]
    person: Int[np.ndarray, " n"]
    yaw: Float[np.ndarray, " n"]
    age: Float[np.ndarray, " n"]


def truth(folder: Path) -> Truth:
    frame = Dataset(folder).frame(["identity", "age", "gender", "race", "yaw", "pitch"])
    columns = {
        "age_group": age_group(frame["age"].to_numpy()),
        "yaw": angle_bin(frame["yaw"].to_numpy()),
        "pitch": angle_bin(frame["pitch"].to_numpy()),
        "gender": frame["gender"].to_numpy(),
        "race": frame["race"].to_numpy(),
    }
    codes = np.stack([columns[name].astype(np.int64) for name in NAMES], 1)
    person = np.unique(frame["identity"].to_numpy(str), return_inverse=True)[1]
    return Truth(codes, person, frame["yaw"].to_numpy(), frame["age"].to_numpy())


class Readers(Objective):
    """A linear head for each attribute on the embedding; one cross-entropy each."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(dim, SIZES[name]) for name in NAMES)

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        codes = batch.extras["codes"]
        pairs = zip(NAMES, self.logits(outputs.embedding), codes.unbind(1), strict=True)
        return {name: F.cross_entropy(logits, code) for name, logits, code in pairs}

    def logits(self, embedding: Float[Tensor, "b dim"]) -> list[Tensor]:
        """(b, classes) of each attribute."""
        return [head(embedding) for head in self.heads]


def mirrored(codes: Int[Tensor, "b attributes"], _: int) -> Int[Tensor, "b attributes"]:
    """The codes of the mirror images: of a face that looks to the other side."""
    codes, at = codes.clone(), NAMES.index("yaw")
    codes[:, at] = torch.tensor(OTHER_SIDE, device=codes.device)[codes[:, at]]
    return codes


def fresh(seed: int) -> tuple[nn.Module, Readers]:
    """Net and heads before training."""
    seed_all(seed)
    spec = model.ModelSpec(name="attributes", backbone="ir", shape=SHAPE, size=drawn.SIZE)
    return model.build(spec), Readers(SHAPE["dim"])


def train(
    net: nn.Module, readers: Readers, folder: Path, epochs: int, seed: int, batch: int, rate: float
) -> None:
    """`epochs` over the crops in `folder`."""
    faces = Faces(folder, cache_gb=4)
    stream = Stream(
        faces,
        batch,
        seed,
        Unchanged(flip=True),
        extras={"codes": truth(folder).codes},
        mirror={"codes": mirrored},
    )
    started = time.perf_counter()

    def tell(epoch: int) -> Mapping[str, float]:
        print(f"epoch {epoch + 1} of {epochs}, {time.perf_counter() - started:.0f} s", flush=True)
        return {}

    with tempfile.TemporaryDirectory() as checkpoints:
        curves = fit(
            net,
            readers,
            Batches(stream, seed=seed),
            epochs=epochs,
            schedule=Schedule("sgd", lr=rate, warmup=0.05),
            checkpoints=Checkpoints(checkpoints, "attributes", 1e9),
            seed=seed,
            channels_last=True,
            end_of_epoch=tell,
        )
    print("last epoch: " + ", ".join(f"{name} {curves[-1][name]:.3f}" for name in NAMES))


@torch.no_grad()
def read(net: nn.Module, readers: Readers, folder: Path) -> list[Float[np.ndarray, "n classes"]]:
    """For each attribute how likely its classes are, face by face, the mirror image's say averaged in."""
    faces, found = Faces(folder), []
    for start in range(0, len(faces), 128):
        image = model.normalise(faces.images(np.arange(start, min(start + 128, len(faces)))))
        straight, other = (
            [logits.softmax(1) for logits in readers.logits(net(seen).embedding)]
            for seen in (image, image.flip(-1))
        )
        other[NAMES.index("yaw")] = other[NAMES.index("yaw")][:, OTHER_SIDE]
        found.append([(a + b) / 2 for a, b in zip(straight, other, strict=True)])
    return [torch.cat(parts).numpy() for parts in zip(*found, strict=True)]


def confusion(true: np.ndarray, said: np.ndarray, person: np.ndarray, classes: int) -> np.ndarray:
    """(people, classes, classes) how often a person's true class (row) was read as which (column)."""
    table = np.zeros((person.max() + 1, classes, classes))
    np.add.at(table, (person, true, said), 1)
    return table


def rates(table: Float[np.ndarray, "*draws c c"]) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy and balanced accuracy (the mean recall of the classes there are)."""
    right, total = np.diagonal(table, axis1=-2, axis2=-1), table.sum(-1)
    with np.errstate(invalid="ignore"):
        return right.sum(-1) / total.sum(-1), np.nanmean(right / total, -1)


def told(values: tuple[np.ndarray, np.ndarray], draws: tuple[np.ndarray, np.ndarray]) -> str:
    parts = []
    for value, drawn_ in zip(values, draws, strict=True):
        low, high = np.percentile(drawn_, [2.5, 97.5])
        parts.append(f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]")
    return " | ".join(parts)


def report(title: str, known: Truth, said: np.ndarray, rows: np.ndarray) -> None:
    """A table of the rates over some rows, with what is most often taken for what."""
    person = np.unique(known.person[rows], return_inverse=True)[1]
    people = person.max() + 1
    weights = np.random.default_rng(0).multinomial(people, np.full(people, 1 / people), DRAWS)
    print(f"\n{title}: {rows.sum()} photographs of {people} people")
    print("| attribute | accuracy | balanced | aim | most frequent class |\n|---|---|---|---|---|")
    tables = {}
    for name, aim in AIMS.items():
        at = NAMES.index(name)
        table = confusion(known.codes[rows, at], said[rows, at], person, SIZES[name])
        draws = np.tensordot(weights, table, 1)
        tables[name] = table.sum(0)
        most = tables[name].sum(1).max() / tables[name].sum()
        print(f"| {name} | {told(rates(tables[name]), rates(draws))} | {100 * aim:.0f} | {100 * most:.1f} |")
    for name, table in tables.items():
        print(f"{name}: {mistakes(table, CLASSES[name])}")


def mistakes(table: np.ndarray, classes: tuple[str, ...]) -> str:
    """Shares of a true class that were read as another one, the largest first."""
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    order = np.argsort(-shares, axis=None)[:6]
    pairs = [np.unravel_index(one, shares.shape) for one in order]
    return ", ".join(f"{classes[a]} as {classes[b]} {shares[a, b]:.1%}" for a, b in pairs if shares[a, b] > 0)


def votes(known: Truth, shares: list[np.ndarray], among: np.ndarray) -> None:
    """Accuracy over people when a person's photographs vote: what is the person's, not the picture's."""
    person = np.unique(known.person[among], return_inverse=True)[1]
    for name in ("gender", "race"):
        at = NAMES.index(name)
        total = np.zeros((person.max() + 1, SIZES[name]))
        np.add.at(total, person, np.log(shares[at][among] + 1e-6))
        true = known.codes[among, at][np.unique(person, return_index=True)[1]]
        print(f"{name}, all photographs of a person together: {100 * (total.argmax(1) == true).mean():.1f}")


def by_age(known: Truth, said: np.ndarray, among: np.ndarray) -> None:
    """Accuracy of gender, race and age group by years: what is hard in children or near a border."""
    print("\n| years | photographs | gender | race | age group |\n|---|---|---|---|---|")
    edges = [2, 8, 14, 18, 22, 30, 46, 54, 65, 86]
    right = said == known.codes
    for low, high in itertools.pairwise(edges):
        rows = among & (known.age >= low) & (known.age < high)
        shares = [f"{right[rows, NAMES.index(name)].mean():.1%}" for name in ("gender", "race", "age_group")]
        print(f"| {low}-{high} | {rows.sum()} | {' | '.join(shares)} |")


def test(net: nn.Module, readers: Readers, args: argparse.Namespace) -> None:
    """On the people trained on, on validation people, on those of another world, as they are and clean."""
    tests = [((0, args.people, args.images, "labelled"), False)]
    tests += [((0, args.people // 10, args.images, "validation"), False)]
    if args.test_world is not None:
        other = (args.test_world, args.test_people or args.people // 4, args.images + 1, "labelled")
        tests += [(other, False), (other, True)]
    for where, clean in tests:
        photographs = drawn.photographs(args.folder, *where, clean=clean)
        folder = drawn.crops(args.folder, photographs, args.crop)
        known, shares = truth(folder), read(net, readers, folder)
        said = np.stack([share.argmax(1) for share in shares], 1)
        rows = np.abs(known.yaw) <= FRONTAL if clean else np.full(len(said), True)
        report(f"world {where[0]}, {where[3]}, {'clean' if clean else 'all'}", known, said, rows)
        votes(known, shares, rows)
        by_age(known, said, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="keeps the photographs and crops")
    parser.add_argument("--people", type=int, default=1000, help="to train on")
    parser.add_argument("--test-people", type=int, help="of the other world; a quarter as many without it")
    parser.add_argument("--images", type=int, default=5, help="photographs of each")
    parser.add_argument("--crop", choices=list(drawn.CROPS), default="aligned")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1, help="of the training")
    parser.add_argument("--test-world", type=int, help="without it: world 0's validation people alone")
    parser.add_argument("--save", type=Path, help="where to put the weights of net and heads")
    parser.add_argument("--load", type=Path, help="weights that were saved: nothing is trained")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    photographs = drawn.photographs(args.folder, 0, args.people, args.images)
    learnt = drawn.crops(args.folder, photographs, args.crop)
    net, readers = fresh(args.seed)
    if args.load:
        kept = torch.load(args.load, weights_only=True)
        net.load_state_dict(kept["net"])
        readers.load_state_dict(kept["readers"])
    else:
        train(net, readers, learnt, args.epochs, args.seed, args.batch, args.rate)
    if args.save:
        with files.writing(args.save) as file:
            torch.save({"net": net.state_dict(), "readers": readers.state_dict()}, file)
    net.eval()
    test(net, readers, args)


if __name__ == "__main__":
    main()
