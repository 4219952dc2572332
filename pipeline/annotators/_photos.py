"""The photo of a face, for annotators whose nets want another chip of it than the crop.

`records.ORIGINS` says where a crop lies in its photo; boxes and landmarks go back there by the inverse. A
face without it (cropped before it came here) is looked at in its crop. A face without a box has the square
that its crop shows. The turn is by how many degrees the crop is turned clockwise against the photo.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import geometry, records
from pipeline.annotators import Face
from pipeline.records import Dataset, Image

Points = npt.NDArray[np.float64]
WHOLE = np.array([[1.0, 0, 0], [0, 1, 0]])


class PhotosOf:
    """The photos of a dataset of crops, read one by one; `ingested` and `raw` are needed where it has any."""

    def __init__(self, crops: Dataset, ingested: Path, raw: Path) -> None:
        self.crops, self.ingested, self.raw = crops, ingested, raw
        self._last: tuple[int, Image] | None = None  # faces of one photo come one after the other

    @cached_property
    def _origins(self) -> tuple[Dataset, npt.NDArray[np.int64], Points] | None:
        """The photos, the row of each crop's photo among them, and its matrix (n, 2, 3)."""
        path = self.crops.folder / records.ORIGINS_FILE
        if not path.exists():
            return None
        table, photos = records.read_parquet(path), Dataset(self.ingested, self.raw)
        found = photos.frame(["sample_id"])
        rows = found.reset_index().set_index("sample_id")["index"].reindex(table["photo"])
        lost = table["photo"][rows.isna().to_numpy()]
        if len(lost):
            raise ValueError(f"{path}: {self.ingested} holds no photo {lost.iloc[0]!r}: run its crop again")
        matrices = np.array(table["matrix"].tolist(), np.float64).reshape(-1, 2, 3)
        return photos, rows.to_numpy(np.int64), matrices

    def face(self, row: int) -> Face:
        """What row `row` of the crops shows, in its photo."""
        sample = self.crops.rows(row, row + 1)[0]
        if self._origins is None:
            image, matrix = records.decode(sample.image), WHOLE
            side = (image.shape[1], image.shape[0])
        else:
            photos, rows, matrices = self._origins
            image, matrix = self._photo(photos, int(rows[row])), matrices[row]
            side = (self.crops.about["image_size"], self.crops.about["image_size"])
        back = geometry.inverse(matrix)
        box = [-0.5, -0.5, *side] if sample.box is None else sample.box
        points = None if sample.points5 is None else geometry.apply(back, sample.points5)
        return Face(image, geometry.move_box(back, box), points, geometry.rotation(matrix))

    def _photo(self, photos: Dataset, row: int) -> Image:
        if self._last is None or self._last[0] != row:
            self._last = row, photos.image(row)
        return self._last[1]
