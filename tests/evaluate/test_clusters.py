"""Purity and AMI against loops and chance; k-means under both metrics; which faces are clustered."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.annotators import ATTRIBUTES
from pipeline.contracts import Outputs
from pipeline.evaluate import clusters


def slow_purity(labels, cohorts):
    total = 0
    for label in set(labels):
        total += Counter(c for c, k in zip(cohorts, labels, strict=True) if k == label).most_common(1)[0][1]
    return total / len(labels)


def entropy(labels):
    share = np.array(list(Counter(labels).values())) / len(labels)
    return -(share * np.log(share)).sum()


def mutual(a, b):
    return entropy(a) + entropy(b) - entropy(list(zip(a, b, strict=True)))


def test_purity_and_ami_against_counting():
    rng = np.random.default_rng(0)
    labels, cohorts = rng.integers(0, 5, 60) * 3, rng.integers(0, 4, 60) - 7
    assert clusters.purity(labels, cohorts) == pytest.approx(slow_purity(labels.tolist(), cohorts.tolist()))
    shuffled = [mutual(rng.permutation(labels).tolist(), cohorts.tolist()) for _ in range(800)]
    chance = np.mean(shuffled)  # the expectation of MI over permutations, by drawing them
    top = (entropy(labels.tolist()) + entropy(cohorts.tolist())) / 2
    expected = (mutual(labels.tolist(), cohorts.tolist()) - chance) / (top - chance)
    assert clusters.ami(labels, cohorts) == pytest.approx(expected, abs=8e-3)


def test_extremes():
    cohorts = np.arange(40) % 4
    assert clusters.purity(cohorts * 7 + 1, cohorts) == clusters.ami(cohorts * 7 + 1, cohorts) == 1
    assert clusters.purity(np.zeros(40, int), cohorts) == 0.25
    assert clusters.ami(np.zeros(40, int), cohorts) == 0
    singles = np.arange(40)
    assert clusters.purity(singles, cohorts) == 1  # why AMI is reported, too
    assert clusters.ami(singles, cohorts) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="no samples"):
        clusters.purity(np.zeros(0, int), np.zeros(0, int))


def test_renaming_clusters_changes_nothing():
    rng = np.random.default_rng(1)
    labels, cohorts = rng.integers(0, 6, 100), rng.integers(0, 3, 100)
    renamed = rng.permutation(6)[labels]
    assert clusters.agreement(labels, cohorts, {"yaw": cohorts}) == pytest.approx(
        clusters.agreement(renamed, cohorts, {"yaw": cohorts})
    )


def blobs(seed=0, each=40):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(4, 6)) * 4
    truth = np.repeat(np.arange(4), each)
    return (centres[truth] + rng.normal(size=(4 * each, 6)) * 0.3).astype(np.float32), truth


@pytest.mark.parametrize("metric", clusters.METRICS)
def test_kmeans_finds_blobs_the_same_way_every_time(metric):
    values, truth = blobs()
    runs = clusters.cluster(values, 4, metric, seed=3)
    assert max(clusters.ami(run.labels, truth) for run in runs) > 0.95
    again = clusters.cluster(values, 4, metric, seed=3)
    assert all(np.array_equal(x.labels, y.labels) for x, y in zip(runs, again, strict=True))
    values[:, 0] = 0
    scaled = clusters.cluster(
        values * np.linspace(1, 9, len(values), dtype=np.float32)[:, None], 4, "cosine", 3
    )
    if metric == "cosine":  # the length of a vector does not count
        for x, y in zip(clusters.cluster(values, 4, metric, 3), scaled, strict=True):
            assert clusters.ami(x.labels, y.labels) > 0.95


def test_cosines_of_centroids():
    found = clusters.cosines(np.array([[1.0, 0], [0, 2], [3, 3]]))
    np.testing.assert_allclose(found, [0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-6)


def test_spread_over_seeds():
    found = clusters.spread([{"ami": 0.1, "used": 3}, {"ami": 0.3, "used": 3}])
    assert found["ami"]["mean"] == pytest.approx(0.2)
    assert found["ami"]["std"] == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert clusters.spread([{"ami": 0.4}]) == {"ami": {"mean": 0.4, "std": 0.0}}


def test_features_are_routing_then_the_last_three_stages():
    maps = {f"stage{k}": torch.rand(5, k + 1, 3, 3) for k in range(4)}
    routing = torch.rand(5, 7)
    outputs = Outputs(torch.rand(5, 2), maps, routing)
    values = clusters.features(outputs)
    assert clusters.widths(outputs) == {"routing": 7, "pooled": 2 + 3 + 4}
    assert torch.equal(values[:, :7], routing)
    torch.testing.assert_close(values[:, 7:9], maps["stage1"].mean((2, 3)))
    assert clusters.widths(Outputs(torch.rand(5, 2), maps))["routing"] == 0
    with pytest.raises(ValueError, match="nothing to cluster"):
        clusters.widths(Outputs(torch.rand(5, 2)))


def annotations(n=200, seed=0):
    rng = np.random.default_rng(seed)
    sizes = (3, 2, 5, 3, 3)
    frame = pd.DataFrame({"sample_id": [f"s{i}" for i in range(n)]})
    for name, size in zip(ATTRIBUTES, sizes, strict=True):
        frame[name] = rng.integers(0, size, n).astype(np.int8)
        frame[f"{name}_confidence"] = rng.uniform(0.51, 1, n).astype(np.float32)
    return frame


def test_unknown_and_unsure_faces_are_left_out_and_counted():
    frame = annotations()
    frame.loc[:4, "race"] = -1
    frame.loc[3:9, "yaw_confidence"] = 0.5
    found = clusters.annotated(frame, 1000, 0)
    assert found.left_out == {"unknown": 5, "unsure": 5, "not_sampled": 0}
    assert found.frame["sample_id"].tolist() == [f"s{i}" for i in range(10, 200)]
    sampled = clusters.annotated(frame, 50, 0)
    assert sampled.left_out["not_sampled"] == 140
    assert sampled.frame.equals(clusters.annotated(frame, 50, 0).frame)
    assert not sampled.frame.equals(clusters.annotated(frame, 50, 1).frame)


def test_cohorts_are_combinations_of_what_is_known():
    frame = annotations()
    frame["gender"] = -1
    found = clusters.annotated(frame, 1000, 0)
    assert "gender" not in found.attributes
    keys = list(zip(*(found.frame[name] for name in found.attributes), strict=True))
    assert len(set(zip(keys, found.codes.tolist(), strict=True))) == len(set(keys)) == len(set(found.codes))
    order = found.frame["sample_id"].sample(frac=1, random_state=0).tolist()
    assert found.ordered(order).frame["sample_id"].tolist() == order
    with pytest.raises(ValueError, match="not the same"):
        found.ordered([*order[1:], "stranger"])


def test_nothing_known():
    frame = annotations()
    for name in ATTRIBUTES:
        frame[name] = -1
    with pytest.raises(ValueError, match="no face has any attribute"):
        clusters.annotated(frame, 10, 0)
    frame = annotations().assign(yaw_confidence=0.1)
    with pytest.raises(ValueError, match="no face has all of"):
        clusters.annotated(frame, 10, 0)


def test_study_compares_like_with_like():
    cohorts = clusters.annotated(annotations(160), 1000, 0)
    values, _ = blobs()
    trained = lambda routing: np.arange(len(routing)) % 4  # noqa: E731
    found = clusters.study({"routing": values, "pooled": values.copy()}, cohorts, 4, 0, trained)
    assert list(found.labels) == [
        "classifier", "routing_kmeans_euclidean", "routing_kmeans_cosine",
        "pooled_kmeans_euclidean", "pooled_kmeans_cosine",
    ]  # fmt: skip
    same = found.numbers["routing"].copy()
    assert same.pop("classifier")["purity"] > 0
    assert same == found.numbers["pooled"]  # equal features, seeds and rule: equal numbers
    assert len(found.cosines["pooled, cosine"]) == 6
    assert "classifier" not in clusters.study({"pooled": values}, cohorts, 4, 0, None).numbers["pooled"]
