"""MegaFace's ranks against a loop over pairs and distractors."""

import numpy as np
import pytest

from pipeline.evaluate import curves, distractors, vectors


def world(seed, probes=24, people=6, others=300):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, people, probes)
    who[:2] = 0
    faces = rng.normal(size=(people, 6))[who] + 0.6 * rng.normal(size=(probes, 6))
    return faces.astype(np.float32), who, rng.normal(size=(others, 6)).astype(np.float32)


def slow_ranks(faces, who, others):
    unit, rest = vectors.normalise(faces), vectors.normalise(others)
    return np.array(
        [
            1 + sum(unit[i] @ d >= unit[i] @ unit[j] for d in rest)
            for i in range(len(who))
            for j in range(len(who))
            if i != j and who[i] == who[j]
        ]
    )


@pytest.mark.parametrize("block", [1, 7, 300])
@pytest.mark.parametrize("size", [24 * 4 * 3, 24 * 4 * 11, 10**6])
def test_ranks_at_every_number_of_distractors(block, size, monkeypatch):
    monkeypatch.setattr(distractors, "BYTES", size)
    faces, who, others = world(0)
    blocks = np.split(others, range(block, 300, block))
    answer = distractors.megaface(faces, who, blocks, [10, 100, 300], [1, 5, 20], [0.01])
    for count in (10, 100, 300):
        ranks = slow_ranks(faces, who, others[:count])
        assert answer["cmc"][count] == pytest.approx({k: (ranks <= k).mean() for k in (1, 5, 20)})
    assert answer["pairs"] == len(slow_ranks(faces, who, others[:1]))
    assert answer["rank"].tolist() == np.minimum(ranks, 21).tolist()  # of all 300, in the order of the pairs
    assert (who[answer["probe"]] == who[answer["mate"]]).all()


def test_tar_with_every_probe_and_distractor_as_impostors():
    faces, who, others = world(1)
    answer = distractors.megaface(faces, who, [others], [250], [1], [0.001, 0.02])
    unit, rest = vectors.normalise(faces), vectors.normalise(others[:250])
    i, j = np.triu_indices(len(who), 1)
    own = (unit @ unit.T)[i, j][who[i] == who[j]]
    impostors = (unit @ rest.T).ravel()
    curve = curves.steps(own, impostors)
    for far, found in zip((0.001, 0.02), answer["tar_at_far"], strict=True):
        assert found["exact"]
        assert found["tar"] == pytest.approx(curves.tar_at_far(curve, far)["tar"])
        assert found["impostors"] == 24 * 250


def test_more_distractors_never_help():
    faces, who, others = world(2, others=2000)
    cmc = distractors.megaface(faces, who, [others], [10, 100, 1000, 2000], [1], [])["cmc"]
    assert (np.diff([cmc[n][1] for n in (10, 100, 1000, 2000)]) <= 0).all()


def test_reads_files_in_blocks_and_says_what_is_wrong(tmp_path):
    faces, who, others = world(3)
    path = tmp_path / "distractors.npy"
    np.save(path, others)
    np.testing.assert_array_equal(np.concatenate(list(distractors.npy_blocks(path, 70))), others)
    np.save(path, others.astype(np.float16))
    assert next(distractors.npy_blocks(path, 70)).dtype == np.float32
    np.save(path, others)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="truncated, 300 rows"):
        list(distractors.npy_blocks(path, 70))
    with pytest.raises(ValueError, match="300 distractors, 301 are asked for"):
        distractors.megaface(faces, who, [others], [301])
    with pytest.raises(ValueError, match="no probe has a mate"):
        distractors.megaface(faces, np.arange(24), [others], [10])
    others[222] = np.nan
    with pytest.raises(vectors.BadEmbeddingError, match="222"):
        distractors.megaface(faces, who, np.split(others, 3), [300])
    with pytest.raises(ValueError, match="are kept"):
        distractors.megaface(faces, who, [others], [10**9], fars=[0.5])


@pytest.mark.parametrize("dimensions", [6, 64, 512])
def test_copies_of_the_mate_always_count_against_it(dimensions):
    rng = np.random.default_rng(dimensions)
    for others in (2, 5, 33, 200):
        mean, noise = rng.normal(size=dimensions), rng.normal(size=(2 + others, dimensions))
        faces = (mean + 0.3 * noise[:2]).astype(np.float32)
        away = (0.3 * noise[2:] - mean).astype(np.float32)
        mixed = np.concatenate([faces, faces, away])[rng.permutation(4 + others)]  # a probe's own copies, too
        who = np.zeros(2, int)
        cmc = distractors.megaface(faces, who, [mixed], [len(mixed)], [4, 5], [])["cmc"][len(mixed)]
        assert cmc == {4: 0.0, 5: 1.0}


def test_strangers_are_nobodys_mates_and_no_more_is_read_than_asked():
    faces, who, others = world(4)
    named = np.where(who == 0, None, who.astype(object))

    def blocks():
        yield others[:100]
        yield others[100:200]
        raise AssertionError("read beyond the largest size")

    found = distractors.megaface(faces, named, blocks(), [50, 200], [1], [])
    count = np.bincount(who)[1:]
    assert found["pairs"] == (count * (count - 1)).sum()
