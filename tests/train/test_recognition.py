"""Recognition and sums of objectives against a loop over samples."""

import math

import pytest
import torch
from torch import nn

from pipeline.contracts import LABELLED, MIXED, UNLABELLED, Batch, Head, Objective, Outputs
from pipeline.train.recognition import Recognition, Sum


class Plain(Head):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))

    def forward(self, embedding, label):
        return embedding @ self.weight.T - 0.5 * nn.functional.one_hot(label, 5)


def batch_of(labels, domains):
    n = len(labels)
    zeros = torch.zeros(n, dtype=torch.int64)
    return Batch(
        torch.zeros(n, 3, 2, 2), torch.tensor(labels), zeros, zeros.bool(), torch.tensor(domains), zeros - 1,
        zeros.bool(), torch.ones(n),
    )  # fmt: skip


def test_only_labelled_samples_with_a_known_class_count():
    torch.manual_seed(0)
    head, embedding = Plain(), torch.randn(6, 4)
    batch = batch_of([1, -1, 4, 2, 3, 0], [LABELLED, LABELLED, LABELLED, UNLABELLED, MIXED, LABELLED])
    term = Recognition(head, weight=2.0)(batch, Outputs(embedding))["recognition"]
    total = 0.0
    for i, label in ((0, 1), (2, 4), (5, 0)):
        logits = [float(embedding[i] @ head.weight[j].detach()) - 0.5 * (j == label) for j in range(5)]
        total += math.log(sum(math.exp(value) for value in logits)) - logits[label]
    assert float(term.detach()) == pytest.approx(2.0 * total / 3, rel=1e-5)
    term.backward()
    assert head.weight.grad.abs().sum() > 0


def test_nobody_known_gives_no_term():
    batch = batch_of([-1, 2], [LABELLED, UNLABELLED])
    assert Recognition(Plain())(batch, Outputs(torch.randn(2, 4))) == {}


class Term(Objective):
    def __init__(self, name, value):
        super().__init__()
        self.name, self.value, self.told = name, value, []

    def begin_epoch(self, epoch, survey):
        self.told.append((epoch, survey))

    def forward(self, batch, outputs):
        return {self.name: torch.tensor(self.value)}


def test_a_sum_has_all_terms_and_tells_everybody():
    parts = [Term("a", 1.0), Term("b", 2.0)]
    total = Sum(parts)
    total.begin_epoch(3, None)
    assert [part.told for part in parts] == [[(3, None)]] * 2
    batch = batch_of([0], [LABELLED])
    terms = total(batch, Outputs(torch.zeros(1, 4)))
    assert {name: float(value) for name, value in terms.items()} == {"a": 1.0, "b": 2.0}
    with pytest.raises(ValueError, match="a term called 'a'"):
        Sum([Term("a", 1.0), Term("a", 2.0)])(batch, Outputs(torch.zeros(1, 4)))
