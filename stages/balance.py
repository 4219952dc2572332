"""A balanced set of cropped faces from several datasets: as many of every cohort that has enough (Sub200)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline import annotators, files, records, stage

PREPARED = (Path("data/prepared"), Path("data/benchmarks"))
RAW = Path("data/raw")


class BalanceError(ValueError):
    """Datasets that can't be put together, or cohorts that are all too small."""


def main(run: stage.Run) -> None:
    name = str(run.item)
    entry = run.params["balanced"][name]
    crops, tables = {}, []
    for of in entry["of"]:
        place = found(of, name)
        crops[of] = records.Dataset(place / "crop" / of)
        known = records.read_parquet(place / "annotate" / of / "annotations.parquet")
        tables.append(known.assign(of=of, row=range(len(known))))
    sizes = {of: dataset.about.get("image_size") for of, dataset in crops.items()}
    if len(set(sizes.values())) != 1:
        raise BalanceError(f"balanced.{name}: crops differ in size: {sizes}; give them all one crop")
    frame = pd.concat(tables, ignore_index=True)
    rows = annotators.balanced(frame, entry["each"], entry["confidence"], entry["seed"])
    if not len(rows):
        raise BalanceError(
            f"balanced.{name}: no cohort has {entry['each']} faces whose attributes are all known with a "
            f"confidence above {entry['confidence']}: lower `each` or `confidence`, or add datasets"
        )
    chosen = frame.loc[rows].reset_index(drop=True)
    write(run, crops, chosen.assign(sample_id=chosen["of"] + "/" + chosen["sample_id"]))
    counts = chosen["cohort"].nunique()
    run.metrics({"faces": len(chosen), "cohorts": counts, "of": chosen["of"].value_counts().to_dict()})
    run.say(f"{len(chosen):,} faces of {counts} of {annotators.COHORTS} cohorts; see {RAW / name}")


def write(run: stage.Run, crops: dict[str, records.Dataset], chosen: pd.DataFrame) -> None:
    """The dataset folder of the chosen faces, with their annotations beside it."""
    name, entry = str(run.item), run.params["balanced"][str(run.item)]
    with files.writing_dir(RAW / name) as folder:
        writer = records.Writer(folder)
        with run.progress(len(chosen), f"balance {name}") as bar:
            for sample_id, of, row in zip(chosen["sample_id"], chosen["of"], chosen["row"], strict=True):
                (sample,) = crops[of].rows(row, row + 1)
                sample.sample_id = sample_id
                writer.add(sample)
                bar.advance()
        writer.close({"what": f"{entry['each']} faces of each cohort of {', '.join(crops)}", **entry})
        table = pa.Table.from_pandas(chosen.drop(columns=["of", "row"]), preserve_index=False)
        records.write_parquet(folder / "annotations.parquet", table.replace_schema_metadata())


def found(dataset: str, name: str) -> Path:
    """Where a dataset's crops and annotations lie."""
    for place in PREPARED:
        if (place / "annotate" / dataset / "annotations.parquet").exists():
            return place
    raise BalanceError(f"balanced.{name}.of: {dataset} is not annotated: name it in a role, not in clustered")


if __name__ == "__main__":
    stage.execute(main)
