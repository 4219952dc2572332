"""What training stages have in common: from the names in a model's entry to faces, nets and a trained model.

`entry` is a model's own entry ({backbone: ir, shape: student ...}), `params` the stage's declared params, in
which the presets lie that the entry names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files, model, plugin
from pipeline import runtime as machines
from pipeline.augment import Augment
from pipeline.contracts import Head, Objective, Progress
from pipeline.loader import Faces, exclusions, merged
from pipeline.runtime import Runtime
from pipeline.train import schedule as schedules
from pipeline.train.batches import Batches, Stream
from pipeline.train.checkpoint import Checkpoints, seed_all
from pipeline.train.loop import Curves, EndOfEpoch, Log, fit
from pipeline.train.recognition import Recognition, Sum

logger = logging.getLogger(__name__)

NONE = "none"
EXCLUSIONS = Path("data/prepared/overlap/exclusions.parquet")
MERGED = Path("data/prepared/overlap/merged.parquet")

Entry = Mapping[str, Any]
Bar = Callable[[float, str], AbstractContextManager[Progress]]


def given(path: str) -> Path | None:
    """An optional input: the path, or None for the empty `none`."""
    return None if Path(path).name == NONE else Path(path)


def absent(folder: Path, why: str) -> dict[str, str]:
    """A model folder that holds no model, where a role is left empty; what the stage's metrics say of it."""
    said = {"absent": why}
    with files.writing_dir(folder) as aside:
        files.write_json(aside / "absent.json", said)
    logger.warning("no model at %s: %s", folder, why)
    return said


def faces(
    prepared: Path,
    dataset: str,
    cache_gb: float,
    *,
    needs_identity: bool,
    filtered: bool = True,
    without: Collection[str] = (),
    known: Collection[str] = (),
) -> Faces:
    """The cropped faces of `dataset`, less those of people of the benchmarks unless `filtered` is False.

    With their identities come those that overlap was asked to merge. `without` and `known` as in `Faces`.
    """
    excluded = exclusions(EXCLUSIONS, dataset) if filtered else set()
    same = merged(MERGED, dataset) if filtered and needs_identity else {}
    found = Faces(
        prepared / "crop" / dataset,
        exclude=excluded,
        without=without,
        needs_identity=needs_identity,
        known=known,
        merged=same,
        cache_gb=cache_gb,
    )
    logger.info(
        "%s: %d faces, %d excluded, %d identities merged", dataset, len(found), len(excluded), len(same)
    )
    return found


def side(found: Faces) -> int:
    """The images' side in pixels; nets take squares."""
    height, width = found.size
    if height != width:
        raise ValueError(f"{found.folder} has images of {height} x {width}; nets take square ones")
    return height


def spec(
    name: str, entry: Entry, params: Entry, found: Faces, *, datasets: list[str], epochs: int
) -> model.ModelSpec:
    """What the entry describes, for the identities and the size of `found`."""
    return model.ModelSpec(
        name=name,
        backbone=entry["backbone"],
        shape=params["backbones"][entry["backbone"]][entry["shape"]],
        conv=entry["conv"],
        conv_params=params["convs"][entry["conv"]],
        head=entry["head"],
        margin=params["heads"][entry["head"]][entry["margin"]],
        classes=len(found.classes),
        size=side(found),
        trained_on=datasets,
        epochs=epochs,
    )


def inherit(described: model.ModelSpec, *ancestors: model.ModelSpec | None) -> model.ModelSpec:
    """A model has seen what its ancestors have seen, and can be audited only if all of them can.

    Ancestors are a teacher, the model that it starts from, a landmark net at its side.
    """
    for ancestor in ancestors:
        if ancestor is not None:
            whole = inherit(ancestor, ancestor.side)
            update = {
                "trained_on": sorted({*described.trained_on, *whole.trained_on}),
                "auditable": described.auditable and whole.auditable,
            }
            described = described.model_copy(update=update)
    return described


def augment(entry: Entry, params: Entry) -> Augment:
    module = plugin.load("augment", entry["augment"])
    built: Augment = module.build(module.Params(**params["augment"][entry["augment"]]))
    return built


def schedule(entry: Entry, params: Entry) -> schedules.Params:
    """The named schedule; `schedule.build` makes it, `batch` is the labelled samples of a step."""
    return schedules.Params(**params["schedules"][entry["schedule"]])


def start_from(
    folder: Path, recogniser: model.Recogniser, head: Head | None, classes: list[str]
) -> model.ModelSpec:
    """Copies the weights of the model in `folder`; its classifier's too where that knows the same people.

    Gives what that model is: see `inherit`.
    """
    trained = model.load(folder)
    try:
        recogniser.load_state_dict(trained.recogniser.state_dict())
    except RuntimeError as error:
        raise ValueError(f"init {folder} is another architecture than the model to train: {error}") from error
    if head is not None and trained.head is not None and trained.classes == classes:
        head.load_state_dict(trained.head.state_dict())
    else:
        logger.warning("init %s has no classifier of the same identities; it starts afresh", folder)
    return trained.spec


@dataclass(frozen=True)
class Trained:
    """A model and how its training went."""

    spec: model.ModelSpec
    recogniser: model.Recogniser
    head: Head
    clusters: Any  # a clustering objective with `save(folder)`, or None
    curves: Curves

    def save(self, folder: Path, classes: list[str], *extras: Callable[[Path], None]) -> None:
        """The model's folder, whole or not at all; `extras` as in `model.save`."""
        also = [*extras] if self.clusters is None else [self.clusters.save, *extras]
        model.save(folder, self.spec, self.recogniser, self.head, classes, also)


def classifier(
    described: model.ModelSpec,
    entry: Entry,
    params: Entry,
    found: Faces,
    *,
    runtime: Runtime,
    checkpoints: Path,
    log: Log,
    bar: Bar,
    validate: Callable[[model.Recogniser], Mapping[str, float]] | None,
) -> Trained:
    """Trains a recogniser from labels, with the clustering loss that the entry may name."""
    seed, epochs = int(entry["seed"]), described.epochs
    seed_all(seed)
    recogniser = model.build(described, given(entry.get("landmark", NONE)))
    head = model.build_head(described, recogniser.dim)
    if (init := given(entry.get("init", NONE))) is not None:
        described = inherit(described, start_from(init, recogniser, head, found.classes))
    described = inherit(described, recogniser.spec.side)
    clusters = clusters_of(entry, params, recogniser.routing_size, len(found), epochs)
    objective = Recognition(head) if clusters is None else Sum([Recognition(head), clusters])
    settings = schedule(entry, params)
    stream = Stream(found, settings.batch, seed, augment(entry, params))
    batches = Batches(stream, mean=described.mean, std=described.std, seed=seed, workers=runtime.workers)
    curves = run(
        recogniser,
        objective,
        batches,
        name=described.name,
        epochs=epochs,
        schedule=schedules.build(settings),
        seed=seed,
        runtime=runtime,
        checkpoints=checkpoints,
        log=log,
        bar=bar,
        end_of_epoch=None if validate is None else lambda _: validate(recogniser),
    )
    return Trained(described, recogniser, head, clusters, curves)


def clusters_of(entry: Entry, params: Entry, routing_size: int, rows: int, epochs: int) -> Objective | None:
    name = entry.get("cluster", NONE)
    if name == NONE:
        return None
    module = plugin.load("clusters", name)
    built: Objective | None = module.build(
        module.Params(**params["clusters"][name]), routing_size, rows, epochs, int(entry["seed"])
    )
    return built


def channels_last(recogniser: Any, device: str) -> bool:
    """Whether a pixel's channels lie side by side: on a CPU for recognisers with plain kernels alone.

    Images a second of one thread, batch 16, 64 px: MobileFaceNet 1.4 times as many, the small IR net 1.1
    to 1.25 times, dynamic group convolution 0.93 times; the landmark net took a fifth longer in a demo run.
    """
    return device == "cuda" or getattr(recogniser, "routing_size", None) == 0


def run(
    recogniser: Any,
    objective: Objective,
    batches: Batches,
    *,
    name: str,
    epochs: int,
    schedule: schedules.Schedule,
    seed: int,
    runtime: Runtime,
    checkpoints: Path,
    log: Log,
    bar: Bar,
    end_of_epoch: EndOfEpoch | None,
) -> Curves:
    """`fit` on this machine, with a progress bar. `checkpoints` ends in the training's fingerprint."""
    facts = machines.facts(runtime)
    with bar(epochs * batches.steps, name) as progress:
        return fit(
            recogniser,
            objective,
            batches,
            epochs=epochs,
            schedule=schedule,
            checkpoints=Checkpoints(checkpoints, checkpoints.name, runtime.checkpoint_seconds, facts),
            seed=seed,
            device=runtime.device,
            precision=runtime.precision,
            channels_last=channels_last(recogniser, runtime.device),
            log=log,
            progress=progress,
            end_of_epoch=end_of_epoch,
        )
