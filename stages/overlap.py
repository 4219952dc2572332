"""Find training faces that are people of a benchmark or of the validation set, and list them with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import files, model, records, stage
from pipeline.evaluate import embed, evidence, impostors, overlap
from pipeline.loader import Faces

TRAINING = ("labelled", "unlabelled", "landmarked")
OUT = Path("data/prepared/overlap")
TYPES = [pa.string()] * 6 + [pa.float64()] * 2
EXCLUSIONS = pa.schema(list(zip(overlap.COLUMNS, TYPES, strict=True)))


def main(run: stage.Run) -> None:
    roles, settings = run.params["data"], run.params["overlap"]
    training, protected = folders(roles)
    recogniser = model.load(settings["model"]).recogniser
    known = {
        roles["labelled"],
        roles["landmarked"],
        *protected,
    }  # an unlabelled face has no identity to trust
    faces = {
        name: read(run, recogniser, name, at, name in known) for name, at in (training | protected).items()
    }
    learnt, tested = ([faces[name] for name in group] for group in (training, protected))

    holdout = Path(settings["model"]) / "holdout.json"
    held_out = files.read_json(holdout)["identities"] if holdout.exists() else None
    kinds = overlap.kinds(learnt, tested)
    limits = impostors.thresholds(learnt, held_out, kinds, settings["false_match_rate"])
    matches = overlap.matches(learnt, tested, kinds)
    rows = overlap.exclusions(
        learnt, tested, matches, {kind: limit.value for kind, (limit, _) in limits.items()}
    )

    with files.writing_dir(OUT / "evidence") as folder:
        numbers = evidence.write(folder, limits, matches, rows, training | protected)
    records.write_parquet(OUT / "exclusions.parquet", pa.Table.from_pylist(rows, EXCLUSIONS))
    settings = {**settings, "held_out": None if held_out is None else len(held_out)}
    run.metrics({**settings, **numbers, "removed": overlap.summary(rows, learnt)})
    for name in ("similarity.png", "removed.png"):
        run.figure(OUT / "evidence" / name, f"overlap/{name}")


def folders(roles: dict[str, Any]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Folders of the training sets and of the protected ones, by dataset."""
    prepared = Path("data/prepared/crop")
    training = {roles[role]: prepared / roles[role] for role in TRAINING if roles[role] != "none"}
    protected = {name: Path("data/benchmarks/crop") / name for name in roles["benchmarks"]}
    if roles["validation"] != "none":
        protected[roles["validation"]] = prepared / roles["validation"]
    both = sorted(set(training) & set(protected))
    if both:
        raise ValueError(f"data: {', '.join(both)} is trained on and tested on: every face of it would go")
    return training, protected


def read(run: stage.Run, net: model.Recogniser, name: str, folder: Path, known: bool) -> overlap.Faces:
    """Every face of one dataset, embedded; without identities unless they are `known`."""
    faces = Faces(folder)
    frame = records.Dataset(folder).frame(["sample_id", "identity", "name"])
    with run.progress(2 * len(faces), f"embed {name}") as progress:
        embeddings = embed.embed(net, faces, run.runtime, progress=progress)
    return overlap.Faces.of(name, frame if known else frame.assign(identity=None), embeddings)


if __name__ == "__main__":
    stage.execute(main)
