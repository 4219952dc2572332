"""Which samples a training step sees: a pure function of (seed, epoch, step), so any step can be resumed.

    order of epoch e      = permutation(seed, domain, e)
    batch k of epoch e    = order[k b : (k + 1) b],  k < floor(n / b)      (what is left over sits out)
    unlabelled at step g  = its own epoch g // steps_u, its own batch g % steps_u,  g = e steps + k

`Batch.row` is the position in the stream's `Faces` (0 .. len - 1); `faces.rows[row]` is the dataset's row.
Images are uint8 (b, h, w, 3) on the way and normalised float (b, 3, h, w) in the `Batch`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline import model
from pipeline.augment import Augment
from pipeline.contracts import LABELLED, UNLABELLED, Batch
from pipeline.loader import Faces
from pipeline.train.ahead import ahead

Mix = Callable[[Batch, np.random.Generator], Batch]
"""mix(labelled and unlabelled samples, random numbers of this step) -> batch with mixed ones added."""

Raw = dict[str, Tensor]  # samples before normalisation: image, label, row, mirrored, domain, extra.<name>

_FLIP, _MIX, _IMAGE = 1, 2, 3  # what a random number is for


@dataclass(frozen=True)
class Stream:
    """One dataset's samples in a seeded order. `batch` shrinks to the dataset where that is smaller.

    `extras` are arrays (n, ...) by name that go with the images (landmarks ...); `mirror` says what a flip
    does to one: mirror[name](values (k, ...), image width) -> values.
    """

    faces: Faces
    batch: int
    seed: int
    augment: Augment
    domain: int = LABELLED
    extras: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    mirror: Mapping[str, Callable[[Tensor, int], Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch is {self.batch}; it must be 1 or more")
        if not len(self.faces):
            raise ValueError(f"{self.faces.folder} has no face left to train on")

    @property
    def size(self) -> int:
        """Samples of a batch."""
        return min(self.batch, len(self.faces))

    @property
    def steps(self) -> int:
        """Whole batches of an epoch."""
        return len(self.faces) // self.size

    def rows(self, epoch: int, step: int) -> npt.NDArray[np.int64]:
        """Positions in `faces` of batch `step` of `epoch`, both the stream's own."""
        order = permutation(self.seed, self.domain, epoch, len(self.faces))
        return order[step * self.size : (step + 1) * self.size]

    def raw(self, epoch: int, step: int) -> Raw:
        """The batch as workers prepare it: bytes, mirrored, then augmented."""
        rows = self.rows(epoch, step)
        chance = np.random.default_rng([self.seed, self.domain, epoch, step, _FLIP]).random(len(rows))
        mirrored = (chance < 0.5) & self.augment.flip
        image = self.faces.images(rows, mirrored)
        if not self.augment.only_flip:
            image = self._augmented(image, rows, epoch)
        batch = {
            "image": image,
            "label": torch.from_numpy(self.faces.labels[rows]),
            "row": torch.from_numpy(rows.copy()),
            "mirrored": torch.from_numpy(mirrored),
            "domain": torch.full((len(rows),), self.domain, dtype=torch.int64),
        }
        for name, values in self.extras.items():
            batch[f"extra.{name}"] = torch.from_numpy(np.ascontiguousarray(values[rows]))
        return batch

    def _augmented(self, image: Tensor, rows: npt.NDArray[np.int64], epoch: int) -> Tensor:
        changed = np.empty_like(image.numpy())
        for place, row in enumerate(rows):
            seed = np.random.SeedSequence([self.seed, self.domain, epoch, int(row), _IMAGE]).generate_state(1)
            changed[place] = self.augment.image(image[place].numpy(), int(seed[0]))
        return torch.from_numpy(changed)


class Batches:
    """The batches of a training run: a labelled stream, an unlabelled one, or both joined in this order.

    An epoch is one pass over the labelled faces (over the unlabelled ones where there are no others).
    `mix` may add mixed samples to a finished batch. `mean` and `std` are in units of 0..255.
    """

    def __init__(
        self,
        labelled: Stream | None,
        unlabelled: Stream | None = None,
        *,
        mix: Mix | None = None,
        mean: float | tuple[float, ...] = 127.5,
        std: float | tuple[float, ...] = 127.5,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        self.streams = [stream for stream in (labelled, unlabelled) if stream is not None]
        if not self.streams:
            raise ValueError("nothing to train on: neither labelled nor unlabelled faces")
        domains = [LABELLED] * (labelled is not None) + [UNLABELLED] * (unlabelled is not None)
        if [stream.domain for stream in self.streams] != domains:
            raise ValueError("the labelled stream must have domain LABELLED, the unlabelled one UNLABELLED")
        self.labelled, self.unlabelled = labelled, unlabelled
        self.mix, self.mean, self.std, self.seed, self.workers = mix, mean, std, seed, workers
        self.steps = self.streams[0].steps  # of an epoch

    @property
    def size(self) -> int:
        """Samples that a step reads (mixed ones not counted)."""
        return sum(stream.size for stream in self.streams)

    def where(self, stream: Stream, step: int) -> tuple[int, int]:
        """A stream's own (epoch, batch) at global step `step`."""
        return divmod(step, stream.steps)

    def raw(self, step: int) -> Raw:
        """Every stream's samples at global step `step` = epoch * steps + step in the epoch."""
        parts = [stream.raw(*self.where(stream, step)) for stream in self.streams]
        if len(parts) == 1:
            return parts[0]
        shared = [name for name in parts[0] if name in parts[1]]
        return {name: torch.cat([part[name] for part in parts]) for name in shared}

    def sample_ids(self, step: int) -> list[str]:
        """Who is in the batch of global step `step`: for error messages."""
        rows = ((stream, stream.rows(*self.where(stream, step))) for stream in self.streams)
        return [stream.faces.sample_id(int(row)) for stream, mine in rows for row in mine]

    def normalise(self, image: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b 3 h w"]:
        return model.normalise(image, self.mean, self.std)

    def finish(self, raw: Raw, step: int, device: torch.device | str = "cpu") -> Batch:
        """On the device: mirror what goes with the images, normalise, mix."""
        on = {name: value.to(device, non_blocking=True) for name, value in raw.items()}
        image, mirrored = on["image"], on["mirrored"]
        extras = {name[6:]: value for name, value in on.items() if name.startswith("extra.")}
        changes = self.streams[0].mirror
        for name in extras.keys() & changes.keys():
            flipped = mirrored.view(-1, *[1] * (extras[name].ndim - 1))
            extras[name] = torch.where(flipped, changes[name](extras[name], image.shape[2]), extras[name])
        batch = Batch(
            image=self.normalise(image),
            label=on["label"],
            row=on["row"],
            mirrored=mirrored,
            domain=on["domain"],
            partner=torch.full_like(on["row"], -1),
            partner_mirrored=torch.zeros_like(mirrored),
            weight=torch.ones(len(image), device=image.device),
            extras=extras,
        )
        return batch if self.mix is None else self.mix(batch, np.random.default_rng([self.seed, step, _MIX]))

    def run(
        self, start: int, stop: int, device: torch.device | str = "cpu"
    ) -> Generator[tuple[int, Batch], None, None]:
        """(global step, batch) from step `start` to before `stop`, prepared ahead by the workers."""
        heavy = any(not stream.augment.only_flip for stream in self.streams)
        for step, raw in ahead(self.raw, start, stop, workers=self.workers, processes=heavy):
            yield step, self.finish(raw, step, device)


@lru_cache(maxsize=8)
def permutation(seed: int, domain: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """The order of an epoch."""
    return np.random.default_rng([seed, domain, epoch]).permutation(count)
