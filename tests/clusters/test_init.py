"""The classifier of routing vectors: the nearest centroid, and its file."""

import numpy as np
import pytest
import torch

from pipeline import clusters


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_the_best_score_is_the_nearest_centroid(metric):
    g = torch.Generator().manual_seed(0)
    points = torch.rand(40, 6, generator=g, dtype=torch.float64)
    centroids = 3 * torch.rand(7, 6, generator=g, dtype=torch.float64)
    expected = []
    for x in points.numpy():
        if metric == "euclidean":
            away = [np.sum((x - w) ** 2) for w in centroids.numpy()]
        else:
            away = [-x @ w / np.linalg.norm(x) / np.linalg.norm(w) for w in centroids.numpy()]
        expected.append(int(np.argmin(away)))
    assert clusters.assign(points, centroids, metric).tolist() == expected
    assert len(set(expected)) > 2


def test_euclidean_scores_are_squared_distances_up_to_a_constant():
    points, centroids = torch.rand(5, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)
    softmax = torch.softmax(clusters.scores(points, centroids, "euclidean"), 1)
    assert torch.allclose(softmax, torch.softmax(-torch.cdist(points, centroids).square() / 2, 1))


def test_saved_classifier_assigns_as_before(tmp_path):
    g = torch.Generator().manual_seed(1)
    weight, points = torch.randn(5, 4, generator=g), torch.randn(30, 4, generator=g)
    clusters.save_classifier(tmp_path, torch.nn.Parameter(weight), "cosine")
    found = clusters.load_classifier(tmp_path)(points.numpy())
    assert found.dtype == np.int64
    assert found.tolist() == clusters.assign(points, weight, "cosine").tolist()
    assert clusters.load_classifier(tmp_path)(np.zeros((0, 4), np.float32)).shape == (0,)


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="without a clustering loss"):
        clusters.load_classifier(tmp_path)
    clusters.save_classifier(tmp_path, torch.zeros(5, 4), "cosine")
    with pytest.raises(ValueError, match=r"\(n, 4\)"):
        clusters.load_classifier(tmp_path)(np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match="manhattan"):
        clusters.scores(torch.zeros(1, 2), torch.zeros(1, 2), "manhattan")
