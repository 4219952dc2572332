"""Samples of one dataset -> crops of one size, aligned or not, and all that is known in their pixels."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import crops, files, progress, records, shards, stage
from pipeline.cropping import Cropping, wants_origins, write_origins

RAW = Path("data/raw")
CROP, DETECTOR, FACES = "aligned", "source", "prominent"  # where an entry says nothing
FEWEST = 512  # rows of a shard, whose end all threads wait for


def main(run: stage.Run) -> None:
    name = str(run.item)
    entry, limit = run.params["datasets"][name], run.params["limits"]["set_aside"]
    address = stage.address_of("crop", name, run.benchmark)
    preset, detector = entry.get("crop", CROP), entry.get("detector", DETECTOR)
    counted = entry.get("faces", FACES)
    params = crops.Params(**run.params["crops"][preset])
    task = task_of(run, entry, params)
    dataset = records.Dataset(task.dataset)
    about = {**dataset.about, **params.about(), "crop": preset, "detector": detector, "colour": "RGB"}
    about |= {"faces": counted} if detector != DETECTOR else {}  # the source knows of one face an image
    known = pa.Table.from_pandas(dataset.set_aside(), records.SET_ASIDE).to_pylist()
    pairs = pa.Table.from_pandas(dataset.pairs(), records.PAIRS)
    with files.writing_dir(run.prepared / "crop" / name) as folder:
        writer = records.Writer(folder, set_aside=list(known))
        resolution = crops.Resolution(params.image_size)
        made: list[Path] = []
        cut = shards.stretches(len(dataset), shards.rows(len(dataset), FEWEST))
        # nobody knows beforehand how many faces there are in all
        with run.progress(0 if counted == "all" else len(dataset), f"crop {name}") as bar:
            for shard in shards.made(task, cut, run.checkpoints, run.runtime, bar):
                writer.adopt(shard.parts, shard.facts["rows"])
                writer.set_aside += shard.facts["set_aside"]
                resolution.merge(shard.facts["resolution"])
                made.append(shard.folder)
        total = writer.count + len(writer.set_aside)
        with stage.listed(address, writer.set_aside):
            records.check_set_aside(writer.set_aside, total, limit, f"dataset {name}")
        writer.close(about, pairs, dataset.lists())
        if task.origins:
            write_origins(folder, made)
    show(run, done := records.Dataset(run.prepared / "crop" / name))
    here = set(done.frame(["sample_id"])["sample_id"])
    broken = sum(not {pair["a"], pair["b"]} <= here for pair in pairs.to_pylist())
    aside = writer.set_aside[len(known) :]
    counts = {"crops": writer.count, "set_aside": len(aside), "pairs": len(pairs), "broken_pairs": broken}
    run.metrics({**counts, "resolution": resolution.told()})
    progress.finished(address, "faces cropped", writer.count, aside, done.folder)


def task_of(run: stage.Run, entry: dict[str, Any], params: crops.Params) -> Cropping:
    """What makes the crops, by the entry's detector, which has been checked against the dataset."""
    detector, place = entry.get("detector", DETECTOR), run.prepared / "ingest" / str(run.item)
    options = dict(run.params["detectors"].get(detector) or {})
    if detector == "file" and entry.get("detections"):
        options["path"] = entry["detections"]
    faces, origins = entry.get("faces", FACES), wants_origins(params.method, entry.get("annotators", ()))
    task = Cropping(place, RAW / str(run.item), params, detector, options, faces, origins)
    task.check()
    return task


def show(run: stage.Run, done: records.Dataset) -> None:
    """A contact sheet for tracking."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crops.png"
        path.write_bytes(records.encode(crops.sheet_of(done), 101))
        run.figure(path, "crops.png")


if __name__ == "__main__":
    stage.execute(main)
