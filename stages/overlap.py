"""Find training and validation faces that are people of a protected set, and list them with reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import decisions, files, model, records, stage
from pipeline.evaluate import (
    borderline,
    embed,
    evidence,
    hashes,
    impostors,
    mistakes,
    overlap,
    removals,
    within,
)
from pipeline.evaluate.roles import NONE, Sets
from pipeline.evaluate.verdicts import resolve
from pipeline.loader import Faces
from pipeline.sizes import sized

OUT = Path("data/prepared/overlap")
EXCLUSIONS = pa.schema([(name, pa.string()) for name in removals.LISTED])


def main(run: stage.Run) -> None:
    sets, given = Sets.of(run.params["data"]), run.params["overlap"]
    settings = {key: sized(run.params, value, "overlap", key) for key, value in given.items()}
    if settings["false_match_rate"] == NONE:
        sets.check_objects()
    decided = decisions.read(settings["decisions"])
    decisions.check_names(settings["decisions"], decided, sets.cleaned, sets.protected)
    faces = read(run, settings, sets)
    verdicts = resolve(settings["decisions"], decided, faces)
    held_out = impostors.held_out(Path(settings["model"]))
    cleaned = [faces[name] for name in sets.cleaned]
    inside = within.search(cleaned, held_out, settings["within"])
    found = removals.search(sets.passes(faces), held_out, settings, verdicts, inside)
    pairs = borderline.near(found, faces, settings["band"])
    with files.writing_dir(OUT / "evidence") as folder:
        numbers = evidence.write(folder, found, sets.every)
        borderline.write(folder, pairs, sets.every, settings["decisions"])
        mistakes.write(folder, inside, sets.every)
    records.write_parquet(OUT / "merged.parquet", mistakes.applied(inside, settings["within"]["merge"]))
    records.write_parquet(OUT / "exclusions.parquet", pa.Table.from_pylist(found.rows, EXCLUSIONS))
    removed = removals.summary(found, cleaned, settings["mutual_rate"])
    for name, counts in removed.items():
        counts["roles"] = sets.roles_of(name)
        run.say(f"{name}: removed {removals.told(counts)}")
    numbers |= {"borderline": len(pairs), "decisions": verdicts.about(), "inside": inside.about}
    settings["held_out"] = None if held_out is None else len(held_out)
    run.metrics({**settings, **numbers, "decisions_at": settings["decisions"], "removed": removed})
    for picture in sorted((OUT / "evidence").glob("*.png")):
        run.figure(picture, f"overlap/{picture.name}")


def read(run: stage.Run, settings: dict[str, Any], sets: Sets) -> dict[str, overlap.Faces]:
    """Every face of every dataset, embedded and, where copies are looked for, hashed."""
    net, answer = model.load(settings["model"]).recogniser, {}
    for name, folder in sets.every.items():
        faces = hashes.Hashing(Faces(folder), settings["duplicates"]["radius"] != "none")
        frame = records.Dataset(folder).frame(["sample_id", "identity", "name"])
        frame = frame if name in sets.known else frame.assign(identity=None)
        with run.progress(2 * len(faces), f"embed {name}") as progress:
            embeddings = embed.embed(net, faces, run.runtime, progress=progress)
        answer[name] = overlap.Faces.of(name, frame, embeddings, faces.hashes)
    return answer


if __name__ == "__main__":
    stage.execute(main)
