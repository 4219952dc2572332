"""Random pairs of validation people, and what a training curve is told of them."""

import numpy as np
import pytest

from pipeline.evaluate import verify
from pipeline.loader import Faces


def test_random_pairs_are_what_they_say():
    labels = np.random.default_rng(0).integers(0, 9, 80)
    a, b, same = verify.random_pairs(labels, 100, seed=1)
    assert len(a) == 200
    np.testing.assert_array_equal(labels[a] == labels[b], same)
    genuine = {frozenset(pair) for pair in zip(a[same], b[same], strict=True)}
    assert len(genuine) == 100  # all different, and never a face with itself
    assert all(len(pair) == 2 for pair in genuine)
    again = verify.random_pairs(labels, 100, seed=1)
    assert all(np.array_equal(x, y) for x, y in zip((a, b, same), again, strict=True))


def test_every_genuine_pair_when_there_are_few():
    labels = np.array([0, 1, 0, 2, 0, 1])
    a, b, same = verify.random_pairs(labels, 1000, seed=0)
    found = {frozenset(pair) for pair in zip(a[same].tolist(), b[same].tolist(), strict=True)}
    assert found == {frozenset(p) for p in [(0, 2), (0, 4), (2, 4), (1, 5)]}
    assert (~same).sum() == 4


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2]])
def test_no_pairs_is_an_error(labels):
    with pytest.raises(ValueError, match="two identities"):
        verify.random_pairs(np.array(labels), 10, seed=0)


def test_genuine_pairs_are_drawn_evenly():
    labels = np.repeat([0, 1], [30, 10])  # 435 + 45 pairs
    share = np.mean([labels[verify.random_pairs(labels, 100, seed)[0][:100]].mean() for seed in range(50)])
    assert share == pytest.approx(45 / 480, abs=0.02)


def test_validation(dataset, recogniser, runtime):
    faces = Faces(dataset(people=20, each=5), needs_identity=True)
    found = verify.Validation(faces, runtime)(recogniser)
    assert set(found) == {"accuracy", "auc", "eer"}
    assert 0.5 < found["accuracy"] <= 1  # even an untrained net tells these noisy copies apart
    assert found == verify.Validation(faces, runtime)(recogniser)


@pytest.mark.parametrize(
    ("kept", "why"),
    [([0, 5, 10], "two images"), ([0, 1, 5], "one genuine pair")],
)
def test_a_set_too_thin_to_validate_is_refused_before_training(dataset, runtime, kept, why):
    folder = dataset(people=4, each=5)
    ids = Faces(folder, needs_identity=True).sample_ids
    thin = Faces(folder, exclude=set(ids) - {ids[row] for row in kept}, needs_identity=True)
    with pytest.raises(ValueError, match=f"{folder}.*{why}"):
        verify.Validation(thin, runtime)
