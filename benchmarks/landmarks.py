"""A landmark net that has only seen synthetic faces: its error on other synthetic people and on real faces.

    python -m benchmarks.landmarks --folder /tmp/faces [--epochs 4] [--stop 3]       # trains
    python -m benchmarks.landmarks --folder /tmp/faces --model data/models/landmark   # takes a trained one

Synthetic: NME of `pipeline.evaluate.landmarks`, mean distance of the 68 points by sqrt(w h) of the box, on
another world's people, by yaw. Real: LFW-a photographs (grey), cut out around their boxes as the synthetic
ones are, five points of the 68 against the five that come with the set (a detector's, not a person's): mean
distance by the distance between the eyes. Beside it a baseline that says for every face where the training
faces' points lie on average, and a foreign net (`--peer`, PFLD as its authors release it: a square of 1.2
times the box's shorter side, pixels / 255, points as shares of the square). Real faces stay in memory.
Intervals are 95 %, by a bootstrap over people.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tarfile
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from benchmarks import drawn
from pipeline import files, geometry, model, records
from pipeline.augment.flip import Unchanged
from pipeline.evaluate.landmarks import nme
from pipeline.landmarks import LandmarkNet, flip_average
from pipeline.loader import Faces
from pipeline.records import Dataset
from pipeline.train import heatmaps
from pipeline.train.checkpoint import Checkpoints, seed_all
from pipeline.train.loop import fit
from pipeline.train.schedule import Schedule

SHAPE = {"stacks": 2, "width": 24, "depth": 3, "sigma": 1.0}  # preset `small` of params.yaml
BATCH, RATE = 32, 2e-3  # of its schedule
KNOWN = ("points68", "box")
YAWS = (0, 15, 30, 60, 90)
POINTS = ("left eye", "right eye", "nose", "left mouth", "right mouth")
ARCHIVE, BOXES = "lfw_a_gray250_folds1-5_and_unpaired.tar", "lfw_a_boxes_landmarks.json"
SHARED = Path("../shared/data")
PEER_SIZE, PEER_SQUARE = 112, 1.2
DRAWS = 1000


class Enough(Exception):  # noqa: N818
    """Ends a training whose rate was laid out for more epochs."""


def train(folder: Path, epochs: int, seed: int, stop: int | None) -> tuple[model.ModelSpec, LandmarkNet]:
    """As the stage `landmark`: all crops in `folder`, Adam, mirror images, to the end of epoch `stop`."""
    seed_all(seed)
    spec = model.ModelSpec(name="landmark", kind="landmark", backbone="fan", shape=SHAPE, size=drawn.SIZE)
    net, faces, started = model.build_landmark(spec), Faces(folder, known=KNOWN, cache_gb=4), time.time()

    def tell(epoch: int) -> Mapping[str, float]:
        print(f"epoch {epoch + 1} of {epochs}, {time.time() - started:.0f} s", flush=True)
        if epoch + 1 == stop:
            raise Enough
        return {}

    with tempfile.TemporaryDirectory() as checkpoints, contextlib.suppress(Enough):
        fit(
            heatmaps.Mapper(net),
            heatmaps.Landmarks(net),
            heatmaps.batches(faces, BATCH, seed, Unchanged(flip=True), 0),
            epochs=epochs,
            schedule=Schedule("adam", lr=RATE, weight_decay=0.0, warmup=0.05),
            checkpoints=Checkpoints(checkpoints, "landmark", 1e9),
            seed=seed,
            channels_last=True,
            end_of_epoch=tell,
        )
    return spec, net.eval()


@torch.no_grad()
def predict(
    net: LandmarkNet, spec: model.ModelSpec, images: UInt8[Tensor, "n h w 3"]
) -> Float[np.ndarray, "n 68 2"]:
    """Points in pixels of the crops, score maps averaged with those of the mirror images."""
    found = []
    for part in images.split(64):
        scores = flip_average(net, model.normalise(part, spec.mean, spec.std))
        found.append(net.decode(scores, spec.size).numpy())
    return np.concatenate(found)


def interval(values: np.ndarray, people: np.ndarray) -> str:
    """The mean in percent, with its interval."""
    code = np.unique(people, return_inverse=True)[1]
    size = code.max() + 1
    weight = np.random.default_rng(0).multinomial(size, np.full(size, 1 / size), DRAWS)[:, code]
    low, high = np.percentile(weight @ values / weight.sum(1), [2.5, 97.5])
    return f"{100 * values.mean():.2f} [{100 * low:.2f}, {100 * high:.2f}]"


def synthetic(net: LandmarkNet, spec: model.ModelSpec, folder: Path, mean: np.ndarray) -> None:
    """NME by yaw, in percent of the box's side; beside it that of `mean` (68, 2) for every face."""
    faces = Faces(folder, known=KNOWN)
    truth, box = faces.points("points68"), faces.points("box").reshape(-1, 4)
    frame = Dataset(folder).frame(["identity", "yaw"]).iloc[faces.rows]
    points = predict(net, spec, faces.images(np.arange(len(faces))))
    ours, base = nme(points, truth, box), nme(np.broadcast_to(mean, truth.shape), truth, box)
    yaw, people = np.abs(frame["yaw"].to_numpy()), frame["identity"].to_numpy(str)
    print(f"\n{folder.name}: NME in % of the box's side")
    print("| \\|yaw\\| | faces | mean | median | mean position |\n|---|---|---|---|---|")
    for low, high in [*itertools.pairwise(YAWS), (0, 91)]:  # the last: all of them
        rows = (yaw >= low) & (yaw < high)
        told = f"{interval(ours[rows], people[rows])} | {100 * np.median(ours[rows]):.2f}"
        print(f"| {low}-{high} | {rows.sum()} | {told} | {100 * base[rows].mean():.2f} |")


@dataclass(frozen=True)
class Photo:
    """A real photograph: RGB, box, five points in its pixels, whose it is."""

    image: records.Image
    box: Float[np.ndarray, "4"]
    points: Float[np.ndarray, "5 2"]
    person: str


def photos(count: int, seed: int) -> list[Photo]:
    """`count` photographs of LFW-a, drawn among those whose box and points are known."""
    known = files.read_json(SHARED / BOXES)
    names = np.random.default_rng(seed).permutation(sorted(known))[:count]
    wanted, found = set(names.tolist()), []
    with tarfile.open(SHARED / ARCHIVE) as archive:
        for member in archive:
            name = Path(member.name).name
            if name in wanted and (file := archive.extractfile(member)) is not None:
                numbers = np.asarray(known[name])
                image = records.decode(file.read())
                found.append(Photo(image, numbers[:4], numbers[5:].reshape(5, 2), name[:-9]))
    return found


def back(matrix: geometry.Matrix, points: np.ndarray) -> np.ndarray:
    """Points of a crop in its photograph; `matrix` maps the photograph to the crop."""
    return geometry.apply(geometry.inverse(matrix), points)


def crops_of(some: list[Photo]) -> tuple[list[geometry.Matrix], Tensor]:
    """Cut out around the box as synthetic faces are: matrices and (n, size, size, 3) images."""
    margin = drawn.CROPS["loose"][1]
    pairs = [geometry.unaligned(one.image, one.box, drawn.SIZE, margin) for one in some]
    return [matrix for _, matrix in pairs], torch.from_numpy(np.stack([image for image, _ in pairs]))


def foreign(weights: Path, some: list[Photo]) -> Float[np.ndarray, "n 5 2"]:
    """The peer's points in pixels of the photographs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # idle threads of its own would spin
    session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    found = []
    for one in some:
        x, y, width, height = one.box
        side = min(width, height) * PEER_SQUARE
        square = (x + (width - side) / 2, y + (height - side) / 2, side, side)
        crop, matrix = geometry.unaligned(one.image, square, PEER_SIZE, 0.0)
        image = crop.transpose(2, 0, 1)[None].astype(np.float32) / 255
        points = session.run(None, {session.get_inputs()[0].name: image})[0].reshape(68, 2) * PEER_SIZE - 0.5
        found.append(geometry.five_of_68(back(matrix, points)))
    return np.stack(found)


def told(name: str, found: np.ndarray, some: list[Photo]) -> str:
    """A row of the table: mean, median, mean of each point, in percent of the distance between the eyes."""
    truth = np.stack([one.points for one in some])
    eyes = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=1)
    error = np.linalg.norm(found - truth, axis=2) / eyes[:, None]
    whole = interval(error.mean(1), np.asarray([one.person for one in some]))
    each = " | ".join(f"{100 * value:.1f}" for value in error.mean(0))
    lean = " | ".join(f"{100 * value:+.1f}" for value in ((found - truth) / eyes[:, None, None]).mean((0, 1)))
    return f"| {name} | {whole} | {100 * np.median(error.mean(1)):.2f} | {each} | {lean} |"


def real(net: LandmarkNet, spec: model.ModelSpec, mean: np.ndarray, some: list[Photo], peer: Path) -> None:
    matrices, images = crops_of(some)
    points = predict(net, spec, images)
    ours = [geometry.five_of_68(back(m, p)) for m, p in zip(matrices, points, strict=True)]
    base = [geometry.five_of_68(back(m, mean)) for m in matrices]
    rows = {"trained on synthetic faces": np.stack(ours), "mean position": np.stack(base)}
    if peer.exists():
        rows[f"foreign: {peer.stem}"] = foreign(peer, some)
    people = len({one.person for one in some})
    print(f"\n{len(some)} photographs of {people} people, % of the distance between the eyes")
    print(f"| | mean | median | {' | '.join(POINTS)} | to the right | down |\n{'|---' * 10}|")
    for name, found in rows.items():
        print(told(name, found, some), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="keeps synthetic photographs and crops")
    parser.add_argument("--model", type=Path, help="a trained landmark net's folder, of loose crops of 64 px")
    parser.add_argument("--save", type=Path, help="where to put the net that is trained")
    parser.add_argument("--people", type=int, default=1000, help="of world 0, to train on")
    parser.add_argument("--images", type=int, default=5, help="photographs of each")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--stop", type=int, help="end after this epoch: the rate falls as if more came")
    parser.add_argument("--seed", type=int, default=1, help="of the training")
    parser.add_argument("--test-world", type=int, default=121)
    parser.add_argument("--test-people", type=int, default=250)
    parser.add_argument("--photos", type=int, default=1500, help="of LFW-a; 0 for none")
    parser.add_argument("--peer", type=Path, default=SHARED / "weights/pfld_68pt.onnx")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    taken = drawn.photographs(args.folder, 0, args.people, args.images)
    learnt = drawn.crops(args.folder, taken, "loose")
    mean = np.nanmean(Dataset(learnt).points("points68"), 0)
    spec, net = (
        model.load_landmark(args.model) if args.model else train(learnt, args.epochs, args.seed, args.stop)
    )
    if args.save:
        model.save(args.save, spec, net)
    others = drawn.photographs(args.folder, args.test_world, args.test_people, args.images + 1)
    synthetic(net, spec, drawn.crops(args.folder, others, "loose"), mean)
    if args.photos:
        real(net, spec, mean, photos(args.photos, seed=0), args.peer)


if __name__ == "__main__":
    main()
