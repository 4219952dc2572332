"""Mean absolute errors of the annotators of yaw, pitch and roll on synthetic faces, whose angles are known.

    python -m benchmarks.angles --folder /tmp/faces --weights ../shared/data/weights

Photographs of world 0's validation people, their boxes and landmarks as drawn. `pose` has the true landmarks;
`fsanet` and `pfld` look at the pixels, inside the true box, and have never seen a drawn face.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks import drawn
from pipeline import records
from pipeline.annotators import ANGLES, Annotator, fsanet, pfld, pose, truth
from pipeline.annotators._photos import PhotosOf

RANGES = ((0, 30), (30, 60), (60, 91), (0, 91))  # of |yaw|, degrees
NETS = ("fsanet_1x1.onnx", "fsanet_var.onnx", "pfld_68pt.onnx")


def candidates(weights: Path) -> Iterator[tuple[str, Annotator]]:
    yield "pose, 5 true landmarks", pose.build(pose.Params(landmarks=5))
    yield "pose, 68 true landmarks", pose.build(pose.Params(landmarks=68))
    one, var, points = (str(weights / name) for name in NETS)
    yield "pfld", pfld.build(pfld.Params(weights=points))
    yield "fsanet", fsanet.build(fsanet.Params(weights=one, weights_var=var))


def row(name: str, said: pd.DataFrame, true: pd.DataFrame, low: int, high: int) -> str:
    among = true["yaw_degrees"].abs().between(low, high, inclusive="left")
    errors = [(said[f"{angle}_degrees"] - true[f"{angle}_degrees"])[among].abs().mean() for angle in ANGLES]
    equal = [(said[angle] == true[angle])[among].mean() for angle in ("yaw", "pitch")]
    told = [*(f"{error:.1f}" for error in errors), *(f"{share:.1%}" for share in equal)]
    return f"| {name} | {low}-{high} | {among.sum()} | {' | '.join(told)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="where drawn photographs are kept")
    parser.add_argument("--weights", type=Path, required=True, help="folder of the three ONNX files")
    parser.add_argument("--people", type=int, default=60)
    args = parser.parse_args()
    faces = records.Dataset(drawn.photographs(args.folder, 0, args.people, 8, "validation"))
    frame, photos = faces.frame(), PhotosOf(faces, Path(), Path())
    true = truth.build(truth.Params()).annotate(frame)
    print("| annotator | yaw | faces | yaw error | pitch error | roll error | yaw bin | pitch bin |")
    print("|---|---|---|---|---|---|---|---|")
    for name, annotator in candidates(args.weights):
        said = annotator.annotate(frame, photos)
        print("\n".join(row(name, said, true, *limits) for limits in RANGES))


if __name__ == "__main__":
    main()
