"""Trains a student under a teacher, on faces with and without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline import model, stage
from pipeline.contracts import LABELLED, UNLABELLED
from pipeline.evaluate import agreement, verify
from pipeline.loader import Faces
from pipeline.train import assemble, epochs_of, outcome
from pipeline.train.student import Role, Roles, describe, distil, of_use, teacher_of


def main(run: stage.Run) -> None:
    name, params = str(run.item), run.params
    entry = params["distill"][name]
    teacher = model.load(Path("data/models") / entry["teacher"])
    validation = faces_of(run, params["data"]["validation"], known=True)
    roles = roles_of(run)
    epochs = epochs_of(params, entry["epochs"], "distill")
    spec = describe(name, entry, params, roles, teacher.spec, epochs)
    cache = run.prepared / "targets" / entry["teacher"]
    student = distil(
        spec,
        entry,
        params,
        roles,
        teacher_of(entry, params, roles, teacher, spec, cache, run.prepared),
        runtime=run.runtime,
        checkpoints=run.checkpoints,
        log=run.log,
        bar=run.progress,
        # for the curves alone: the last epoch is kept, whatever it says
        validate=None if validation is None else verify.Validation(validation, run.runtime),
    )
    trained = student.save(Path("data/models") / name)
    told: dict[str, Any] = {"epochs": epochs, "last": student.curves[-1], "curves": student.curves}
    learnt = of_use(entry, params, roles)
    told["faces"] = {role.dataset: len(role.faces) for role in learnt.values()}
    heads = {"teacher": teacher.head, "student": student.head}
    told["scale"] = {who: float(getattr(head, "s", 1.0)) for who, head in heads.items() if head is not None}
    told["identities"] = len(roles[LABELLED].faces.classes) if LABELLED in learnt else 0
    if validation is not None:
        alike = agreement.compare(trained, teacher, student.connector, validation, run.runtime)
        told["teacher_student"] = {k: v for k, v in alike.items() if k == "kl" or student.projects}
    run.metrics(told)
    run.say(outcome(student.curves))


def faces_of(run: stage.Run, dataset: str, known: bool) -> Faces | None:
    """The faces of `dataset` that may be used, with their identities where `known`; none of `none`."""
    if dataset == assemble.NONE:
        return None
    return assemble.faces(run.prepared, dataset, run.runtime.cache_gb, needs_identity=known)


def roles_of(run: stage.Run) -> Roles:
    """The faces of the roles that are not empty."""
    found = {}
    for domain, role in ((LABELLED, "labelled"), (UNLABELLED, "unlabelled")):
        dataset = run.params["data"][role]
        faces = faces_of(run, dataset, known=domain == LABELLED)
        if faces is not None:
            found[domain] = Role(dataset, faces)
    return found


if __name__ == "__main__":
    stage.execute(main)
