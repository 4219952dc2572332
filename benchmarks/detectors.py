"""Detectors on LFW-a, held against a file of detections, and PFLD's landmarks against YuNet's.

    python -m benchmarks.detectors --data ../shared/data [--every 10]

`found`: images with a face. `box agrees`: its four numbers differ by less than 2 pixels from the file's; of
these the largest difference of a landmark. NME: mean distance of five landmarks, as a share of the distance
of the eyes.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.angles import NETS
from pipeline import geometry, records
from pipeline.annotators.pfld import landmarker
from pipeline.detectors import Detection, Detector, choose, retinaface, yunet

ARCHIVE, KNOWN = "lfw_a_gray250_folds1-5_and_unpaired.tar", "lfw_a_boxes_landmarks.json"
NEAR = 2.0  # pixels


def images(data: Path, every: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """RGB images and the 15 numbers of their face in the file."""
    known = json.loads((data / KNOWN).read_text())
    with tarfile.open(data / ARCHIVE) as archive:
        for number, member in enumerate(one for one in archive if one.isfile()):
            if number % every == 0:
                file = archive.extractfile(member)
                assert file is not None
                yield records.decode(file.read()), np.array(known[member.name.split("/")[-1]])


def nme(points: np.ndarray, wanted: np.ndarray) -> float:
    apart = np.linalg.norm(points - wanted, axis=1).mean()
    return float(apart / np.linalg.norm(wanted[1] - wanted[0]))


def look(name: str, detector: Detector, data: Path, every: int) -> str:
    faces: list[Detection | None] = []
    near, errors, start = [], [], time.perf_counter()
    for image, known in images(data, every):
        found = detector.detect(records.Sample("", b""), image)
        faces += choose(found, "prominent", image.shape[1], image.shape[0]) or [None]
        if (face := faces[-1]) is None or face.box is None or face.points5 is None:
            continue
        errors.append(nme(face.points5, known[5:].reshape(5, 2)))
        if np.abs(face.box - known[:4]).max() < NEAR:
            near.append(np.abs(face.points5.ravel() - known[5:]).max())
    share = 1 - faces.count(None) / len(faces)
    took = (time.perf_counter() - start) / len(faces) * 1e3
    closest = f"{len(near)} | {max(near, default=np.nan):.3f}"
    return f"| {name} | {len(faces)} | {share:.2%} | {closest} | {told(errors)} | {took:.0f} |"


def told(errors: list[float]) -> str:
    """Mean, median and 95th percentile."""
    return f"{np.mean(errors):.4f} ({np.median(errors):.4f}, {np.quantile(errors, 0.95):.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every", type=int, default=10, help="every so many images; YuNet sees all")
    parser.add_argument("--skip-yunet", action="store_true")
    args = parser.parse_args()
    weights = args.data / "weights"
    net = "ShiqiYu_libfacedetection.train__yunet_n_640_640.onnx"
    found = yunet.build(yunet.Params(weights=str(weights / net)), Path())
    given = {"weights": str(weights / "retinaface_mobilenet025.pth"), "release": "face_1mb"}
    other = retinaface.build(retinaface.Params.model_validate(given), Path())
    print("| net | images | found | box agrees | largest, px | NME: mean (median, 95 %) | ms an image |")
    print("|---|---|---|---|---|---|---|")
    if not args.skip_yunet:
        print(look("YuNet", found, args.data, 1), flush=True)
    net68 = landmarker(str(weights / NETS[2]))
    errors = [
        nme(geometry.five_of_68(net68.points(image, known[:4])), known[5:].reshape(5, 2))
        for image, known in images(args.data, args.every)
    ]
    print(f"| PFLD in YuNet's boxes | {len(errors)} | - | - | - | {told(errors)} | - |", flush=True)
    print(look("RetinaFace, face_1mb", other, args.data, args.every))


if __name__ == "__main__":
    main()
