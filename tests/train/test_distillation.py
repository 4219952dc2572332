"""Distillation's composition: Eq. 4.9's weights, the mix-up target, what is absent, who gets gradients."""

import math

import numpy as np
import pytest
import torch

from pipeline import losses
from pipeline.contracts import LABELLED, MIXED, UNLABELLED, Batch, Outputs
from pipeline.heads import cosface
from pipeline.train.distillation import Connector, Distillation, MixTarget, Weights, blocks, halves
from pipeline.train.mixing import Mixer
from pipeline.train.recognition import Recognition
from pipeline.train.targets import CachedTeacher, LiveTeacher, Table, Teacher

D, E, N, S = 5, 6, 7, 9.0  # student's and teacher's size, classes, scale


class Fixed(Teacher):
    """Embeddings by (domain, row, mirrored), from a function of them."""

    def outputs(self, batch):
        seeds = zip(batch.domain.tolist(), batch.row.tolist(), batch.mirrored.tolist(), strict=True)
        return Outputs(torch.stack([teacher_of(*seed) for seed in seeds]))


def teacher_of(domain, row, mirrored):
    g = torch.Generator().manual_seed(1000 * domain + 10 * row + int(mirrored))
    return torch.randn(E, generator=g)


def make_batch(labelled=4, unlabelled=4, mixed=True, seed=0):
    g = torch.Generator().manual_seed(seed)
    b = labelled + unlabelled
    label = torch.cat([torch.arange(labelled) % N, torch.full((unlabelled,), -1)])
    batch = Batch(
        image=torch.randn(b, 3, 4, 4, generator=g),
        label=label,
        row=torch.cat(
            [torch.randperm(20, generator=g)[:labelled], torch.randperm(20, generator=g)[:unlabelled]]
        ),
        mirrored=torch.rand(b, generator=g) < 0.5,
        domain=torch.tensor([LABELLED] * labelled + [UNLABELLED] * unlabelled),
        partner=torch.full((b,), -1),
        partner_mirrored=torch.zeros(b, dtype=torch.bool),
        weight=torch.ones(b),
    )
    return Mixer(1.0)(batch, np.random.default_rng(seed)) if mixed else batch


def parts(seed=0):
    torch.manual_seed(seed)
    teacher_head, head = cosface.CosFace(E, N, 0.3, S), cosface.CosFace(D, N, 0.3, S / 2)
    teacher = Fixed(E, teacher_head, [f"p{i}" for i in range(N)])
    return teacher, head


def objective(preset, seed=0, weights=None, mix=None):
    teacher, head = parts(seed)
    built = losses.build(preset, teacher.classifier, teacher.scale)
    return Distillation(
        built, teacher, D, recognition=Recognition(head), head=head, weights=weights or Weights(), mix=mix
    )


def embeddings(batch, seed=5):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(len(batch), D, generator=g)


def test_weights_are_those_of_equation_4_9():
    """Each term equals its loss computed apart, on its own domain's samples, times its weight."""
    preset = {"fm": {"weight": 2.0}, "sr": {"weight": 3.0, "form": "l2"}, "kd": {"weight": 0.5, "T": 2.0}}
    loss = objective(preset, weights=Weights(0.7, 0.3, 0.2, 0.0))
    batch = make_batch(mixed=False)
    x = embeddings(batch)
    found = loss(batch, Outputs(embedding=x))
    W = loss.teacher.classifier.double()
    W = W / W.norm(dim=1, keepdim=True)
    A = loss.connector.linear.weight.detach().double()
    head = loss.recognition.head
    for name, domain, weight in (("labelled", 0, 0.3), ("unlabelled", 1, 0.2)):
        mine = [i for i in range(len(batch)) if batch.domain[i] == domain]
        fm = sr = kd = 0.0
        for i in mine:
            t = teacher_of(domain, int(batch.row[i]), bool(batch.mirrored[i])).double()
            s = A @ x[i].double()
            t, s = t / t.norm(), s / s.norm()
            fm += float((t - s).square().sum()) / E
            sr += float((W @ t - W @ s).square().sum()) / N
            logits = loss.classify(x[i : i + 1])[0].detach().double()
            p, q = torch.softmax(S * W @ t / 2, 0), torch.softmax(logits / 2, 0)
            kd += 4 * sum(float(a) * math.log(float(a) / float(b)) for a, b in zip(p, q, strict=True))
        expected = {"fm": 2.0 * fm, "sr": 3.0 * sr, "kd": 0.5 * kd}
        for term, value in expected.items():
            assert found[f"{name}_{term}"].item() == pytest.approx(weight * value / len(mine), rel=1e-4)
    labelled = slice(0, 4)
    margin = torch.nn.functional.cross_entropy(
        head(x[labelled], batch.label[labelled]), batch.label[labelled]
    )
    assert found["recognition"].item() == pytest.approx(0.7 * margin.item(), rel=1e-5)
    assert len(found) == 1 + 2 * 3


@pytest.mark.parametrize("target", ["teacher", "student"])
@pytest.mark.parametrize("form", ["forward", "paper"])
def test_mixed_term_is_computed_by_hand(target, form):
    T = 3.0
    loss = objective(
        {"fm": {"weight": 1.0}}, weights=Weights(1.0, 1.0, 1.0, 0.6), mix=MixTarget(T, target, form)
    )
    batch = make_batch()
    x = embeddings(batch)
    found = loss(batch, Outputs(embedding=x))["mixed"]

    def theirs(domain, row, mirrored):
        embedding = teacher_of(domain, int(row), bool(mirrored))[None]
        return torch.softmax(loss.teacher.logits(embedding).double() / T, 1)[0]

    def ours(i):
        return torch.softmax(loss.classify(x[i : i + 1]).detach().double() / T, 1)[0]

    total, count = 0.0, 0
    for m in range(len(batch)):
        if batch.domain[m] != MIXED:
            continue
        w = float(batch.weight[m])
        i = next(k for k in range(4) if batch.row[k] == batch.row[m])
        first = theirs(LABELLED, batch.row[m], batch.mirrored[m]) if target == "teacher" else ours(i)
        y = w * first + (1 - w) * theirs(UNLABELLED, batch.partner[m], batch.partner_mirrored[m])
        q = ours(m)
        for a, b in zip(y.tolist(), q.tolist(), strict=True):
            total += T * T * a * math.log(a / b) if form == "forward" else T * b * math.log(b / a)
        count += 1
    assert count == 4
    assert found.item() == pytest.approx(0.6 * total / count, rel=1e-4)


def test_mixed_target_has_no_gradient_through_the_labelled_half():
    loss = objective(
        {"fm": {"weight": 1.0}}, weights=Weights(0.0, 0.0, 0.0, 1.0), mix=MixTarget(2.0, "student", "forward")
    )
    batch = make_batch()
    x = embeddings(batch).requires_grad_()
    loss(batch, Outputs(embedding=x))["mixed"].backward()
    assert x.grad[:8].abs().sum() == 0
    assert (x.grad[8:].abs().sum(1) > 0).all()


@pytest.mark.parametrize(
    ("weights", "batch", "names"),
    [
        (Weights(1.0, 1.0, 1.0, 1.0), (4, 4, True), {"recognition", "labelled_fm", "unlabelled_fm", "mixed"}),
        (Weights(1.0, 1.0, 0.0, 0.0), (4, 4, False), {"recognition", "labelled_fm"}),
        (Weights(1.0, 1.0, 1.0, 1.0), (4, 0, True), {"recognition", "labelled_fm"}),
        (Weights(0.0, 0.0, 1.0, 0.0), (4, 4, False), {"unlabelled_fm"}),
        (Weights(1.0, 0.0, 1.0, 0.0), (4, 4, False), {"recognition", "unlabelled_fm"}),
        (Weights(0.0, 0.0, 0.0, 1.0), (4, 4, True), {"mixed"}),
    ],
)
def test_terms_without_samples_or_weight_are_absent(weights, batch, names):
    loss = objective({"fm": {"weight": 1.0}}, weights=weights)
    given = make_batch(*batch)
    assert set(loss(given, Outputs(embedding=embeddings(given)))) == names


def test_no_labels_needs_neither_head_nor_classes():
    loss = Distillation(
        losses.build({"fm": {"weight": 1.0}}), Fixed(E), D, weights=Weights(0.0, 0.0, 1.0, 0.0)
    )
    batch = make_batch(0, 4, False)
    terms = loss(batch, Outputs(embedding=embeddings(batch)))
    assert set(terms) == {"unlabelled_fm"}
    assert {name for name, _ in loss.named_parameters()} == {"connector.linear.weight"}


def test_order_of_samples_within_a_domain_is_indifferent():
    loss = objective({"fm": {"weight": 1.0}, "kd": {"weight": 1.0}}, weights=Weights(1.0, 1.0, 1.0, 1.0))
    batch = make_batch()
    x = embeddings(batch)
    order = torch.cat([4 * k + torch.randperm(4) for k in range(3)])
    first = loss(batch, Outputs(embedding=x))
    second = loss(batch.select(order), Outputs(embedding=x[order]))
    assert all(torch.isclose(first[name], second[name], rtol=1e-4) for name in first)


def test_gradient_reaches_the_student_and_never_the_teacher():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, E), torch.nn.BatchNorm1d(E))

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, image):
            return Outputs(embedding=self.net(image))

    teacher_head, head = cosface.CosFace(E, N, 0.3, S), cosface.CosFace(D, N, 0.3, S)
    before = [p.detach().clone() for p in (*net.parameters(), *net.buffers(), *teacher_head.parameters())]
    teacher = LiveTeacher(Net(), E, teacher_head)
    preset = {"fm": {"weight": 1.0}, "sr": {"weight": 1.0, "form": "kl"}, "kd": {"weight": 1.0}}
    loss = Distillation(
        losses.build(preset, teacher.classifier, teacher.scale),
        teacher,
        D,
        recognition=Recognition(head),
        head=head,
        weights=Weights(1.0, 1.0, 1.0, 1.0),
    ).train()
    mine = {id(p) for p in loss.parameters()}
    assert not mine & {id(p) for p in (*net.parameters(), *teacher_head.parameters())}
    assert not any("teacher" in name or "classifier" in name for name in loss.state_dict())
    batch = make_batch()
    x = embeddings(batch).requires_grad_()
    torch.stack(list(loss(batch, Outputs(embedding=x)).values())).sum().backward()
    assert (x.grad.abs().sum(1) > 0).all()
    assert loss.connector.linear.weight.grad.abs().sum() > 0
    assert head.weight.grad.abs().sum() > 0
    after = [*net.parameters(), *net.buffers(), *teacher_head.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in (*net.parameters(), *teacher_head.parameters()))


def test_cached_and_live_teachers_give_the_same_loss():
    """The step's whole loss, mix-up included."""
    torch.manual_seed(0)

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Linear(48, E)

        def forward(self, image):
            return Outputs(embedding=self.last(image.flatten(1)))

    faces = {d: torch.randn(20, 3, 4, 4) for d in (LABELLED, UNLABELLED)}
    net = Net()
    with torch.no_grad():
        tables = {
            d: Table(torch.stack([net(v).embedding for v in (x, x.flip(3))], 1).numpy(), np.arange(20))
            for d, x in faces.items()
        }
    plain = make_batch(mixed=False)
    image = torch.stack(
        [
            faces[d][r].flip(2) if m else faces[d][r]
            for d, r, m in zip(
                plain.domain.tolist(), plain.row.tolist(), plain.mirrored.tolist(), strict=True
            )
        ]
    )
    batch = Mixer(1.0)(Batch(**{**vars(plain), "image": image}), np.random.default_rng(0))
    head, teacher_head = cosface.CosFace(D, N, 0.3, S), cosface.CosFace(E, N, 0.3, S)
    preset = {"fm": {"weight": 1.0}, "sr": {"weight": 1.0}, "kd": {"weight": 1.0}}
    sums = []
    for teacher in (CachedTeacher(tables, E, teacher_head), LiveTeacher(net, E, teacher_head)):
        torch.manual_seed(1)
        built = losses.build(preset, teacher.classifier, teacher.scale)
        loss = Distillation(
            built, teacher, D, recognition=Recognition(head), head=head, weights=Weights(1.0, 1.0, 1.0, 1.0)
        )
        sums.append(loss(batch, Outputs(embedding=embeddings(batch))))
    assert set(sums[0]) == set(sums[1])
    assert all(torch.isclose(sums[0][k], sums[1][k], atol=1e-5, rtol=1e-5) for k in sums[0])


def test_impossible_combinations_are_refused():
    teacher, head = parts()
    fm = losses.build({"fm": {"weight": 1.0}})
    kd = losses.build({"kd": {"weight": 1.0}}, teacher.classifier, teacher.scale)
    with pytest.raises(ValueError, match="teacher has no classifier"):
        Distillation(
            fm, Fixed(E), D, recognition=Recognition(head), head=head, weights=Weights(1.0, 1.0, 1.0, 1.0)
        )
    with pytest.raises(ValueError, match="student has no classifier"):
        Distillation(kd, teacher, D, weights=Weights(0.0, 0.0, 1.0, 0.0))
    with pytest.raises(ValueError, match="recognition"):
        Distillation(fm, teacher, D)


def test_connector_starts_as_an_isometry_where_it_can():
    x = torch.randn(9, 5)
    assert torch.allclose(Connector(5, 8)(x).norm(dim=1), x.norm(dim=1), atol=1e-5)
    connector = Connector(5, 3)
    assert connector(x).shape == (9, 3)
    assert [name for name, _ in connector.named_parameters()] == ["linear.weight"]


def test_blocks_and_halves():
    assert blocks(torch.tensor([0, 0, 1, 2, 2])) == {0: slice(0, 2), 1: slice(2, 3), 2: slice(3, 5)}
    with pytest.raises(ValueError, match="blocks"):
        blocks(torch.tensor([1, 0]))
    batch = make_batch()
    plain, mixed = batch.select(slice(0, 8)), batch.select(slice(8, 12))
    first, second = halves(mixed, plain)
    assert first.tolist() == [0, 1, 2, 3]
    assert torch.equal(plain.row[second], mixed.partner)
    twice = plain.select(torch.tensor([0, 1, 2, 3, 4, 4]))
    twice.mirrored[4:] = torch.tensor([False, True])  # one face, as it is and mirrored
    wanted = mixed.select(slice(0, 1))
    wanted.partner[0], wanted.partner_mirrored[0] = plain.row[4], True
    assert halves(wanted, twice)[1].tolist() == [5]
    with pytest.raises(ValueError, match="same batch"):
        halves(mixed, plain.select(slice(1, 8)))
