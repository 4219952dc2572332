"""Find training and validation faces that are people of a protected set, and list them with reasons.

Training sets are compared with the benchmarks and the validation set, the validation set with the benchmarks.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import files, model, records, stage
from pipeline.evaluate import embed, evidence, hashes, impostors, overlap, removals
from pipeline.loader import Faces
from pipeline.sizes import sized

TRAINING = ("labelled", "unlabelled", "landmarked")
OUT = Path("data/prepared/overlap")
EXCLUSIONS = pa.schema([(name, pa.string()) for name in removals.LISTED])


def main(run: stage.Run) -> None:
    roles, given = run.params["data"], run.params["overlap"]
    settings = {key: sized(run.params, value, "overlap", key) for key, value in given.items()}
    training, protected = folders(roles)
    recogniser = model.load(settings["model"]).recogniser
    known = {roles["labelled"], roles["landmarked"], *protected}  # unlabelled: no identity to trust
    every = training | protected
    hashed = settings["duplicates"]["radius"] != "none"
    faces = {name: read(run, recogniser, name, at, name in known, hashed) for name, at in every.items()}
    learnt, tested = ([faces[name] for name in group] for group in (training, protected))
    validated = [each for each in tested if each.dataset == roles["validation"]]
    passes = [(learnt, tested), (validated, [each for each in tested if each.dataset in roles["benchmarks"]])]

    held_out = impostors.held_out(Path(settings["model"]))
    found = removals.search(passes, learnt or validated, held_out, settings)
    with files.writing_dir(OUT / "evidence") as folder:
        numbers = evidence.write(folder, found, every)
    records.write_parquet(OUT / "exclusions.parquet", pa.Table.from_pylist(found.rows, EXCLUSIONS))
    removed = removals.summary(found.rows, [*learnt, *validated])
    for name, counts in removed.items():
        counts |= removals.expected(name, found.matches, found.limits, settings["mutual_rate"])
        counts["roles"] = [role for role in (*TRAINING, "validation") if roles[role] == name]
        run.say(f"{name}: removed {removals.told(counts)}")
    settings["held_out"] = None if held_out is None else len(held_out)
    run.metrics({**settings, **numbers, "removed": removed})
    for picture in sorted((OUT / "evidence").glob("*.png")):
        run.figure(picture, f"overlap/{picture.name}")


def folders(roles: dict[str, Any]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Folders of the training sets and of the protected ones, by dataset."""
    prepared = Path("data/prepared/crop")
    training = {roles[role]: prepared / roles[role] for role in TRAINING if roles[role] != "none"}
    protected = {name: Path("data/benchmarks/crop") / name for name in roles["benchmarks"]}
    if roles["validation"] in protected:
        raise ValueError(f"data: {roles['validation']} is a benchmark, and validation too")
    if roles["validation"] != "none":
        protected[roles["validation"]] = prepared / roles["validation"]
    if both := sorted(set(training) & set(protected)):
        raise ValueError(f"data: {', '.join(both)} is trained on and tested on: every face of it would go")
    return training, protected


def read(
    run: stage.Run, net: model.Recogniser, name: str, folder: Path, known: bool, hashed: bool
) -> overlap.Faces:
    """Every face of one dataset, embedded; without identities unless they are `known`."""
    faces = hashes.Hashing(Faces(folder)) if hashed else Faces(folder)
    frame = records.Dataset(folder).frame(["sample_id", "identity", "name"])
    with run.progress(2 * len(faces), f"embed {name}") as progress:
        embeddings = embed.embed(net, faces, run.runtime, progress=progress)
    codes = faces.hashes if isinstance(faces, hashes.Hashing) else None
    return overlap.Faces.of(name, frame if known else frame.assign(identity=None), embeddings, codes)


if __name__ == "__main__":
    stage.execute(main)
