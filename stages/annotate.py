"""The five attributes of every face of one dataset, their cohorts, and how far the annotators agree."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline import annotators, files, records, shards, stage
from pipeline.annotating import SAID, Annotating
from pipeline.annotating import answers as of_all

RAW = Path("data/raw")
FEWEST = 512  # rows of a shard, but for the last

DEFAULT = ("truth", "pose")  # where an entry says nothing


def main(run: stage.Run) -> None:
    name = str(run.item)
    dataset = records.Dataset(run.prepared / "crop" / name)
    chosen = run.params["datasets"][name].get("annotators", DEFAULT)
    options = {annotator: run.params["annotators"].get(annotator, {}) for annotator in chosen}
    task = Annotating(dataset.folder, run.prepared / "ingest" / name, RAW / name, options)
    cut = shards.stretches(len(dataset), shards.rows(len(dataset), FEWEST))
    with run.progress(len(dataset), f"annotate {name}") as bar:
        made = shards.made(task, cut, run.checkpoints, run.runtime, bar)
        said = [records.read_parquet(shard.folder / SAID) for shard in made]
    frame, answers = dataset.frame(["sample_id"]), of_all(said, options)
    best = annotators.combine(answers, frame.index)
    agreement = annotators.agreement(answers)
    with files.writing_dir(run.prepared / "annotate" / name) as folder:
        table = pa.Table.from_pandas(best.assign(sample_id=frame["sample_id"]), preserve_index=False)
        records.write_parquet(folder / "annotations.parquet", table.replace_schema_metadata())
        files.write_json(folder / "agreement.json", agreement)
    known = {name: int((best[name] != annotators.UNKNOWN).sum()) for name in annotators.ATTRIBUTES}
    run.metrics({"faces": len(best), "known": known, "cohorts": cohorts(best), "agreement": agreement})
    told = ", ".join(f"{attribute} {count:,}" for attribute, count in known.items())
    place = run.prepared / "annotate" / name / "annotations.parquet"
    run.say(f"{len(best):,} faces annotated (known: {told}); see {place}")


def cohorts(best: pd.DataFrame) -> dict[str, int]:
    """How many cohorts occur, and how many faces have one."""
    known = best["cohort"][best["cohort"] != annotators.UNKNOWN]
    return {"seen": int(known.nunique()), "faces": len(known)}


if __name__ == "__main__":
    stage.execute(main)
