"""Samples of one dataset -> crops of one size, aligned or not, and all that is known in their pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import crops, files, plugin, progress, records, stage
from pipeline.detectors import Detector

RAW = Path("data/raw")
CROP, DETECTOR = "aligned", "source"  # where an entry says nothing


def main(run: stage.Run) -> None:
    name = str(run.item)
    entry, limit = run.params["datasets"][name], run.params["limits"]["set_aside"]
    address = stage.address_of("crop", name, run.benchmark)
    preset, detector = entry.get("crop", CROP), entry.get("detector", DETECTOR)
    params = crops.Params(**run.params["crops"][preset])
    dataset = records.Dataset(run.prepared / "ingest" / name, RAW / name)
    batches: Iterator[list[Any]]
    if params.method == "as_is":
        batches = crops.untouched(dataset, params.size)
    else:
        make = maker(run, detector, entry.get("detections"), dataset, params)
        batches = crops.crops(dataset, make, run.runtime.workers)
    about = {**dataset.about, **params.about(), "crop": preset, "detector": detector, "colour": "RGB"}
    known = pa.Table.from_pandas(dataset.set_aside(), records.SET_ASIDE).to_pylist()
    pairs = pa.Table.from_pandas(dataset.pairs(), records.PAIRS)
    with files.writing_dir(run.prepared / "crop" / name) as folder:
        writer, resolution = records.Writer(folder, set_aside=list(known)), crops.Resolution(params.size)
        with run.progress(len(dataset), f"crop {name}") as bar:
            for batch in batches:
                bar.advance(crops.put(writer, batch, resolution))
        total = writer.count + len(writer.set_aside)
        with stage.listed(address, writer.set_aside):
            records.check_set_aside(writer.set_aside, total, limit, f"dataset {name}")
        writer.close(about, pairs, dataset.lists())
    show(run, done := records.Dataset(run.prepared / "crop" / name))
    here = set(done.frame(["sample_id"])["sample_id"])
    broken = sum(not {pair["a"], pair["b"]} <= here for pair in pairs.to_pylist())
    aside = writer.set_aside[len(known) :]
    counts = {"crops": writer.count, "set_aside": len(aside), "pairs": len(pairs), "broken_pairs": broken}
    run.metrics({**counts, "resolution": resolution.told()})
    progress.finished(address, "faces cropped", writer.count, aside, done.folder)


def maker(
    run: stage.Run, detector: str, detections: str | None, dataset: records.Dataset, params: crops.Params
) -> Callable[[], crops.Cropper]:
    """What makes a thread's cropper; its detector has been checked against the dataset."""
    module = plugin.load("detectors", detector)
    options = dict(run.params["detectors"].get(detector) or {})
    if detector == "file" and detections:
        options["path"] = detections

    def build() -> Detector:
        return module.build(module.Params(**options), RAW / str(run.item))

    first = build()
    first.check(dataset.frame(["sample_id"])["sample_id"].tolist())
    settings = (params.method, params.size, params.margin, params.quality)
    return lambda: crops.Cropper(first if first.shared else build(), *settings)


def show(run: stage.Run, done: records.Dataset) -> None:
    """A contact sheet for tracking."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crops.png"
        path.write_bytes(records.encode(crops.sheet_of(done), 101))
        run.figure(path, "crops.png")


if __name__ == "__main__":
    stage.execute(main)
