"""Weighted sums of distillation losses and the divergence they share."""

import math

import pytest
import torch

from pipeline import losses
from pipeline.contracts import Outputs
from tests.losses.batches import BATCH


def batch_outputs(seed=0, b=5, e=6, n=9):
    g = torch.Generator().manual_seed(seed)
    student = Outputs(
        embedding=torch.randn(b, 4, generator=g),
        projected=torch.randn(b, e, generator=g, requires_grad=True),
        logits=torch.randn(b, n, generator=g, requires_grad=True),
    )
    teacher = Outputs(embedding=torch.randn(b, e, generator=g), logits=torch.randn(b, n, generator=g))
    return student, teacher, torch.randn(n, e, generator=g)


def test_divergence_is_the_sum_of_its_definition():
    g = torch.Generator().manual_seed(1)
    q, p = (torch.softmax(torch.randn(4, 7, generator=g, dtype=torch.float64), 1) for _ in range(2))
    for form, first, second, factor in (("forward", p, q, 9.0), ("paper", q, p, 3.0)):
        total = 0.0
        for i in range(4):
            for k in range(7):
                total += float(first[i, k]) * math.log(float(first[i, k]) / float(second[i, k]))
        found = losses.divergence(q.log(), p.log(), 3.0, form)
        assert found.item() == pytest.approx(factor * total / 4, rel=1e-12)


def test_unknown_divergence_is_named():
    with pytest.raises(ValueError, match="backward"):
        losses.divergence(torch.zeros(1, 2), torch.zeros(1, 2), 1.0, "backward")


def test_half_precision_logits_are_taken_in_float32():
    wide = 64 * torch.rand(3, 50)
    assert losses.log_probabilities(wide.half(), 1.0).dtype == torch.float32
    assert torch.allclose(
        losses.log_probabilities(wide.bfloat16(), 1.0), torch.log_softmax(wide.bfloat16().float(), 1)
    )


def test_a_preset_is_the_weighted_sum_of_its_terms():
    student, teacher, classifier = batch_outputs()
    preset = {"fm": {"weight": 2.0}, "sr": {"weight": 0.5, "form": "ce"}, "kd": {"weight": 3.0, "T": 2.0}}
    terms = losses.build(preset, classifier, 5.0)(student, teacher, BATCH)
    for name, entry in preset.items():
        alone = losses.build({name: {**entry, "weight": 1.0}}, classifier, 5.0)(student, teacher, BATCH)
        assert terms[name].item() == pytest.approx(entry["weight"] * alone[name].item(), rel=1e-6)
    assert list(terms) == list(preset)


def test_a_term_of_weight_0_is_not_computed():
    built = losses.build({"fm": {"weight": 1.0}, "kd": {"weight": 0.0}}, torch.eye(3), 1.0)
    assert list(built.terms) == ["fm"]
    assert built.needs == {"embedding"}


@pytest.mark.parametrize(
    ("preset", "said"),
    [
        ({"fm": {}}, "no weight"),
        ({"fm": {"weight": -1}}, "0 or more"),
        ({}, "one term at least"),
        ({"fmm": {"weight": 1.0}}, "did you mean 'fm'"),
    ],
)
def test_bad_presets_are_refused(preset, said):
    with pytest.raises(ValueError, match=said):
        losses.build(preset, torch.eye(3), 1.0)


@pytest.mark.parametrize("name", ["kd", "sr"])
def test_a_teacher_without_a_classifier_is_refused(name):
    with pytest.raises(ValueError, match="no") as error:
        losses.build({name: {"weight": 1.0}}, None, None)
    assert name in str(error.value)
    assert "fm" in str(error.value)


def test_needs_tell_what_a_foreign_teacher_cannot_give():
    assert losses.needs({"fm": {"weight": 1.0}}) == {"embedding"}
    assert losses.needs({"fm": {"weight": 1.0}, "sr": {"weight": 1.0}}) == {"embedding", "classifier"}
    assert "logits" in losses.needs({"kd": {"weight": 1.0}})
