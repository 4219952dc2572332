"""The one training loop: named loss terms are summed, logged, and resumed after a kill, to the bit.

    loss = sum of objective(batch, outputs) and outputs.losses      (terms come weighted)
    rate = schedule.rate(step / (epochs * steps))

An epoch's order of events: `objective.begin_epoch(epoch, survey)`, steps, `end_of_epoch(epoch)` (eval mode),
checkpoint. After a kill the newest whole checkpoint is loaded, and `begin_epoch` is told again only where the
epoch had not begun: whatever an objective must remember belongs into its buffers or parameters.
The objective always computes in float32, also where the model runs in bfloat16.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.contracts import Batch, Objective, Outputs, Progress
from pipeline.train.batches import Batches
from pipeline.train.checkpoint import Checkpoints, random_state, seed_all, set_random_state
from pipeline.train.ledger import Ledger, NotFiniteError
from pipeline.train.schedule import Schedule

Log = Callable[[Mapping[str, float], int], None]
EndOfEpoch = Callable[[int], Mapping[str, float]]
Curves = list[dict[str, float]]

_SURVEYED = 256  # faces of a survey's batch
_NAMED = 8  # sample ids in an error message


def fit(
    recogniser: nn.Module,
    objective: Objective,
    batches: Batches,
    *,
    epochs: int,
    schedule: Schedule,
    checkpoints: Checkpoints,
    seed: int,
    device: torch.device | str = "cpu",
    precision: str = "fp32",
    channels_last: bool = False,
    log: Log | None = None,
    log_every: int = 20,
    progress: Progress | None = None,
    end_of_epoch: EndOfEpoch | None = None,
) -> Curves:
    """Trains `recogniser` (image -> Outputs) and the objective's parameters in place; returns the curves.

    The curves have one dict an epoch: epoch, rate, loss, the mean of every term, what `end_of_epoch` said
    as validation/<name>.
    `seed` starts the generators (dropout); `precision` is fp32 or bf16. `log` is told a window's means every
    `log_every` steps. A loss that is not finite is a FloatingPointError naming step, term and samples.
    """
    if epochs < 1:
        raise ValueError(f"epochs is {epochs}; it must be 1 or more")
    if precision not in ("fp32", "bf16"):
        raise ValueError(f"precision is {precision!r}; it must be fp32 or bf16")
    on, recogniser = torch.device(device), recogniser.to(device)
    if channels_last:  # before the optimiser: its state takes the strides that parameters have now
        recogniser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    training = _Training(recogniser, objective, batches, epochs, schedule, checkpoints, on)
    training.precision, training.log_every, training.log = precision, log_every, log or _silent
    training.channels_last, training.end_of_epoch = channels_last, end_of_epoch
    training.start(seed)
    if progress is not None and training.step:
        progress.advance(training.step)
    while training.step < training.total:
        training.epoch(progress)
    return training.curves


def survey(
    recogniser: nn.Module, batches: Batches, read: Callable[[Outputs], Tensor], device: torch.device | str
) -> Tensor:
    """read(outputs) of every labelled face in row order, not mirrored, model in eval mode; on the CPU."""
    stream = batches.labelled
    if stream is None:
        raise ValueError("this objective looks at the labelled faces, and there are none")
    was_training = recogniser.training
    recogniser.eval()
    parts = []
    with torch.no_grad():
        for start in range(0, len(stream.faces), _SURVEYED):
            rows = np.arange(start, min(start + _SURVEYED, len(stream.faces)))
            image = batches.normalise(stream.faces.images(rows).to(device))
            parts.append(read(recogniser(image)).float().cpu())
    recogniser.train(was_training)
    return torch.cat(parts)


class _Training:
    """What one call of `fit` knows; `step` counts the steps done, over all epochs."""

    precision: str
    channels_last: bool
    log: Log
    log_every: int
    end_of_epoch: EndOfEpoch | None

    def __init__(
        self,
        recogniser: nn.Module,
        objective: Objective,
        batches: Batches,
        epochs: int,
        schedule: Schedule,
        checkpoints: Checkpoints,
        device: torch.device,
    ) -> None:
        self.recogniser, self.objective = recogniser, objective.to(device)
        self.batches, self.schedule, self.checkpoints, self.device = batches, schedule, checkpoints, device
        self.parameters = [*recogniser.parameters(), *objective.parameters()]
        self.optimiser = schedule.optimise(self.parameters)
        self.steps, self.total = batches.steps, batches.steps * epochs
        self.step, self.begun = 0, False
        self.ledger = Ledger()
        self.curves: Curves = []
        self.told = time.perf_counter()

    def start(self, seed: int) -> None:
        """From the newest checkpoint, or from the beginning."""
        seed_all(seed)
        state = self.checkpoints.load()
        if state is None:
            return
        self.recogniser.load_state_dict(state["recogniser"])
        self.objective.load_state_dict(state["objective"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.begun, self.curves = state["step"], state["begun"], state["curves"]
        self.ledger.load(state["ledger"])
        set_random_state(state["random"])

    def save(self) -> None:
        """A checkpoint; never of a state that a bad loss has spoilt."""
        self.settle()
        state: dict[str, Any] = {
            "recogniser": self.recogniser.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "begun": self.begun,
            "curves": self.curves,
            "ledger": self.ledger.state(),
            "random": random_state(),
        }
        self.checkpoints.save(self.step, state)

    def epoch(self, progress: Progress | None) -> None:
        """The rest of the current epoch."""
        number = self.step // self.steps
        if not self.begun:
            self.objective.begin_epoch(
                number, lambda read: survey(self.recogniser, self.batches, read, self.device)
            )
            self.begun = True
        self.recogniser.train()
        self.objective.train()
        stop = (number + 1) * self.steps
        with contextlib.closing(self.batches.run(self.step, stop, self.device)) as coming:
            for step, batch in coming:
                self.ledger.note(step, self.update(batch))
                self.step = step + 1
                if self.step % self.log_every == 0:
                    self.tell()
                if self.checkpoints.due and self.step % self.steps:  # `finish` saves the epoch's end
                    self.save()
                if progress is not None:
                    progress.advance(1)
        self.finish(number)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One step of the optimiser; the loss and its terms."""
        image = batch.image
        if self.channels_last:
            batch = replace(batch, image=image.contiguous(memory_format=torch.channels_last))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            outputs = self.recogniser(batch.image)
        outputs = in_float32(outputs) if self.precision == "bf16" else outputs
        terms = {**outputs.losses, **self.objective(batch, outputs)}
        if not terms:
            raise ValueError("the objective gave no loss term for this batch")
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        self.optimiser.zero_grad()
        loss.backward()
        if self.schedule.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.schedule.clip)
        self.optimiser.step(self.rate(self.step))
        return {**terms, "loss": loss}

    def rate(self, step: int) -> float:
        return self.schedule.rate(step / self.total)

    def tell(self) -> None:
        """Logs the last steps' means; the speed includes whatever came between the steps."""
        self.settle()
        now = time.perf_counter()
        speed = self.log_every * self.batches.size / (now - self.told)
        self.told = now
        means = self.ledger.means(since=self.step - self.log_every)
        self.log({**means, "rate": self.rate(self.step - 1), "images_per_second": speed}, self.step)

    def settle(self) -> None:
        try:
            self.ledger.settle()
        except NotFiniteError as error:
            raise FloatingPointError(self.blame(error)) from error

    def blame(self, error: NotFiniteError) -> str:
        ids = self.batches.sample_ids(error.step)
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        epoch, step = divmod(error.step, self.steps)
        return (
            f"the loss is not finite: {error.name} is {error.value} in epoch {epoch}, step {step}, "
            f"with the samples {', '.join(ids[:_NAMED])}{more}; a lower learning rate or a warm-up may help"
        )

    def finish(self, number: int) -> None:
        """Ends epoch `number`: curves, validation, checkpoint."""
        self.settle()
        entry = {"epoch": float(number), "rate": self.rate(self.step - 1), **self.ledger.means()}
        self.ledger.clear()
        if self.end_of_epoch is not None:
            self.recogniser.eval()
            measured = {f"validation/{name}": value for name, value in self.end_of_epoch(number).items()}
            entry.update(measured)
            self.log(measured, self.step)
        self.curves.append(entry)
        self.begun = False
        self.save()


def in_float32(outputs: Outputs) -> Outputs:
    """The same outputs, out of a lower precision."""

    def lift(value: Tensor | None) -> Any:
        return None if value is None else value.float()

    return Outputs(
        embedding=outputs.embedding.float(),
        maps={name: value.float() for name, value in outputs.maps.items()},
        routing=lift(outputs.routing),
        losses={name: value.float() for name, value in outputs.losses.items()},
        logits=lift(outputs.logits),
        projected=lift(outputs.projected),
    )


def _silent(values: Mapping[str, float], step: int) -> None:
    """Where nobody listens."""
