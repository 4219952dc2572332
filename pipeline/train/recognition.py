"""Learning from labels: cross entropy of a margin head's logits; and the sum of several objectives.

L = weight / |K| sum_{i in K} -log softmax(head(f_i, y_i))[y_i],    K = labelled, of a known class
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.contracts import LABELLED, Batch, Head, Objective, Outputs, Survey


class Recognition(Objective):
    """The term "recognition". A batch without a known class has none."""

    def __init__(self, head: Head, weight: float = 1.0) -> None:
        super().__init__()
        self.head, self.weight = head, weight

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        known = (batch.domain == LABELLED) & (batch.label >= 0)
        label = batch.label[known]
        if not len(label):
            return {}
        logits = self.head(outputs.embedding[known], label)
        return {"recognition": self.weight * F.cross_entropy(logits, label)}


class Sum(Objective):
    """The terms of several objectives together; two of one name are an error."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        super().__init__()
        self.objectives = nn.ModuleList(objectives)

    def begin_epoch(self, epoch: int, survey: Survey) -> None:
        for objective in self.objectives:
            objective.begin_epoch(epoch, survey)  # type: ignore[operator]

    def forward(self, batch: Batch, outputs: Outputs) -> dict[str, Tensor]:
        terms: dict[str, Tensor] = {}
        for objective in self.objectives:
            for name, value in objective(batch, outputs).items():
                if name in terms:
                    raise ValueError(f"two objectives give a term called {name!r}; one must be renamed")
                terms[name] = value
        return terms
