"""Trains the scout: a small net on the unfiltered labelled faces, to find people of the benchmarks there.

A share of the identities is held out, chosen by the seed: faces that the scout has never seen give honest
impostor scores for the overlap stage's threshold. They are listed in `holdout.json` beside the weights.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline import files, records, stage
from pipeline.train import assemble, epochs_of, outcome

FOLDER = Path("data/models/scout")


def main(run: stage.Run) -> None:
    params = run.params
    entry, labelled = params["scout"], params["data"]["labelled"]
    if labelled == assemble.NONE:
        run.metrics(assemble.absent(FOLDER, "data.labelled is none, so there is nothing to train a scout on"))
        return
    held_out = holdout(run.prepared / "crop" / labelled, float(entry["holdout"]), int(entry["seed"]))
    faces = assemble.faces(
        run.prepared, labelled, run.runtime.cache_gb, needs_identity=True, filtered=False, without=held_out
    )
    epochs = epochs_of(params, entry["epochs"], "scout")
    trained = assemble.classifier(
        assemble.spec("scout", entry, params, faces, datasets=[labelled], epochs=epochs),
        entry,
        params,
        faces,
        runtime=run.runtime,
        checkpoints=run.checkpoints,
        log=run.log,
        bar=run.progress,
        validate=None,
    )

    def keep(folder: Path) -> None:
        files.write_json(folder / "holdout.json", {"dataset": labelled, "identities": held_out})

    trained.save(FOLDER, faces.classes, keep)
    run.metrics(
        {
            "faces": len(faces),
            "identities": len(faces.classes),
            "held_out": len(held_out),
            "epochs": epochs,
            "last": trained.curves[-1],
            "curves": trained.curves,
        }
    )
    run.say(outcome(trained.curves))


def holdout(folder: Path, share: float, seed: int) -> list[str]:
    """The identities that are kept from training: round(share * all), sorted."""
    if not 0 <= share < 1:
        raise ValueError(f"scout.holdout is {share}; it is a share of the identities, from 0 to below 1")
    identities = sorted(records.Dataset(folder).frame(["identity"])["identity"].dropna().unique())
    order = np.random.default_rng(seed).permutation(len(identities))
    return sorted(identities[place] for place in order[: round(share * len(identities))])


if __name__ == "__main__":
    stage.execute(main)
