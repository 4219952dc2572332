"""Raw data of one dataset -> its samples in shards, its pair lists, and what could not be used."""

from __future__ import annotations

import hashlib
import logging
import operator
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline import files, plugin, progress, reading, records, stage
from pipeline.sources import Listed, Source, SourceError, per_identity, remarks
from pipeline.strict import inside

LOG = logging.getLogger(__name__)
RAW = Path("data/raw")
# what a dataset's entry says to other stages; all else is its source's
COMMON = ("source", "crop", "detector", "detections", "faces", "annotators", "terms")


def main(run: stage.Run) -> None:
    name = str(run.item)
    entry, raw = run.params["datasets"][name], RAW / name
    address = stage.address_of("ingest", name, run.benchmark)
    module = plugin.load("sources", entry["source"])
    own = {key: value for key, value in entry.items() if key not in COMMON}
    source: Source = module.build(module.Params(**own), raw, run.params)
    about = {**source.about(), **detections(entry, raw), "dataset": name, "source": entry["source"]}
    with files.writing_dir(run.prepared / "ingest" / name) as folder:
        writer = records.Writer(folder)
        with run.progress(operator.length_hint(source), f"ingest {name}") as bar:
            people = reading.collect(source, writer, run.checkpoints, run.runtime, bar)
        total = writer.count + len(writer.set_aside)
        with stage.listed(address, writer.set_aside):
            limit = run.params["limits"]["set_aside"]
            records.check_set_aside(writer.set_aside, total, limit, f"dataset {name}")
        pairs = records.pair_table(source.pairs())
        lists = source.lists() if isinstance(source, Listed) else {}
        notes = [*about.get("notes", []), *remarks(people, writer.count)]
        writer.close({**about, "notes": notes}, pairs, lists)
    for note in notes:
        LOG.warning("%s: %s", name, note)
    run.metrics(
        {
            "samples": writer.count,
            "set_aside": len(writer.set_aside),
            "reasons": dict(Counter(row["reason"] for row in writer.set_aside).most_common(10)),
            "pairs": pairs.num_rows,
            **{title: table.num_rows for title, table in lists.items()},
            **per_identity(people),
        }
    )
    place = run.prepared / "ingest" / name
    whose = f"of {len(people):,} identities" if people else "of no known identity"
    progress.finished(address, f"images read {whose}", writer.count, writer.set_aside, place)


def detections(entry: Mapping[str, Any], raw: Path) -> dict[str, Any]:
    """Name and hash of the file of detections: cropping depends on what is in it, through this dataset."""
    if not entry.get("detections"):
        return {}
    try:
        path = raw / inside(entry["detections"])
    except ValueError as error:
        raise SourceError(f"detections: {error}") from error
    if not path.is_file():
        raise SourceError(f"detections: {path} does not exist")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"detections": entry["detections"], "detections_sha256": digest}


if __name__ == "__main__":
    stage.execute(main)
