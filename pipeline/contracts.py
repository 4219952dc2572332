"""The few types that everything exchanges: batches, outputs, and what plugins promise.

Shapes: b samples of a batch, c channels, h x w pixels, d embedding size, n classes, r routing size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.progress import Progress as Progress
from pipeline.strict import Strict as Strict

LABELLED, UNLABELLED, MIXED = 0, 1, 2  # where a sample of a batch comes from


@dataclass(frozen=True)
class Batch:
    """Samples of one training step. Domains come in blocks: labelled, then unlabelled, then mixed.

    `row` is the sample's row in its dataset (its domain's `Faces`), `mirrored` says that the image
    was flipped: together they find a cached teacher output. A mixed sample is
    `weight * labelled[row] + (1 - weight) * unlabelled[partner]`.
    """

    image: Float[Tensor, "b c h w"]  # normalised RGB
    label: Int[Tensor, "b"]  # class, -1 where unknown
    row: Int[Tensor, "b"]
    mirrored: Tensor  # bool (b)
    domain: Int[Tensor, "b"]
    partner: Int[Tensor, "b"]  # row of the unlabelled half of a mixed sample, else -1
    partner_mirrored: Tensor  # bool (b)
    weight: Float[Tensor, "b"]  # share of the labelled half, 1 where not mixed
    extras: Mapping[str, Tensor] = field(default_factory=dict)  # landmarks, attributes, maps ...

    def __len__(self) -> int:
        return len(self.label)

    def select(self, mask: Tensor | slice) -> Batch:
        """The samples where `mask` (bool, b) is true, or at these positions; a slice copies nothing."""
        tensors = {name: getattr(self, name)[mask] for name in _BATCH_TENSORS}
        return Batch(**tensors, extras={name: value[mask] for name, value in self.extras.items()})


_BATCH_TENSORS = (
    "image",
    "label",
    "row",
    "mirrored",
    "domain",
    "partner",
    "partner_mirrored",
    "weight",
)


@dataclass(frozen=True)
class Outputs:
    """What a model says of a batch. Only `embedding` is always there.

    `embedding` is not normalised. `logits` carry no margin. `projected` is a student's embedding
    brought to its teacher's size by a connector. `losses` are auxiliary terms that layers emit,
    `routing` is the concatenated routing vector of dynamic convolutions.
    """

    embedding: Float[Tensor, "b d"]
    maps: Mapping[str, Tensor] = field(default_factory=dict)  # stage name -> (b, c, h, w)
    routing: Float[Tensor, "b r"] | None = None
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    logits: Float[Tensor, "b n"] | None = None
    projected: Float[Tensor, "b e"] | None = None

    def select(self, mask: Tensor | slice) -> Outputs:
        """The samples where `mask` (bool, b) is true, or of a slice; batch-wide `losses` stay whole."""

        def pick(value: Tensor | None) -> Tensor | None:
            return None if value is None else value[mask]

        return Outputs(
            embedding=self.embedding[mask],
            maps={name: value[mask] for name, value in self.maps.items()},
            routing=pick(self.routing),
            losses=self.losses,
            logits=pick(self.logits),
            projected=pick(self.projected),
        )


class ConvFactory(Protocol):
    """What a backbone is built of: its convolutions, plain or routed.

    `from_end` is the stage counted from the end, 1 for the last. `router(...)` gives what maps a block's
    input to its routing vector (b, r), with `size` = r, or None where the convolutions are plain;
    `conv(...)` gives what is called as `conv(x, routing)`.
    """

    def router(self, channels: int, from_end: int) -> nn.Module | None: ...

    def conv(
        self, inputs: int, outputs: int, kernel: int, stride: int, padding: int, from_end: int
    ) -> nn.Module: ...


class Backbone(nn.Module):
    """Image (b, c, h, w) and optional side maps (b, k, h, w) -> `Outputs`.

    Sets `dim`, the embedding's size, and `routing_size` (0: no routing vector) in __init__.
    """

    dim: int
    routing_size: int = 0

    def forward(self, image: Tensor, side: Tensor | None = None) -> Outputs:
        raise NotImplementedError


class Head(nn.Module):
    """Embedding and label -> training logits (with margin). `weight` is (n, d).

    `classify` gives the logits without a margin: what a distillation loss sees.
    """

    weight: nn.Parameter

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        raise NotImplementedError

    def classify(self, embedding: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True)
class Shapes:
    """What a distillation loss may have to know before it sees a batch.

    `rows` gives a domain's number of faces: there `Batch.row` is below it. Maps are given where the loss
    that is built `NEEDS` "maps": stage name -> channels.
    """

    student_dim: int
    teacher_dim: int
    rows: Mapping[int, int]
    epochs: int
    student_maps: Mapping[str, int] | None = None
    teacher_maps: Mapping[str, int] | None = None


class DistillationLoss(nn.Module):
    """Student and teacher outputs of the same samples -> one scalar.

    `needs` names what it reads of the teacher: "embedding", "classifier", "logits" (the student's too),
    "maps", or "live" (anything that a cache of embeddings can't give). `projects` says that it trains the
    connector: it reads `student.projected`. `classifier` and `scale`, the frozen (n, e) weight of the
    teacher and its logit scale, are given to `build`, and `shapes` too if `build` has a parameter of that
    name. Its parameters are trained; state goes into buffers. `begin_epoch` as an objective's.
    """

    needs: frozenset[str] = frozenset()
    projects: bool = False

    def begin_epoch(self, epoch: int, survey: Survey) -> None:
        """Nothing to prepare by default."""

    def forward(self, student: Outputs, teacher: Outputs, batch: Batch) -> Tensor:
        raise NotImplementedError


Survey = Callable[[Callable[[Outputs], Tensor]], Tensor]
"""survey(read) -> read(outputs) of every labelled training face in row order, model in eval mode."""


class Objective(nn.Module):
    """Named loss terms of a batch. State goes into buffers or parameters: it is checkpointed.

    `begin_epoch` is told the epoch (from 0) and may survey the whole training set: pseudo-labels,
    centroids, memory banks. Terms are already weighted; the loop sums and logs them.
    """

    def begin_epoch(self, epoch: int, survey: Survey) -> None:
        """Nothing to prepare by default."""

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        raise NotImplementedError
