"""A student's training step under a teacher against the same step without one, in one run.

Both steps pass the same number of images through the same student (the default one of params.yaml, 64 px)
and update it; the step alone learns all of them from labels. The distilling step looks the teacher's
outputs up in a memory-mapped cache, or runs the teacher (`live`, for comparison). Steps are interleaved and
take turns in going first; the ratio is the median over neighbouring pairs, so that other work on the machine
weighs on both. Aim: 1.1 or less with cached targets.

    python benchmarks/distill_step.py [--steps 40] [--threads N]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipeline import losses, model
from pipeline.contracts import LABELLED, UNLABELLED, Batch, Head, Objective
from pipeline.train.distillation import Distillation, Weights
from pipeline.train.mixing import Mixer
from pipeline.train.recognition import Recognition
from pipeline.train.schedule import Schedule
from pipeline.train.targets import CachedTeacher, LiveTeacher, Table, Teacher

AIM, SIZE, CLASSES, FACES, BATCH = 1.1, 64, 1000, 20_000, 64
PARAMS = yaml.safe_load((Path(__file__).resolve().parent.parent / "params.yaml").read_text())
Step = Callable[[], None]


def net(entry: dict[str, str], name: str) -> tuple[model.Recogniser, Head]:
    """A fresh model of an entry of params.yaml."""
    spec = model.ModelSpec(
        name=name,
        shape=PARAMS["backbones"][entry["backbone"]][entry["shape"]],
        backbone=entry["backbone"],
        conv=entry["conv"],
        conv_params=PARAMS["convs"][entry["conv"]],
        head=entry["head"],
        margin=PARAMS["heads"][entry["head"]][entry["margin"]],
        classes=CLASSES,
        size=SIZE,
    )
    built = model.build(spec)
    return built, model.build_head(spec, built.dim)


def faces(labelled: int, unlabelled: int) -> Batch:
    """A batch of noise."""
    b = labelled + unlabelled
    return Batch(
        image=torch.randn(b, 3, SIZE, SIZE).to(memory_format=torch.channels_last),
        label=torch.cat([torch.randint(CLASSES, (labelled,)), torch.full((unlabelled,), -1)]),
        row=torch.cat([torch.randperm(FACES)[:labelled], torch.randperm(FACES)[:unlabelled]]),
        mirrored=torch.rand(b) < 0.5,
        domain=torch.tensor([LABELLED] * labelled + [UNLABELLED] * unlabelled),
        partner=torch.full((b,), -1),
        partner_mirrored=torch.zeros(b, dtype=torch.bool),
        weight=torch.ones(b),
    )


def step(student: model.Recogniser, objective: Objective, batch: Callable[[], Batch]) -> Step:
    """One update: what the training loop does with a batch."""
    student.train()
    objective.train()
    optimiser = Schedule().optimise([*student.parameters(), *objective.parameters()])

    def update() -> None:
        given = batch()
        loss = torch.stack(list(objective(given, student(given.image)).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step(0.01)

    return update


def alone(images: int) -> Step:
    student, head = net(PARAMS["distill"]["student"], "alone")
    batch = faces(images, 0)
    return step(student, Recognition(head), lambda: batch)


def distilling(preset: str, teacher: Teacher, labelled: int, unlabelled: int, mix: bool) -> Step:
    student, head = net(PARAMS["distill"]["student"], "student")
    objective = Distillation(
        losses.build(PARAMS["losses"][preset], teacher.classifier, teacher.scale),
        teacher,
        student.dim,
        recognition=Recognition(head),
        head=head,
        weights=Weights(1.0, 1.0, 1.0, float(mix)),
    )
    plain, mixer, random = faces(labelled, unlabelled), Mixer(), np.random.default_rng(0)
    return step(student, objective, lambda: mixer(plain, random) if mix else plain)


def interleaved(first: Step, second: Step, steps: int) -> tuple[float, float, float]:
    """Median seconds of each, and the median ratio of first to second."""
    taken: dict[Step, list[float]] = {first: [], second: []}
    for turn in range(steps + 3):
        for one in (first, second) if turn % 2 else (second, first):
            begun = time.perf_counter()
            one()
            if turn >= 3:  # the first ones warm up
                taken[one].append(time.perf_counter() - begun)
    ratios = [a / b for a, b in zip(taken[first], taken[second], strict=True)]
    return statistics.median(taken[first]), statistics.median(taken[second]), statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    recogniser, head = net(PARAMS["train"]["teacher"], "teacher")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "targets.npy"
        np.save(path, np.random.default_rng(0).standard_normal((FACES, 2, recogniser.dim)).astype(np.float32))
        table = Table(np.load(path, mmap_mode="r"), np.arange(FACES))
        cached = CachedTeacher({LABELLED: table, UNLABELLED: table}, recogniser.dim, head)
        live = LiveTeacher(recogniser, recogniser.dim, head)
        cases: list[tuple[str, Teacher, str, int, int, bool]] = [
            ("srrl, labelled", cached, "srrl", BATCH, 0, False),
            ("srrl, labelled + unlabelled", cached, "srrl", BATCH, BATCH, False),
            ("srrl, labelled + unlabelled + mixed", cached, "srrl", BATCH, BATCH, True),
            ("kd, labelled + unlabelled", cached, "kd", BATCH, BATCH, False),
            ("srrl, labelled + unlabelled, live teacher", live, "srrl", BATCH, BATCH, False),
        ]
        print(f"threads {torch.get_num_threads()}, {arguments.steps} steps each, medians")
        print(f"{'step':44s} images  alone ms  distil ms  ratio")
        for name, teacher, preset, labelled, unlabelled, mix in cases:
            images = labelled + unlabelled + (labelled if mix else 0)
            ours, theirs, ratio = interleaved(
                distilling(preset, teacher, labelled, unlabelled, mix), alone(images), arguments.steps
            )
            aim = f"  (aim {AIM})" if teacher is cached else ""
            print(f"{name:44s} {images:6d} {1e3 * theirs:9.1f} {1e3 * ours:10.1f} {ratio:6.3f}{aim}")


if __name__ == "__main__":
    main()
