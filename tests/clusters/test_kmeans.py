"""The k-means clustering loss: pseudo-labels, centroids as weights, epochs, resume."""

import copy
import logging
import math

import numpy as np
import pytest
import torch

from pipeline.clusters import kmeans, load_classifier
from pipeline.contracts import LABELLED, UNLABELLED, Batch, Outputs


def blobs(seed=0, clusters=4, each=12, size=8):
    """Points around axes of their own, in a seeded order."""
    g = torch.Generator().manual_seed(seed)
    centres = torch.eye(size)[:clusters] + 0.1
    points = centres.repeat_interleave(each, 0) + 0.03 * torch.randn(clusters * each, size, generator=g)
    order = torch.randperm(len(points), generator=g)
    return points[order], torch.arange(clusters).repeat_interleave(each)[order]


def surveyed(points):
    return lambda read: read(Outputs(embedding=torch.zeros(len(points), 2), routing=points))


def batch_of(row, domain):
    b = len(row)
    flag, none = torch.zeros(b, dtype=torch.bool), torch.full((b,), -1)
    return Batch(torch.zeros(b, 3, 1, 1), none, row, flag, domain, none, flag, torch.ones(b))


def objective(rows, first=0, **settings):
    return kmeans.KMeansClusters(8, rows, first, **{"classes": 4, "seed": 3, **settings})


def same_partition(a, b):
    return len(set(zip(a.tolist(), b.tolist(), strict=True))) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_finds_the_clusters_and_predicts_them_at_once(metric):
    points, truth = blobs()
    loss = objective(len(points), metric=metric)
    loss.begin_epoch(0, surveyed(points))
    assert same_partition(loss.labels, truth)
    assert torch.equal(loss.logits(points).argmax(1), loss.labels)
    for c in range(4):
        own = points[loss.labels == c]
        mean = torch.nn.functional.normalize(own).mean(0) if metric == "cosine" else own.mean(0)
        mean = mean / mean.norm() if metric == "cosine" else mean
        assert torch.allclose(loss.weight[c], mean, atol=1e-6)


def test_loss_is_cross_entropy_of_labelled_rows_alone():
    points, _ = blobs()
    loss = objective(len(points), weight=0.7, temperature=0.2)
    loss.begin_epoch(0, surveyed(points))
    row = torch.tensor([5, 40, 5, 7])
    domain = torch.tensor([LABELLED, LABELLED, LABELLED, UNLABELLED])
    found = loss(batch_of(row, domain), Outputs(torch.zeros(4, 2), routing=points[row]))
    total = 0.0
    for r in (5, 40, 5):
        x = points[r].double().numpy()
        z = [
            float(x @ w / np.linalg.norm(x) / np.linalg.norm(w)) / 0.2
            for w in loss.weight.detach().double().numpy()
        ]
        total -= z[int(loss.labels[r])] - math.log(sum(math.exp(v) for v in z))
    assert found["cluster"].item() == pytest.approx(0.7 * total / 3, rel=1e-5)
    only = batch_of(row, torch.full((4,), UNLABELLED))
    assert loss(only, Outputs(torch.zeros(4, 2), routing=points[row])) == {}


def test_gradient_reaches_classifier_and_routing():
    points, _ = blobs()
    loss = objective(len(points))
    loss.begin_epoch(0, surveyed(points))
    row = torch.arange(6)
    routing = points[row].clone().requires_grad_()
    loss(batch_of(row, 0 * row), Outputs(torch.zeros(6, 2), routing=routing))["cluster"].backward()
    assert routing.grad.abs().sum() > 0
    assert loss.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("start", "epochs", "first"), [(0.5, 8, 4), (0.5, 5, 3), (0.0, 3, 0), (0.5, 2, 1), (0.3, 10, 3)]
)
def test_sets_in_after_its_share_of_the_epochs(start, epochs, first):
    points, _ = blobs()
    loss = kmeans.build(kmeans.Params(classes=4, start=start), 8, len(points), epochs, 1)
    row = torch.arange(5)
    for epoch in range(epochs):
        loss.begin_epoch(epoch, surveyed(points))
        terms = loss(batch_of(row, 0 * row), Outputs(torch.zeros(5, 2), routing=points[row]))
        assert bool(terms) == (epoch >= first)


def test_new_clusters_take_the_places_of_those_they_resemble():
    points, _ = blobs()
    loss = objective(len(points))
    loss.begin_epoch(0, surveyed(points))
    before = loss.labels.clone()
    for epoch in (1, 2, 3):  # other seeds of k-means number the clusters otherwise
        with torch.no_grad():
            loss.weight.mul_(3.0)  # as if trained on
        loss.begin_epoch(epoch, surveyed(points))
        assert torch.equal(loss.labels, before)
        assert torch.allclose(loss.weight.norm(dim=1), torch.ones(4))
    shuffled = torch.tensor([2, 0, 3, 1])
    assert torch.equal(kmeans.in_old_order(loss.weight[shuffled].detach(), loss.weight.detach()), loss.weight)


def test_order_of_rows_is_indifferent():
    points, _ = blobs()
    order = torch.randperm(len(points))
    first, second = objective(len(points)), objective(len(points))
    first.begin_epoch(0, surveyed(points))
    second.begin_epoch(0, surveyed(points[order]))
    assert same_partition(first.labels[order], second.labels)


def test_state_survives_a_resume():
    points, _ = blobs()
    loss = objective(len(points))
    loss.begin_epoch(0, surveyed(points))
    state = copy.deepcopy(loss.state_dict())
    other = objective(len(points))
    other.load_state_dict(state)
    row = torch.arange(9)
    outputs = Outputs(torch.zeros(9, 2), routing=points[row])
    batch = batch_of(row, 0 * row)
    assert torch.equal(loss(batch, outputs)["cluster"], other(batch, outputs)["cluster"])
    again = objective(len(points))
    again.begin_epoch(0, surveyed(points))
    assert all(torch.equal(again.state_dict()[name], value) for name, value in state.items())


def test_sample_fits_on_a_part_and_assigns_all():
    points, truth = blobs(each=50)
    loss = objective(len(points), sample=60)
    loss.begin_epoch(0, surveyed(points))
    assert same_partition(loss.labels, truth)


def test_fewer_distinct_vectors_than_clusters(caplog):
    points = torch.eye(8)[:2].repeat(10, 1)
    loss = objective(20)
    with caplog.at_level(logging.WARNING):
        loss.begin_epoch(0, surveyed(points))
    assert "2 of 4 clusters are empty" in caplog.text
    assert len(loss.labels.unique()) == 2
    row = torch.arange(20)
    terms = loss(batch_of(row, 0 * row), Outputs(torch.zeros(20, 2), routing=points))
    assert torch.isfinite(terms["cluster"])


def test_classifier_is_saved_once_it_was_fitted(tmp_path):
    points, truth = blobs()
    loss = objective(len(points))
    loss.save(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_classifier(tmp_path)
    loss.begin_epoch(0, surveyed(points))
    loss.save(tmp_path)
    assert same_partition(torch.from_numpy(load_classifier(tmp_path)(points.numpy())), truth)


def test_what_is_wrong_is_named():
    with pytest.raises(ValueError, match="dynamic_group"):
        kmeans.build(kmeans.Params(classes=4), 0, 100, 2, 0)
    with pytest.raises(ValueError, match="300 clusters of 20"):
        kmeans.build(kmeans.Params(), 8, 20, 2, 0)
    for start, epochs in ((0.5, 1), (0.9, 9)):
        with pytest.raises(ValueError, match=f"sets in after {epochs} of {epochs} epochs, that is never"):
            kmeans.build(kmeans.Params(classes=4, start=start), 8, 20, epochs, 0)
    loss = objective(20)
    with pytest.raises(ValueError, match="10 routing vectors of 20"):
        loss.begin_epoch(0, surveyed(torch.rand(10, 8)))
    with pytest.raises(FloatingPointError, match="not finite"):
        loss.begin_epoch(0, surveyed(torch.full((20, 8), math.nan)))
    with pytest.raises(ValueError, match="dynamic"):
        loss.begin_epoch(0, lambda read: read(Outputs(torch.zeros(20, 2))))
