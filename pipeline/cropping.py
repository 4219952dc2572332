"""Stretches of a dataset's rows as shards of crops: by several threads, or passed through.

Images that are crops already (`as_is`) pass through untouched: neither decoded nor encoded again, unless they
are to be blurred.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cv2
import pyarrow as pa

from pipeline import detectors, records, threads
from pipeline.crops import Crop, Cropper, Params, Resolution, SetAside, blurred
from pipeline.detectors import Detector, Faces
from pipeline.records import Dataset, Sample, images

MANY = 512  # rows that pass through at a time
NO_PHOTO = {"truth", "pose", "given"}  # annotators that read rows alone; any other may want the photo
ROWS = 64  # a thread's rows: small enough to share out evenly, large enough that handing over costs nothing


@dataclass
class Cropping:
    """Stretches of a dataset's rows as shards of crops; `options` are the detector's params."""

    dataset: Path
    raw: Path
    params: Params
    detector: str
    options: Mapping[str, Any]
    faces: Faces = "prominent"
    origins: bool = False  # say where the crops lie in their photos, too: for annotators that look at these
    threaded = True

    def make(self, numbers: range, folder: Path, workers: int, tell: Callable[[int], None]) -> dict[str, Any]:
        writer, resolution = records.Writer(folder), Resolution(self.params.image_size)
        if self.params.method == "as_is":
            batches: Iterator[Sequence[Any]] = untouched(self._opened, self.params.image_size, numbers)
            if self.params.blur:
                batches = softened(batches, self.params, workers)
        else:
            batches = crops(self._opened, self._croppers, workers, numbers)
        where = [records.ORIGINS.empty_table()]
        for batch in batches:
            tell(put(writer, batch, resolution))
            where += [origins(batch)] if self.origins else []
        writer.flush()
        if self.origins:
            records.write_parquet(folder / records.ORIGINS_FILE, pa.concat_tables(where))
        seen = writer.count + len(writer.set_aside)
        counted = {"seen": seen, "rows": writer.count, "resolution": resolution.told()}
        return {**counted, "set_aside": writer.set_aside}

    def check(self) -> None:
        """Raise for what is wrong with the detector, or with the dataset as a whole."""
        if self.params.method != "as_is":
            self._detectors().check(self._opened.frame(["sample_id"])["sample_id"].tolist())

    @cached_property
    def _opened(self) -> Dataset:
        return Dataset(self.dataset, self.raw)

    @cached_property
    def _detectors(self) -> Callable[[], Detector]:
        return detectors.maker(self.detector, self.options, self.raw)

    @cached_property
    def _croppers(self) -> Croppers:
        known = self.params
        settings = (known.method, known.image_size, known.margin, known.quality, self.faces, known.blur)
        return Croppers(lambda: Cropper(self._detectors(), *settings))

    def __getstate__(self) -> dict[str, Any]:
        """What is opened here stays here."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Croppers:
    """Croppers that threads take and give back: each is made once, and serves one thread at a time."""

    def __init__(self, make: Callable[[], Cropper]) -> None:
        self.make, self.free = make, SimpleQueue[Cropper]()

    def crop(self, samples: Sequence[Sample]) -> list[Sample | SetAside]:
        """The faces of the samples, one after the other."""
        try:
            cropper = self.free.get_nowait()
        except Empty:
            cropper = self.make()
        found = [face for sample in samples for face in cropper(sample)]
        self.free.put(cropper)
        return found


def crops(
    dataset: Dataset, croppers: Croppers, workers: int, numbers: range
) -> Iterator[list[Sample | SetAside]]:
    """Batches of crops of some rows in their order, by `workers` threads.

    Threads, since decoding, detecting, warping and encoding happen in OpenCV, which lets go of Python's lock:
    by a profile about a third of the work without detection, a thirtieth of it with YuNet, holds it.
    """
    cv2.setNumThreads(1)  # the threads here are the parallelism

    def task(start: int) -> list[Sample | SetAside]:
        return croppers.crop(dataset.rows(start, min(start + ROWS, numbers.stop)))

    return threads.ahead(task, range(numbers.start, numbers.stop, ROWS), workers)


def untouched(dataset: Dataset, size: int, numbers: range) -> Iterator[list[pa.Table | SetAside]]:
    """Some rows in tables, image bytes as they are; set aside what is not `size` x `size` pixels."""
    for start in range(numbers.start, numbers.stop, MANY):
        table = dataset.whole(start, min(start + MANY, numbers.stop))
        sizes = [size for chunk in table["image"].chunks for size in images.sizes(chunk)]
        fits = [found == (size, size) for found in sizes]
        others = zip(table["sample_id"].to_pylist(), sizes, strict=True)
        aside = [SetAside(name, _other(found, size)) for name, found in others if found != (size, size)]
        yield [table.filter(pa.array(fits, pa.bool_())) if aside else table, *aside]


def softened(
    batches: Iterator[Sequence[pa.Table | SetAside]], params: Params, workers: int
) -> Iterator[list[pa.Table | SetAside]]:
    """`untouched` batches whose images are decoded, blurred and encoded again."""
    cv2.setNumThreads(1)  # the threads here are the parallelism

    def soften(image: bytes) -> bytes | str:
        try:
            return records.encode(blurred(records.decode(image), params.blur), params.quality)
        except records.BadImageError as error:
            return str(error)

    for batch in batches:
        table: Any = batch[0]
        aside = [face for face in batch[1:] if isinstance(face, SetAside)]
        made = list(threads.ahead(soften, table["image"].to_pylist(), workers))
        good = pa.array([isinstance(one, bytes) for one in made], pa.bool_())
        names = table["sample_id"].to_pylist()
        aside += [SetAside(n, one) for n, one in zip(names, made, strict=True) if isinstance(one, str)]
        column = pa.array([one if isinstance(one, bytes) else b"" for one in made], pa.binary())
        place = table.schema.get_field_index("image")
        yield [table.set_column(place, table.schema.field(place), column).filter(good), *aside]


def _other(found: tuple[int, int] | None, size: int) -> str:
    told = "no image of a known format" if found is None else f"{found[0]} x {found[1]} pixels"
    return f"{told}: crop `as_is` takes {size} x {size}"


def put(writer: records.Writer, batch: Sequence[Sample | SetAside | pa.Table], resolution: Resolution) -> int:
    """Write one batch, and count its resolution; how many faces it was made of."""
    for face in batch:
        if isinstance(face, SetAside):
            writer.skip(face.sample_id, face.reason)
        elif isinstance(face, pa.Table):  # as they were
            writer.extend(face)
            resolution.add(resolution.size, resolution.size, face.num_rows)
        else:
            writer.add(face)
            if isinstance(face, Crop):
                resolution.add(face.photo, face.square)
    return sum(face.num_rows if isinstance(face, pa.Table) else 1 for face in batch)


def origins(batch: Sequence[Sample | SetAside | pa.Table]) -> pa.Table:
    """Where the crops of a batch lie in their photos; nothing of what passed through as it was."""
    cut = [face for face in batch if isinstance(face, Crop)]
    rows = [{"sample_id": face.sample_id, "photo": face.origin, "matrix": list(face.matrix)} for face in cut]
    return pa.Table.from_pylist(rows, records.ORIGINS)


def wants_origins(method: str, annotators: Iterable[str]) -> bool:
    """Whether one of a dataset's annotators may want the photos that its crops were cut from."""
    return method != "as_is" and bool(set(annotators) - NO_PHOTO)


def write_origins(folder: Path, shards: Iterable[Path]) -> None:
    """`origins` of all shards, into the dataset's folder."""
    import pyarrow.parquet as pq

    tables = [pq.read_table(shard / records.ORIGINS_FILE) for shard in shards]
    whole = pa.concat_tables([records.ORIGINS.empty_table(), *tables])
    records.write_parquet(folder / records.ORIGINS_FILE, whole)
