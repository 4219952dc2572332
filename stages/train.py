"""Trains one model from labels: a teacher, or a student's architecture alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline import model, stage
from pipeline.train import assemble, epochs_of, outcome


def main(run: stage.Run) -> None:
    name, params = str(run.item), run.params
    entry, labelled = params["train"][name], params["data"]["labelled"]
    faces = assemble.faces(run.prepared, labelled, run.runtime.cache_gb, needs_identity=True)
    validate = validator(run)
    epochs = epochs_of(params, entry["epochs"], "train")
    spec = assemble.spec(name, entry, params, faces, datasets=[labelled], epochs=epochs)
    trained = assemble.classifier(
        spec,
        entry,
        params,
        faces,
        runtime=run.runtime,
        checkpoints=run.checkpoints,
        log=run.log,
        bar=run.progress,
        validate=validate,
    )
    trained.save(Path("data/models") / name, faces.classes)
    run.metrics(
        {
            "faces": len(faces),
            "identities": len(faces.classes),
            "epochs": epochs,
            "last": trained.curves[-1],
            "curves": trained.curves,
        }
    )
    run.say(outcome(trained.curves))


def validator(run: stage.Run) -> Callable[[model.Recogniser], Mapping[str, float]] | None:
    """Accuracy on pairs of validation people, for the curves: the last epoch is kept, whatever it says."""
    dataset = run.params["data"]["validation"]
    if dataset == assemble.NONE:
        return None
    from pipeline.evaluate import verify

    faces = assemble.faces(run.prepared, dataset, run.runtime.cache_gb, needs_identity=True)
    return verify.Validation(faces, run.runtime)


if __name__ == "__main__":
    stage.execute(main)
