"""Pictures inside the page: data: URIs and contact sheets of faces."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline import records

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml"}
GAP = 2  # pixels between faces


def data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def file_uri(path: Path) -> str:
    """A picture file as a data: URI."""
    if path.suffix.lower() not in TYPES:
        raise ValueError(f"{path} is no picture that a page can show: one of {', '.join(TYPES)}")
    return data_uri(path.read_bytes(), TYPES[path.suffix.lower()])


def sheet(faces: Sequence[records.Image], columns: int, side: int = 64) -> str:
    """Faces in rows, each fitted into a square of `side` pixels, as one JPEG."""
    import cv2

    if not faces:
        raise ValueError("a contact sheet needs at least one face")
    columns = min(columns, len(faces))
    rows = -(-len(faces) // columns)
    step = side + GAP
    page = np.full((rows * step - GAP, columns * step - GAP, 3), 255, np.uint8)
    for index, face in enumerate(faces):
        scale = side / max(face.shape[:2])
        size = (max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale)))
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(face, size, interpolation=way)
        top, left = index // columns * step, index % columns * step
        page[top : top + size[1], left : left + size[0]] = small
    return data_uri(records.encode(page, quality=85), "image/jpeg")


def spread(rows: int, wanted: int) -> list[int]:
    """`wanted` row numbers spread evenly over `rows`: the same ones every time."""
    count = min(rows, wanted)
    return [int(row) for row in np.linspace(0, rows - 1, count)] if count else []


def sample_sheet(dataset: records.Dataset, wanted: int = 24, columns: int = 8) -> str | None:
    """Faces from all over a dataset; None if it is empty."""
    chosen = spread(len(dataset), wanted)
    return sheet([dataset.image(row) for row in chosen], columns) if chosen else None
