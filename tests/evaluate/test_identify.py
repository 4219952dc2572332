"""Identification against loops over every probe and every gallery entry."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.evaluate import identify, vectors


def world(seed, probes=40, gallery=15, people=12, levels=None):
    """Unit vectors of people, some of whom are not in the gallery; `levels` makes ties."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(people, 8))
    who, known = rng.integers(0, people, probes), rng.integers(0, people * 2 // 3, gallery)
    faces = [mean[labels] + 0.7 * rng.normal(size=(len(labels), 8)) for labels in (who, known)]
    if levels:
        faces = [np.round(face * levels) / levels + 0.01 * (face[:, :1] * 0 + 1) for face in faces]
    return [vectors.normalise(faces[0]), who, vectors.normalise(faces[1]), known]


def slow(probes, who, gallery, known):
    """Score of the best mate, its rank if rounding helps it and if rounding harms it, best other score."""
    for vector, person in zip(probes, who, strict=True):
        scores = [float(np.float32(vector @ entry)) for entry in gallery]
        own = [s for s, k in zip(scores, known, strict=True) if k == person]
        rest = [s for s, k in zip(scores, known, strict=True) if k != person]
        ranks = [1 + sum(s >= max(own) + off for s in rest) if own else 0 for off in (1e-6, -1e-6)]
        yield max(own, default=-np.inf), *ranks, max(rest, default=-np.inf)


@pytest.mark.parametrize("levels", [None, 1])
@pytest.mark.parametrize("size", [1, 500, 10**6])
def test_search_is_what_loops_find(size, levels):
    for seed in range(4):
        given_world = world(seed, levels=levels)
        found = identify.search(*given_world, size=size)
        mate, best, worst, other = (np.array(values) for values in zip(*slow(*given_world), strict=True))
        np.testing.assert_allclose(found.mate, mate, atol=1e-6)
        np.testing.assert_allclose(found.other, other, atol=1e-6)
        assert np.all(best <= found.rank)  # rounding decides ties of products
        assert np.all(found.rank <= worst)
        assert np.mean(best == worst) > (0.5 if levels else 0.9)
        np.testing.assert_array_equal(found.mated, np.isin(given_world[1], given_world[3]))


def test_ties_count_against_the_probe():
    basis = np.eye(4, dtype=np.float32)
    gallery = basis[[0, 0, 0, 1]]  # the mate's vector thrice, twice under other names: exact ties
    found = identify.search(basis[:1], np.array(["a"]), gallery, np.array(["a", "b", "c", "d"]))
    assert found.rank.tolist() == [3]
    assert identify.cmc(found, [1, 2, 3]) == {1: 0.0, 2: 0.0, 3: 1.0}


def test_cmc_rises_to_one():
    found = identify.search(*world(3, probes=200))
    shares = list(identify.cmc(found, range(1, 16)).values())
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == 1
    with pytest.raises(ValueError, match="from 1"):
        identify.cmc(found, [0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]), st.floats(0.05, 1))
def test_open_set_by_counting(seed, rank, fpir):
    probes, who, gallery, known = world(seed, probes=60)
    who[:2] = known[0], 11  # one of each kind at least
    found = identify.search(probes, who, gallery, known)
    answer = identify.tpir_at_fpir(identify.open_set(found, rank), fpir)
    mated, stranger = found.mated, found.other[~found.mated]
    thresholds = [np.inf, *found.mate[mated], *stranger]
    if fpir * len(stranger) < 1 - 1e-9:
        assert answer["tpir"] is None
        assert "non-mated probes" in answer["note"]
        return
    accepted = found.rank[mated] <= rank
    best = max(
        (accepted & (found.mate[mated] >= t)).mean()
        for t in thresholds
        if (stranger >= t).mean() <= fpir + 1e-12
    )
    assert answer["tpir"] == pytest.approx(best)
    assert answer["non_mated"] == len(stranger)


def test_order_does_not_matter_and_a_closed_set_has_no_tpir():
    probes, who, gallery, known = world(6)
    order, shuffled = np.random.default_rng(0).permutation(40), np.random.default_rng(1).permutation(15)
    found = identify.search(probes, who, gallery, known)
    other = identify.search(probes[order], who[order], gallery[shuffled], known[shuffled])
    np.testing.assert_array_equal(other.rank, found.rank[order])
    closed = identify.search(probes, known[np.zeros(40, int)], gallery, known)
    with pytest.raises(ValueError, match="an open set has both"):
        identify.open_set(closed)
    with pytest.raises(ValueError, match="no probe has a mate"):
        identify.cmc(identify.search(probes, who + 100, gallery, known), [1])
    with pytest.raises(ValueError, match="a gallery of 0"):
        identify.search(probes, who, gallery[:0], known[:0])


def test_people_without_a_name_are_nobodys_mates():
    basis = np.eye(4, dtype=np.float32)
    for nobody in (None, np.nan):
        known = np.array(["a", nobody, nobody], object)
        found = identify.search(basis[[0, 1, 3]], np.array(["a", nobody, nobody], object), basis[:3], known)
        assert found.mated.tolist() == [True, False, False]
        assert found.other.tolist() == [0, 1, 0]
        answer = identify.tpir_at_fpir(identify.open_set(found), 0.5)
        assert (answer["tpir"], answer["non_mated"]) == (1.0, 2)
