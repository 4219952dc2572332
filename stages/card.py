"""The card of one dataset: numbers and a page, of what was read, cropped, described, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import files, records, stage
from pipeline.report import blur, dataset_card

METRICS = Path("data/metrics")


def main(run: stage.Run) -> None:
    name = str(run.item)
    dataset = records.Dataset(run.prepared / "crop" / name)
    with run.progress(len(blur.sample(len(dataset))), f"card {name}") as bar:
        sharpness = blur.measure(dataset, bar.advance)
    card = dataset_card.describe(
        name,
        dataset,
        sharpness,
        entry=run.params["datasets"][name],
        ingested=metrics(run, "ingest"),
        cropped=metrics(run, "crop"),
        annotations=run.prepared / "annotate" / name / "annotations.parquet",
        overlap=None if run.benchmark else files.read_json(METRICS / "overlap.json"),
    )
    page = dataset_card.page(card, dataset_card.sheet(dataset, sharpness.rows))
    out = run.prepared / "card" / name
    with files.writing_dir(out) as aside:
        files.write_json(aside / "card.json", card)
        files.write_text(aside / "card.html", page)
    run.metrics(dataset_card.numbers(card))
    run.figure(out / "card.html", f"card/{name}.html")
    run.artifact(out / "card.json", f"card/{name}.json")
    run.say(f"{dataset_card.in_a_line(card)}; see {out / 'card.html'}")


def metrics(run: stage.Run, before: str) -> Any:
    """What an earlier stage measured of the same dataset."""
    address = stage.address_of(before, str(run.item), run.benchmark)
    return files.read_json(METRICS / f"{address.replace('@', '/', 1)}.json")


if __name__ == "__main__":
    stage.execute(main)
