"""A student trained under a teacher: from the names in a model's entry to a distilled model.

`entry` is the model's own ({teacher: teacher, loss: srrl, mixing: default, targets: cached ...}), `params`
the stage's declared params, in which the presets lie that the entry names. A role that is empty takes its
terms with it: without labelled faces there is neither a classifier nor a mix-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from pipeline import losses, model
from pipeline.contracts import LABELLED, UNLABELLED, Head, Shapes
from pipeline.loader import Faces
from pipeline.records import Dataset
from pipeline.runtime import Runtime
from pipeline.train import assemble, mixing, schedule, targets
from pipeline.train.batches import Batches, Stream
from pipeline.train.checkpoint import seed_all
from pipeline.train.distillation import Connector, Distillation, MixTarget, Weights
from pipeline.train.loop import Curves, Log
from pipeline.train.mixing import trains_head
from pipeline.train.recognition import Recognition
from pipeline.train.targets import CachedTeacher, LiveTeacher, Table, Teacher


@dataclass(frozen=True)
class Role:
    """The faces of a role that may be trained on, and the name of their dataset."""

    dataset: str
    faces: Faces


Roles = Mapping[int, Role]
"""LABELLED and UNLABELLED, those that are not empty."""


@dataclass(frozen=True)
class Student:
    """A distilled model and how its training went.

    The connector brings its embeddings to its teacher's space, if `projects`: else no loss has trained it.
    """

    spec: model.ModelSpec
    recogniser: model.Recogniser
    head: Head | None
    classes: list[str]
    connector: Connector
    projects: bool
    curves: Curves

    def save(self, folder: Path) -> model.Model:
        """Writes the recogniser and its classifier; the connector was scaffolding."""
        model.save(folder, self.spec, self.recogniser, self.head, self.classes)
        return model.Model(self.spec, self.recogniser, self.head, self.classes)


def describe(
    name: str,
    entry: assemble.Entry,
    params: assemble.Entry,
    roles: Roles,
    teacher: model.ModelSpec,
    epochs: int,
) -> model.ModelSpec:
    """What to train. A student has seen what its teacher has seen, and can be audited only if it can."""
    if not roles:
        raise ValueError("nothing to distil on: data.labelled and data.unlabelled are both none")
    first = roles[min(roles)]
    spec = assemble.spec(
        name,
        entry,
        params,
        first.faces,
        datasets=sorted({role.dataset for role in of_use(entry, params, roles).values()}),
        epochs=epochs,
    )
    spec = assemble.inherit(spec, teacher).model_copy(update={"teacher": teacher.name})
    return spec if LABELLED in roles else headless(spec)


def headless(spec: model.ModelSpec) -> model.ModelSpec:
    """The same without a classifier."""
    return spec.model_copy(update={"head": None, "margin": {}, "classes": 0})


def distil(
    spec: model.ModelSpec,
    entry: assemble.Entry,
    params: assemble.Entry,
    roles: Roles,
    teacher: Teacher,
    *,
    runtime: Runtime,
    checkpoints: Path,
    log: Log,
    bar: assemble.Bar,
    validate: Callable[[model.Recogniser], Mapping[str, float]] | None,
) -> Student:
    """Trains the student that `spec` describes; without a head if nothing would train it."""
    seed, mix = int(entry["seed"]), mixing_of(entry, params, roles)
    seed_all(seed)
    recogniser = model.build(spec, assemble.given(entry.get("landmark", assemble.NONE)))
    terms = terms_of(entry, params, roles, teacher, recogniser, spec.epochs)
    spec = assemble.inherit(spec if trains_head(mix, terms.needs) else headless(spec), recogniser.spec.side)
    head = None if spec.head is None else model.build_head(spec, recogniser.dim)
    objective = objective_of(terms, mix, teacher, recogniser.dim, head)
    classes = roles[LABELLED].faces.classes if head is not None else []
    if objective.compares_classes:
        teacher.same_classes(classes)
    settings = assemble.schedule(entry, params)
    curves = assemble.run(
        recogniser,
        objective,
        batches_of(spec, entry, params, roles, mix, settings, runtime.workers),
        name=spec.name,
        epochs=spec.epochs,
        schedule=schedule.build(settings),
        seed=seed,
        runtime=runtime,
        checkpoints=checkpoints,
        log=log,
        bar=bar,
        end_of_epoch=None if validate is None else lambda _: validate(recogniser),
    )
    return Student(spec, recogniser, head, classes, objective.connector, objective.projects, curves)


def mixing_of(entry: assemble.Entry, params: assemble.Entry, roles: Roles) -> mixing.Params:
    found = mixing.Params(**params["mixings"][entry["mixing"]])
    found = mixing.of_what_is_there(found, LABELLED in roles, UNLABELLED in roles)
    if not mixing.weighs(found):
        raise ValueError(f"mixing {entry['mixing']!r} leaves nothing to learn from the faces that data names")
    return found


def of_use(entry: assemble.Entry, params: assemble.Entry, roles: Roles) -> Roles:
    """The roles whose faces some term of the mixing learns from."""
    mix = mixing_of(entry, params, roles)
    used = {LABELLED: mix.recognition + mix.labelled + mix.mixed, UNLABELLED: mix.unlabelled + mix.mixed}
    return {domain: role for domain, role in roles.items() if used[domain] > 0}


def terms_of(
    entry: assemble.Entry,
    params: assemble.Entry,
    roles: Roles,
    teacher: Teacher,
    recogniser: model.Recogniser,
    epochs: int,
) -> losses.WeightedSum:
    """The loss that the entry names, for this student and this teacher."""
    preset = params["losses"][entry["loss"]]
    mine = theirs = None
    if "maps" in losses.needs(preset) and isinstance(teacher, LiveTeacher):
        mine, theirs = (channels(net, recogniser.spec.size) for net in (recogniser, teacher.recogniser))
    shapes = Shapes(
        recogniser.dim,
        teacher.dim,
        {domain: len(role.faces) for domain, role in roles.items()},
        epochs,
        mine,
        theirs,
    )
    return losses.build(preset, teacher.classifier, teacher.scale, shapes)


def channels(net: nn.Module, size: int) -> dict[str, int]:
    """Stage name -> channels of its map. Leaves the net as it was."""
    was = net.training
    net.eval()
    with torch.no_grad():
        maps = net(torch.zeros(1, 3, size, size)).maps
    net.train(was)
    return {name: value.shape[1] for name, value in maps.items()}


def objective_of(
    terms: losses.WeightedSum,
    mix: mixing.Params,
    teacher: Teacher,
    dim: int,
    head: Head | None,
) -> Distillation:
    return Distillation(
        terms,
        teacher,
        dim,
        recognition=None if head is None else Recognition(head),
        head=head,
        weights=Weights(mix.recognition, mix.labelled, mix.unlabelled, mix.mixed),
        mix=MixTarget(mix.T, mix.target, mix.divergence),
    )


def batches_of(
    spec: model.ModelSpec,
    entry: assemble.Entry,
    params: assemble.Entry,
    roles: Roles,
    mix: mixing.Params,
    settings: schedule.Params,
    workers: int,
) -> Batches:
    """Labelled faces, as many unlabelled ones as `mix` says, and the mixed ones made of both."""
    seed, augment = int(entry["seed"]), assemble.augment(entry, params)
    sizes = {LABELLED: settings.batch, UNLABELLED: mix.batch_unlabelled}
    streams = {
        domain: Stream(role.faces, sizes[domain], seed, augment, domain)
        for domain, role in of_use(entry, params, roles).items()
    }
    return Batches(
        streams.get(LABELLED),
        streams.get(UNLABELLED),
        mix=mixing.mixer(mix),
        mean=spec.mean,
        std=spec.std,
        seed=seed,
        workers=workers,
    )


def teacher_of(
    entry: assemble.Entry,
    params: assemble.Entry,
    roles: Roles,
    trained: model.Model,
    spec: model.ModelSpec,
    cache: Path,
    prepared: Path,
) -> Teacher:
    """The teacher `trained`: its outputs cached in `cache`, or the net itself for `targets: live`."""
    dim, head, classes = trained.recogniser.dim, trained.head, trained.classes
    if entry["targets"] == "live":
        change = targets.renormalisation((spec.mean, spec.std), (trained.spec.mean, trained.spec.std))
        return LiveTeacher(trained.recogniser, dim, head, classes, change)
    if entry["targets"] != "cached":
        raise ValueError(f"targets: {entry['targets']!r} is unknown (cached or live)")
    if not assemble.augment(entry, params).only_flip:
        raise ValueError(
            f"cached targets know an image and its mirror image, and augment {entry['augment']!r} makes "
            "others: write targets: live, or augment: flip"
        )
    more = losses.needs(params["losses"][entry["loss"]]) - {"embedding", "classifier", "logits"}
    if more:
        raise ValueError(f"loss {entry['loss']!r} needs the teacher's {', '.join(more)}: write targets: live")
    tables = {domain: table_of(cache, domain, role, prepared) for domain, role in roles.items()}
    return CachedTeacher(tables, dim, head, classes)


def table_of(cache: Path, domain: int, role: Role, prepared: Path) -> Table:
    """A role's cached embeddings, checked against the dataset as it is now."""
    sample_ids = Dataset(prepared / "crop" / role.dataset).table.column("sample_id").to_pylist()
    return Table(targets.read(cache, targets.ROLES[domain], role.dataset, sample_ids), role.faces.rows)
