"""Trains the landmark net on faces whose landmarks are known, and measures it on validation faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline import model, stage
from pipeline.evaluate.landmarks import nme, told
from pipeline.evaluate.points import predict
from pipeline.landmarks import LandmarkNet
from pipeline.train import assemble, epochs_of, heatmaps, outcome, schedule
from pipeline.train.checkpoint import seed_all

KNOWN = ("points68", "box")
FOLDER = Path("data/models/landmark")


def main(run: stage.Run) -> None:
    params = run.params
    entry, dataset = params["landmark"], params["data"]["landmarked"]
    if dataset == assemble.NONE:
        run.metrics(assemble.absent(FOLDER, "data.landmarked is none, so there is nothing to train it on"))
        return
    faces = assemble.faces(run.prepared, dataset, run.runtime.cache_gb, needs_identity=False, known=KNOWN)
    if not len(faces):
        raise ValueError(f"{faces.folder}: no face has 68 landmarks; data.landmarked should name others")
    spec = model.ModelSpec(
        name="landmark",
        kind="landmark",
        backbone=entry["net"],
        shape=params["landmarks"][entry["net"]][entry["preset"]],
        size=assemble.side(faces),
        trained_on=[dataset],
        epochs=epochs_of(params, entry["epochs"], "landmark"),
    )
    seed = int(entry["seed"])
    seed_all(seed)
    net = model.build_landmark(spec)
    settings, augment = assemble.schedule(entry, params), assemble.augment(entry, params)
    curves = assemble.run(
        heatmaps.Mapper(net),
        heatmaps.Landmarks(net),
        heatmaps.batches(faces, settings.batch, seed, augment, run.runtime.workers),
        name=spec.name,
        epochs=spec.epochs,
        schedule=schedule.build(settings),
        seed=seed,
        runtime=run.runtime,
        checkpoints=run.checkpoints,
        log=run.log,
        bar=run.progress,
        end_of_epoch=validator(run, net, spec),
    )
    model.save(FOLDER, spec, net)
    run.metrics({"faces": len(faces), "epochs": spec.epochs, "last": curves[-1], "curves": curves})
    run.say(outcome(curves))


def validator(
    run: stage.Run, net: LandmarkNet, spec: model.ModelSpec
) -> Callable[[int], Mapping[str, float]] | None:
    """Mean error on validation faces after an epoch; None where none has landmarks."""
    dataset = run.params["data"]["validation"]
    if dataset == assemble.NONE:
        return None
    faces = assemble.faces(run.prepared, dataset, run.runtime.cache_gb, needs_identity=False, known=KNOWN)
    truth, box = faces.points("points68"), faces.points("box").reshape(-1, 4)

    def measure(_: int) -> Mapping[str, float]:
        return told(nme(predict(net, faces, spec, run.runtime.device), truth, box))

    return measure if len(faces) else None


if __name__ == "__main__":
    stage.execute(main)
