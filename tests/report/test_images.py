"""Contact sheets: every face in its place, and pictures as data: URIs."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from pipeline import records
from pipeline.report import images


def pixels(uri: str) -> np.ndarray:
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return records.decode(base64.b64decode(body))


def test_faces_stand_in_rows() -> None:
    grey = [np.full((32, 32, 3), value, np.uint8) for value in (10, 80, 150, 220, 40)]
    page = pixels(images.sheet(grey, columns=3, side=20))
    assert page.shape == (42, 64, 3)
    for index, value in enumerate((10, 80, 150, 220, 40)):
        top, left = index // 3 * 22, index % 3 * 22
        assert abs(page[top + 5 : top + 15, left + 5 : left + 15].astype(float).mean() - value) < 3
    assert page[27:, 50:].mean() > 250  # the empty place


def test_a_face_that_is_not_square_keeps_its_shape() -> None:
    page = pixels(images.sheet([np.zeros((40, 20, 3), np.uint8)], columns=4, side=40))
    assert page[20, 10].max() < 10
    assert page[20, 30].min() > 245


def test_no_faces() -> None:
    with pytest.raises(ValueError, match="at least one"):
        images.sheet([], 3)


@pytest.mark.parametrize(("rows", "wanted"), [(0, 5), (1, 5), (5, 5), (100, 7)])
def test_spread_is_even_and_complete(rows: int, wanted: int) -> None:
    chosen = images.spread(rows, wanted)
    assert len(chosen) == len(set(chosen)) == min(rows, wanted)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (0, rows - 1)
        steps = np.diff(chosen)
        assert steps.max() - steps.min() <= 1


def test_file_uri(tmp_path: Path) -> None:
    path = tmp_path / "p.PNG"
    path.write_bytes(b"123")
    assert images.file_uri(path) == "data:image/png;base64," + base64.b64encode(b"123").decode()
    with pytest.raises(ValueError, match=r"p\.csv"):
        images.file_uri(tmp_path / "p.csv")
