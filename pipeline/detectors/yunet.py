"""OpenCV's YuNet (https://doi.org/10.1007/s11633-023-1423-y): a box, five landmarks and a score a face.

Images longer than `longest` pixels are searched in a copy averaged down to it, and the
result is scaled back, so that big photographs cost no more than small ones.

Errors: `DetectorError` for weights that are absent or no YuNet.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline import weights
from pipeline.detectors import Detection, DetectorError
from pipeline.detectors._boxes import detection, shrunk
from pipeline.records import Image, Sample
from pipeline.strict import Strict
from pipeline.weights import Checksum

LOCK = threading.Lock()
SMALL = (320, 320)  # pixels of the image that a net is tried on
EXPECTED = "expected a yunet_*.onnx, e.g. face_detection_yunet_2023mar.onnx of OpenCV's model zoo"


class Params(Strict):
    """Weights and when to believe them."""

    weights: str = "data/models/none"  # a YuNet .onnx
    sha256: Checksum = ""  # of that file
    score: float = 0.6  # faces below are not seen
    overlap: float = 0.3  # of two boxes that overlap more, the weaker one goes
    longest: int = 640  # pixels of the longer side above which a smaller copy is searched


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV warns at every start of a target that nobody asked for; its log level is the process's."""
    with LOCK:
        told = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            yield
        finally:
            cv2.utils.logging.setLogLevel(told)


class YuNet:
    """OpenCV's detector; it holds the size of its input, so that every thread needs its own."""

    absent = "YuNet finds no face"
    shared = False

    def __init__(self, path: Path, score: float = 0.6, overlap: float = 0.3, longest: int = 640) -> None:
        if not path.is_file() or path.stat().st_size == 0:
            raise DetectorError(
                f"detectors.yunet.weights: {path} is no YuNet detector: absent or empty; {EXPECTED}"
            )
        self.longest = longest
        try:
            with _quiet():
                self.net: Any = cv2.FaceDetectorYN.create(str(path), "", SMALL, score, overlap)
                self.net.detect(np.zeros((*SMALL, 3), np.uint8))  # only this tells YuNet from other nets
        except cv2.error as error:
            first = error.err.strip(" >\n").partition("\n")[0]
            said = first.partition(" (expected:")[0]  # OpenCV's own source follows
            raise DetectorError(
                f"detectors.yunet.weights: {path} is no YuNet detector: OpenCV says {said!r}; {EXPECTED}"
            ) from error

    def check(self, sample_ids: Sequence[str]) -> None:
        """Nothing to hold against a dataset as a whole."""

    def detect(self, sample: Sample, image: Image) -> list[Detection]:
        seen, grow = shrunk(image, self.longest)
        self.net.setInputSize(seen.shape[1::-1])
        faces = self.net.detect(cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))[1]
        found = np.empty((0, 15)) if faces is None else faces.astype(np.float64)
        return [detection(face[:4], face[4:14].reshape(5, 2), face[14], grow) for face in found]


def build(params: Params, raw: Path) -> YuNet:
    path = Path(params.weights)
    if params.sha256:
        weights.found(path, "detectors.yunet.weights", params.sha256)
    return YuNet(path, params.score, params.overlap, params.longest)
