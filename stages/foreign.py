"""Takes a frozen recogniser in as a model: its file, its normalisation, and that nobody can audit it."""

from __future__ import annotations

from pathlib import Path

from pipeline import model, stage
from pipeline.backbones import foreign


def main(run: stage.Run) -> None:
    name = str(run.item)
    entry = run.params["foreign"][name]
    params = foreign.Params(**run.params["backbones"]["foreign"][entry["preset"]])
    mean, std = foreign.normalisation(params)
    spec = model.ModelSpec(
        name=name,
        kind="foreign",
        backbone="foreign",
        shape=params.model_dump(mode="json"),
        size=params.image_size,
        auditable=False,
        mean=mean,
        std=std,
    )
    model.save_foreign(Path("data/models") / name, spec, entry["weights"])


if __name__ == "__main__":
    stage.execute(main)
