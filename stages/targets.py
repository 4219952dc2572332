"""Computes a teacher's embeddings of every face and of its mirror image, once, for its students."""

from __future__ import annotations

from pathlib import Path

from pipeline import model, stage
from pipeline.evaluate.embed import embed
from pipeline.loader import Faces
from pipeline.train.targets import Source, write


def main(run: stage.Run) -> None:
    name = str(run.item)
    recogniser = model.load(Path("data/models") / name).recogniser
    roles = {role: run.params["data"][role] for role in ("labelled", "unlabelled")}
    faces = {dataset: Faces(run.prepared / "crop" / dataset) for dataset in roles.values()}
    total = 2 * sum(len(faces[dataset]) for dataset in roles.values())
    with run.progress(total, f"targets of {name}") as progress:

        def source(dataset: str) -> Source:
            images = faces[dataset]
            return Source(
                dataset,
                images.sample_ids,
                lambda start, stop: embed(
                    recogniser, images, run.runtime, start=start, stop=stop, progress=progress
                ),
            )

        sources = {role: source(dataset) for role, dataset in roles.items()}
        write(run.prepared / "targets" / name, name, recogniser.dim, sources)


if __name__ == "__main__":
    stage.execute(main)
