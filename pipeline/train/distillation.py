"""Distillation: a student learns from labels, and from a frozen teacher on faces with and without labels.

    L = r L_rec(D) + gamma L_KD(D) + lambda L_KD(U) + mu L_mix            (thesis, Eqs. 4.9 and 4.12)

D labelled and U unlabelled faces, L_KD a weighted sum of distillation losses, each a mean over its own
domain's samples; r, gamma, lambda, mu = `recognition`, `labelled`, `unlabelled`, `mixed`. A term whose
samples are not in the batch is absent. All samples of a step pass the student in one batch, so its batch
statistics are those of labelled, unlabelled and mixed faces together.
Nothing here carries a margin but L_rec: teacher and student logits are s cos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from pipeline.contracts import LABELLED, MIXED, UNLABELLED, Batch, Head, Objective, Outputs, Survey
from pipeline.losses import Divergence, WeightedSum, divergence, log_probabilities
from pipeline.train.mixing import mix_log
from pipeline.train.targets import Teacher


@dataclass(frozen=True)
class Weights:
    """How much each part of the loss counts; 0 leaves it out."""

    recognition: float = 1.0
    labelled: float = 1.0
    unlabelled: float = 1.0
    mixed: float = 0.0

    def of_domains(self) -> tuple[tuple[str, int, float], ...]:
        return ("labelled", LABELLED, self.labelled), ("unlabelled", UNLABELLED, self.unlabelled)


@dataclass(frozen=True)
class MixTarget:
    """What a mixed sample is to be taken for: see `pipeline.train.mixing`."""

    T: float = 4.0
    target: str = "teacher"
    divergence: Divergence = "forward"


class Connector(nn.Module):
    """Student embedding (b, d) -> teacher's size (b, e): linear, no bias, no ReLU (embeddings are signed).

    It is there even where d = e: the student's own classifier then settles the axes of its space freely.
    It starts as an isometry (orthogonal), so that it begins by changing no cosine. FM and SR share it; it is
    not part of the student that is saved.
    """

    def __init__(self, dim: int, teacher_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, teacher_dim, bias=False)
        nn.init.orthogonal_(self.linear.weight)

    def forward(self, embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        return self.linear(embedding)


class Distillation(Objective):
    """The weighted terms of a batch: `recognition`'s own, `labelled_<loss>`, `unlabelled_<loss>`, `mixed`.

    `recognition` and `head` are none where there are no labels. `head` is the student's classifier: kd and
    mix-up compare its logits with the teacher's. `dim` is the student's embedding size.
    """

    def __init__(
        self,
        losses: WeightedSum,
        teacher: Teacher,
        dim: int,
        *,
        recognition: Objective | None = None,
        head: Head | None = None,
        weights: Weights | None = None,
        mix: MixTarget | None = None,
    ) -> None:
        super().__init__()
        self.weights, self.mix = weights or Weights(), mix or MixTarget()
        self.losses = losses
        self.recognition = recognition
        self.connector = Connector(dim, teacher.dim)
        self._apart = (teacher, head)  # a tuple is not registered: neither trained nor checkpointed from here
        if self.weights.recognition and recognition is None:
            raise ValueError("a recognition weight above 0 needs labelled faces and a head")
        if self.compares_classes and (head is None or teacher.head is None):
            whose = "student" if teacher.head is not None else "teacher"
            raise ValueError(
                f"kd and mix-up compare class probabilities: the {whose} has no classifier; use fm"
            )

    @property
    def teacher(self) -> Teacher:
        return self._apart[0]

    @property
    def _wants_logits(self) -> bool:
        return "logits" in self.losses.needs and bool(self.weights.labelled or self.weights.unlabelled)

    @property
    def compares_classes(self) -> bool:
        """Whether student and teacher must tell the same classes apart."""
        return self._wants_logits or self.weights.mixed > 0

    @property
    def projects(self) -> bool:
        """Whether a loss trains the connector: only then student and teacher have a common space."""
        return self.losses.projects and bool(self.weights.labelled or self.weights.unlabelled)

    def begin_epoch(self, epoch: int, survey: Survey) -> None:
        self.losses.begin_epoch(epoch, survey)
        if self.recognition is not None:
            self.recognition.begin_epoch(epoch, survey)

    def classify(self, embedding: Float[Tensor, "b d"]) -> Float[Tensor, "b n"]:
        """The student's logits, without margin."""
        head = self._apart[1]
        if head is None:
            raise ValueError("this student has no classifier")
        return head.classify(embedding)

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        where = blocks(batch.domain)
        terms: dict[str, Tensor] = {}
        if self.weights.recognition and self.recognition is not None and LABELLED in where:
            part = where[LABELLED]
            own = self.recognition(batch.select(part), outputs.select(part))
            terms.update({name: self.weights.recognition * value for name, value in own.items()})
        plain = slice(0, max((s.stop for d, s in where.items() if d != MIXED), default=0))
        if plain.stop:
            terms.update(self._distil(batch, outputs, where, plain))
        return terms

    def _distil(
        self, batch: Batch, outputs: Outputs, where: Mapping[int, slice], plain: slice
    ) -> dict[str, Tensor]:
        mixing = bool(self.weights.mixed) and MIXED in where
        unmixed = batch.select(plain)
        theirs = self._teach(unmixed, logits=mixing or self._wants_logits)
        mine = replace(outputs.select(plain), projected=self.connector(outputs.embedding[plain]))
        if self._wants_logits:
            mine = replace(mine, logits=self.classify(mine.embedding))
        terms: dict[str, Tensor] = {}
        for name, domain, weight in self.weights.of_domains():
            if weight and domain in where:
                part = where[domain]
                found = self.losses(mine.select(part), theirs.select(part), unmixed.select(part))
                terms.update({f"{name}_{loss}": weight * value for loss, value in found.items()})
        if mixing:
            part = where[MIXED]
            mixed = self._mixed(batch.select(part), outputs.embedding[part], unmixed, mine, theirs)
            terms["mixed"] = self.weights.mixed * mixed
        return terms

    def _teach(self, batch: Batch, logits: bool) -> Outputs:
        theirs = self.teacher.outputs(batch)
        maps = theirs.maps if "maps" in self.losses.needs else {}  # else their memory is let go at once
        found = self.teacher.logits(theirs.embedding) if logits else None
        return Outputs(theirs.embedding, maps, logits=found)

    def _mixed(self, mixed: Batch, embedding: Tensor, plain: Batch, mine: Outputs, theirs: Outputs) -> Tensor:
        """Divergence of the student on mixed samples from the mixture of two predictions."""
        labelled, unlabelled = halves(mixed, plain)
        T, logits = self.mix.T, theirs.logits
        assert logits is not None
        with torch.no_grad():
            if self.mix.target == "student":
                first = mine.logits if mine.logits is not None else self.classify(mine.embedding)
            else:
                first = logits
            ours, others = log_probabilities(first[labelled], T), log_probabilities(logits[unlabelled], T)
            target = mix_log(ours, others, mixed.weight)
        return divergence(log_probabilities(self.classify(embedding), T), target, T, self.mix.divergence)


def blocks(domain: Int[Tensor, " b"]) -> dict[int, slice]:
    """Where each domain's samples lie; domains come in blocks: labelled, unlabelled, mixed."""
    found: dict[int, slice] = {}
    start = 0
    values, counts = torch.unique_consecutive(domain.cpu(), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if found and value <= max(found):
            raise ValueError("a batch's domains must come in blocks: labelled, then unlabelled, then mixed")
        found[value] = slice(start, start + count)
        start += count
    return found


def halves(mixed: Batch, plain: Batch) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
    """Positions in `plain` of the labelled and of the unlabelled half of every mixed sample."""
    first = _find(plain, LABELLED, mixed.row, mixed.mirrored)
    return first, _find(plain, UNLABELLED, mixed.partner, mixed.partner_mirrored)


def _find(plain: Batch, domain: int, row: Tensor, mirrored: Tensor) -> Tensor:
    same = (plain.domain == domain) & (plain.row == row[:, None]) & (plain.mirrored == mirrored[:, None])
    if not bool(same.any(1).all()):
        raise ValueError("a mixed sample's halves must be in the same batch")
    return same.int().argmax(1)
