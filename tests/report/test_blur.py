"""The variance of the Laplacian against loops, and the sample that it is measured on."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline import records
from pipeline.report import blur

RNG = np.random.default_rng(0)


def picture(height: int = 9, width: int = 7) -> Any:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def slow(image: Any) -> float:
    grey = np.rint(image.astype(float) @ [0.299, 0.587, 0.114])
    height, width = grey.shape
    found = []
    for y in range(height):
        for x in range(width):
            around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            # mirrored at the edge: -1 is 1, n is n - 2
            at = [
                (a if 0 <= a < height else 2 * y - a, b if 0 <= b < width else 2 * x - b) for a, b in around
            ]
            found.append(sum(grey[place] for place in at) - 4 * grey[y, x])
    mean = sum(found) / len(found)
    return sum((value - mean) ** 2 for value in found) / len(found)


def test_equals_loops() -> None:
    for _ in range(5):
        image = picture()
        assert blur.variance(image) == pytest.approx(slow(image), rel=0.01), "grey is rounded"
    grey = np.repeat(RNG.integers(0, 256, (6, 8, 1)).astype(np.uint8), 3, 2)
    assert blur.variance(grey) == pytest.approx(slow(grey), abs=1e-9)


def test_a_flip_changes_nothing_and_blur_lowers_it() -> None:
    image = picture(32, 32)
    assert blur.variance(image[:, ::-1].copy()) == pytest.approx(blur.variance(image))
    soft = [blur.variance(cv2.GaussianBlur(image, (0, 0), sigma)) for sigma in (0.5, 1, 2)]
    assert blur.variance(image) > soft[0] > soft[1] > soft[2]


def test_a_plain_picture_has_none() -> None:
    assert blur.variance(np.full((4, 4, 3), 90, np.uint8)) == 0


def lay(folder: Path, images: list[bytes]) -> records.Dataset:
    folder.mkdir(parents=True)
    writer = records.Writer(folder)
    for number, image in enumerate(images):
        writer.add(records.Sample(str(number), image))
    writer.close({})
    return records.Dataset(folder)


def test_faces_are_counted_in_bins_and_what_is_no_image_apart(tmp_path: Path) -> None:
    pictures = [picture(8, 8) // 2**shift for shift in range(8)]
    dataset = lay(tmp_path / "x", [b"no image", *(records.encode(one, 101) for one in pictures)])
    steps: list[int] = []
    found = blur.measure(dataset, lambda: steps.append(1))
    values = [blur.variance(one) for one in pictures]
    assert (found.values, found.rows, len(steps)) == (values, [*range(1, 9)], 9)
    told = found.told()
    ends = [0, *blur.EDGES, float("inf")]
    wanted = [sum(low <= v < high for v in values) for low, high in pairwise(ends)]
    assert (told["faces"], told["measured"], told["unreadable"]) == (wanted, 8, 1)
    assert told["quantiles"]["50"] == pytest.approx(np.median(values), abs=0.01)


def test_the_sample_is_bounded_and_spread_over_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert len(blur.sample(10**7)) == len(set(blur.sample(10**7))) == blur.SAMPLE == 2000
    assert (blur.sample(10**7)[0], blur.sample(10**7)[-1]) == (0, 10**7 - 1)
    assert blur.sample(3) == [0, 1, 2]
    monkeypatch.setattr(blur, "SAMPLE", 4)
    dataset = lay(tmp_path / "x", [records.encode(picture(), 101) for _ in range(10)])
    assert blur.measure(dataset, lambda: None).rows == [0, 3, 6, 9]


def test_nothing_to_measure(tmp_path: Path) -> None:
    told = blur.measure(lay(tmp_path / "x", []), lambda: None).told()
    assert (told["measured"], told["quantiles"], sum(told["faces"])) == (0, {}, 0)
