"""SR against loops in float64."""

import math

import pytest
import torch

from pipeline.contracts import Outputs
from pipeline.losses import sr
from tests.losses.batches import BATCH, labelled

S = 7.5


def make(seed, b=5, e=6, n=9):
    g = torch.Generator().manual_seed(seed)
    draw = [torch.randn(*shape, generator=g, dtype=torch.float64) for shape in ((b, e), (b, e), (n, e))]
    return Outputs(torch.zeros(b, 2), projected=draw[0]), Outputs(draw[1]), draw[2]


def cosines(embedding, classifier):
    """Loops: cos of every sample and class."""
    rows = []
    for x in embedding.tolist():
        row = []
        for w in classifier.tolist():
            dot = sum(a * b for a, b in zip(x, w, strict=True))
            row.append(dot / math.sqrt(sum(a * a for a in x)) / math.sqrt(sum(b * b for b in w)))
        rows.append(row)
    return rows


def softmax(row, T=1.0):
    top = [math.exp((v - max(row)) / T) for v in row]
    return [v / sum(top) for v in top]


def slow(student, teacher, classifier, form, T=4.0, divergence="forward"):
    ours, theirs = cosines(student.projected, classifier), cosines(teacher.embedding, classifier)
    total = 0.0
    for mine, yours in zip(ours, theirs, strict=True):
        if form == "l2":
            total += sum((a - b) ** 2 for a, b in zip(mine, yours, strict=True)) / len(mine)
            continue
        T_here = 1.0 if form == "ce" else T
        q, p = softmax([S * c for c in mine], T_here), softmax([S * c for c in yours], T_here)
        for a, b in zip(q, p, strict=True):
            if form == "ce":
                total -= b * math.log(a)
            elif divergence == "forward":
                total += T * T * b * math.log(b / a)
            else:
                total += T * a * math.log(a / b)
    return total / len(ours)


@pytest.mark.parametrize(
    ("form", "divergence"), [("l2", "forward"), ("ce", "forward"), ("kl", "forward"), ("kl", "paper")]
)
def test_is_the_formula(form, divergence):
    student, teacher, classifier = make(0)
    loss = sr.build(sr.Params(form=form, T=3.0, divergence=divergence), classifier, S)
    expected = slow(student, teacher, classifier, form, 3.0, divergence)
    assert loss(student, teacher, BATCH).item() == pytest.approx(expected, rel=1e-10)


def test_label_form_leaves_out_samples_without_a_label():
    student, teacher, classifier = make(1)
    label = torch.tensor([3, -1, 0, -1, 8])
    loss = sr.build(sr.Params(form="label"), classifier, S)
    expected = [
        -math.log(softmax([S * c for c in row])[y])
        for row, y in zip(cosines(student.projected, classifier), label.tolist(), strict=True)
        if y >= 0
    ]
    assert loss(student, teacher, labelled(label)).item() == pytest.approx(sum(expected) / 3, rel=1e-10)
    assert loss(student, teacher, labelled(torch.full((5,), -1))) == 0


def test_raw_features_and_the_sum_are_the_object_classification_form():
    student, teacher, classifier = make(2)
    raw = ((teacher.embedding - student.projected) @ classifier.T).square()
    mean = sr.build(sr.Params(normalise=False), classifier, S)(student, teacher, BATCH)
    total = sr.build(sr.Params(normalise=False, reduction="sum"), classifier, S)(student, teacher, BATCH)
    assert torch.isclose(mean, raw.mean(), rtol=1e-10)
    assert torch.isclose(total, raw.sum(1).mean(), rtol=1e-10)


@pytest.mark.parametrize("normalise", [True, False])
def test_by_the_number_of_classes_it_stays_as_large_as_the_difference(normalise):
    """Against a loop, and of random classes: with 30 or 3,000 of them near |d|^2, unlike the sum."""
    student, teacher, classifier = make(2)
    found = sr.build(sr.Params(normalise=normalise, reduction="dim"), classifier, S)(student, teacher, BATCH)
    unit = torch.nn.functional.normalize if normalise else torch.clone
    rows, d = unit(classifier), unit(teacher.embedding) - unit(student.projected)
    norms = sum(value * value for row in rows.tolist() for value in row)
    squares = [sum(a * b for a, b in zip(w, x, strict=True)) ** 2 for x in d.tolist() for w in rows.tolist()]
    assert found.item() == pytest.approx(sum(squares) / len(d) * d.shape[1] / norms, rel=1e-10)
    for classes in (30, 3000):
        _, _, many = make(5, n=classes)
        of_many = sr.build(sr.Params(normalise=normalise, reduction="dim"), many, S)(student, teacher, BATCH)
        assert of_many.item() == pytest.approx(d.square().sum(1).mean().item(), rel=0.5)


@pytest.mark.parametrize("form", ["l2", "kl"])
def test_zero_where_directions_agree_and_positive_elsewhere(form):
    student, teacher, classifier = make(3)
    loss = sr.build(sr.Params(form=form), classifier, S)
    same = Outputs(student.embedding, projected=2.5 * teacher.embedding)
    assert loss(same, teacher, BATCH).abs() < 1e-12
    assert loss(student, teacher, BATCH) > 1e-3


def test_l2_is_blind_to_what_the_classifier_cannot_see():
    """Zero does not ask for equal embeddings where the classes span less than the space."""
    _, _, classifier = make(4)
    classifier[:, -1] = 0.0
    teacher = torch.eye(6, dtype=torch.float64)[:1]
    hidden = torch.eye(6, dtype=torch.float64)[-1:]
    square = sr.gram(classifier)
    assert sr.sr_l2(teacher + hidden, teacher, square) < 1e-15
    assert sr.sr_l2(teacher, torch.roll(teacher, 1), square) > 1e-2


@pytest.mark.parametrize("form", ["l2", "ce", "kl"])
def test_order_of_classes_is_indifferent_and_rotating_all_changes_nothing(form):
    student, teacher, classifier = make(5)
    turn = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    first = sr.build(sr.Params(form=form), classifier, S)(student, teacher, BATCH)
    shuffled = sr.build(sr.Params(form=form), classifier[torch.randperm(9)] @ turn, S)
    turned = Outputs(student.embedding, projected=student.projected @ turn)
    second = shuffled(turned, Outputs(teacher.embedding @ turn), BATCH)
    assert torch.isclose(first, second, rtol=1e-9)


@pytest.mark.parametrize("form", ["l2", "ce", "kl", "label"])
def test_huge_embeddings_and_scales_stay_finite(form):
    student, teacher, classifier = make(6)
    loss = sr.build(sr.Params(form=form, T=1.0), classifier.float(), 1e4)
    projected = (1e15 * student.projected).float().requires_grad_()
    value = loss(
        Outputs(student.embedding, projected=projected),
        Outputs(1e15 * teacher.embedding.float()),
        labelled(torch.zeros(5, dtype=torch.int64)),
    )
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(projected.grad).all()


@pytest.mark.parametrize("form", ["l2", "ce", "kl", "label"])
def test_the_teachers_classifier_is_frozen_and_not_ours(form):
    _, _, classifier = make(7)
    given = torch.nn.Parameter(classifier)
    loss = sr.build(sr.Params(form=form), given, S)
    assert not list(loss.parameters())
    assert not loss.state_dict()
    student, teacher, _ = make(7)
    ours = Outputs(student.embedding, projected=student.projected.requires_grad_())
    theirs = Outputs(teacher.embedding)
    loss(ours, theirs, labelled(torch.zeros(5, dtype=torch.int64))).backward()
    assert given.grad is None
    assert student.projected.grad.abs().sum() > 0
