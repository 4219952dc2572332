"""Samples of one dataset -> crops of one size, aligned or not, and all that is known in their pixels."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import crops, detectors, files, progress, records, stage

RAW = Path("data/raw")
CROP, DETECTOR, FACES = "aligned", "source", "prominent"  # where an entry says nothing


def main(run: stage.Run) -> None:
    name = str(run.item)
    entry, limit = run.params["datasets"][name], run.params["limits"]["set_aside"]
    address = stage.address_of("crop", name, run.benchmark)
    preset, detector = entry.get("crop", CROP), entry.get("detector", DETECTOR)
    counted = entry.get("faces", FACES)
    params = crops.Params(**run.params["crops"][preset])
    dataset = records.Dataset(run.prepared / "ingest" / name, RAW / name)
    batches = cut(run, entry, dataset, params)
    about = {**dataset.about, **params.about(), "crop": preset, "detector": detector, "colour": "RGB"}
    about |= {"faces": counted} if detector != DETECTOR else {}  # the source knows of one face an image
    known = pa.Table.from_pandas(dataset.set_aside(), records.SET_ASIDE).to_pylist()
    pairs = pa.Table.from_pandas(dataset.pairs(), records.PAIRS)
    tables: list[pa.Table] = []  # where the crops lie in their photos
    with files.writing_dir(run.prepared / "crop" / name) as folder:
        writer, resolution = records.Writer(folder, set_aside=list(known)), crops.Resolution(params.size)
        # nobody knows beforehand how many faces there are in all
        with run.progress(0 if counted == "all" else len(dataset), f"crop {name}") as bar:
            for batch in batches:
                bar.advance(crops.put(writer, batch, resolution))
                tables.append(crops.origins(batch))
        total = writer.count + len(writer.set_aside)
        with stage.listed(address, writer.set_aside):
            records.check_set_aside(writer.set_aside, total, limit, f"dataset {name}")
        writer.close(about, pairs, dataset.lists())
        crops.write_origins(folder, params, entry.get("annotators", ()), tables)
    show(run, done := records.Dataset(run.prepared / "crop" / name))
    here = set(done.frame(["sample_id"])["sample_id"])
    broken = sum(not {pair["a"], pair["b"]} <= here for pair in pairs.to_pylist())
    aside = writer.set_aside[len(known) :]
    counts = {"crops": writer.count, "set_aside": len(aside), "pairs": len(pairs), "broken_pairs": broken}
    run.metrics({**counts, "resolution": resolution.told()})
    progress.finished(address, "faces cropped", writer.count, aside, done.folder)


def cut(
    run: stage.Run, entry: dict[str, Any], dataset: records.Dataset, params: crops.Params
) -> Iterator[list[Any]]:
    """Batches of crops, by the entry's detector."""
    if params.method == "as_is":
        return crops.untouched(dataset, params.size)
    detector = entry.get("detector", DETECTOR)
    options = dict(run.params["detectors"].get(detector) or {})
    if detector == "file" and entry.get("detections"):
        options["path"] = entry["detections"]
    sample_ids = dataset.frame(["sample_id"])["sample_id"].tolist()
    build = detectors.maker(detector, options, RAW / str(run.item), sample_ids)
    settings = (params.method, params.size, params.margin, params.quality, entry.get("faces", FACES))
    return crops.crops(dataset, lambda: crops.Cropper(build(), *settings), run.runtime.workers)


def show(run: stage.Run, done: records.Dataset) -> None:
    """A contact sheet for tracking."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crops.png"
        path.write_bytes(records.encode(crops.sheet_of(done), 101))
        run.figure(path, "crops.png")


if __name__ == "__main__":
    stage.execute(main)
