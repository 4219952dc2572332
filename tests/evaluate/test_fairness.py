"""Tables of cohorts against loops, and a planted bias against none."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import curves, fairness, intervals, vectors


def world(seed, bias=0.0, people=120, pairs=4000):
    """Pairs of people of three cohorts; impostors within cohort `c` are more alike by `bias`."""
    rng = np.random.default_rng(seed)
    cohort = np.array(["a", "b", "c"])[np.arange(people) % 3]
    a, b = rng.integers(0, people, (2, pairs))
    b = np.where(rng.random(pairs) < 0.4, a, b)
    same = a == b
    alike = ~same & (cohort[a] == "c") & (cohort[b] == "c")
    scores = rng.normal(same * 2.0 + alike * bias)
    return scores, same, cohort[a], cohort[b], intervals.Pairs(a, b, same)


def test_rates_by_counting():
    scores, same, first, second, _ = world(0)
    table = fairness.cohorts(scores, same, first, second, 1.0)
    assert list(table.index) == ["a", "b", "c", "all"]
    for name in "abc":
        rows = [k for k in range(len(same)) if first[k] == second[k] == name]
        genuine = [scores[k] < 1.0 for k in rows if same[k]]
        impostors = [scores[k] >= 1.0 for k in rows if not same[k]]
        assert table.loc[name, ["genuine", "impostors"]].tolist() == [len(genuine), len(impostors)]
        assert table.loc[name, "fnmr"] == pytest.approx(np.mean(genuine))
        assert table.loc[name, "fmr"] == pytest.approx(np.mean(impostors))
    assert table.loc["all", "fmr"] == pytest.approx((scores[~same] >= 1.0).mean())


def test_cross_matrix_by_counting():
    scores, same, first, second, _ = world(1)
    first = np.where(np.arange(len(same)) % 50 == 0, None, first)
    rate, counts = fairness.cross_matches(scores, same, first, second, 1.0)
    assert (rate.to_numpy() == rate.to_numpy().T).all()
    for p in "abc":
        for q in "abc":
            rows = [k for k in range(len(same)) if not same[k] and {first[k], second[k]} == {p, q}]
            assert counts.loc[p, q] == len(rows)
            assert rate.loc[p, q] == pytest.approx(np.mean(scores[rows] >= 1.0))
    table = fairness.cohorts(scores, same, first, second, 1.0)
    np.testing.assert_allclose(np.diag(rate), table["fmr"][:3])


def test_a_planted_bias_is_found_and_none_where_there_is_none():
    found = {}
    for bias in (0.0, 1.0):
        scores, same, first, second, people = world(2, bias)
        threshold = curves.tar_at_far(curves.roc(scores, same), 0.05)["threshold"]
        table = fairness.cohorts(scores, same, first, second, threshold, people, 300)
        found[bias] = fairness.disparity(table, "fmr")
        inside = (table["fmr_low"] <= table["fmr"]) & (table["fmr"] <= table["fmr_high"])
        assert inside.all()
    assert found[1.0]["worst"] == "c"
    assert found[1.0]["ratio"] > 3
    assert found[1.0]["apart"]
    assert not found[0.0]["apart"]


def test_errors_over_bins():
    scores, same, *_, people = world(3)
    values = np.random.default_rng(0).uniform(0, 90, len(same))
    values[:5] = [0, 30, 60, 90, 120]
    values[5:8] = np.nan
    table = fairness.by_bins(scores, same, values, [0, 30, 60, 90], 1.0, people, 50)
    assert list(table.index) == ["0..30", "30..60", "60..90", "outside", "unknown"]
    assert table[["genuine", "impostors"]].to_numpy().sum() == len(same)
    middle = (values >= 30) & (values < 60)
    assert table.loc["30..60", "fnmr"] == pytest.approx((scores[middle & same] < 1.0).mean())
    assert table.loc["outside", ["genuine", "impostors"]].sum() == 1
    last = ((values >= 60) & (values <= 90)).sum()
    assert table.loc["60..90", ["genuine", "impostors"]].sum() == last
    with pytest.raises(ValueError, match="rising"):
        fairness.by_bins(scores, same, values, [0, 0], 1.0)


def test_empty_cohorts_and_no_errors():
    scores, same = np.array([0.9, 0.8, 0.1, 0.2]), np.array([True, True, False, False])
    first, second = np.array(["a", "b", "a", "a"]), np.array(["a", "b", "a", "b"])
    table = fairness.cohorts(scores, same, first, second, 0.5)
    assert np.isnan(table.loc["b", "fmr"])
    assert not table["fmr_supported"].any()
    assert fairness.disparity(table, "fnmr")["ratio"] is None
    with pytest.raises(ValueError, match="fmr of 1 cohorts"):
        fairness.disparity(table, "fmr")


@pytest.mark.parametrize(("fewest", "supported"), [(9, False), (10, True)])
def test_a_ratio_needs_errors_on_both_sides(fewest, supported):
    cohort = np.repeat(["a", "b"], 201)
    scores = np.zeros(402)
    scores[: fewest + 1], scores[201:301] = 1.0, 1.0
    same = np.arange(402) % 201 == 0
    found = fairness.disparity(fairness.cohorts(scores, same, cohort, cohort, 0.5), "fmr")
    assert (found["best"], found["supported"]) == ("a", supported)


def simulated(seed, blurred, people=200, images=5, dimensions=48):
    """Worst against best FNMR of five groups, dealt at random; embeddings of group 0 are noisier, as of blur.

    Simulated embeddings (a person's direction and noise), not faces: those are benchmarks/bias.py's.
    """
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), images)
    group = (rng.permutation(people) % 5)[person]
    noise = 1.0 + blurred * (group == 0)
    faces = rng.normal(size=(people, dimensions))[person]
    faces = vectors.normalise(faces + 1.1 * noise[:, None] * rng.normal(size=faces.shape))
    first, second = np.triu_indices(len(person), 1)
    same = person[first] == person[second]
    rows = np.append(np.flatnonzero(same), rng.choice(np.flatnonzero(~same), 20_000, replace=False))
    first, second = first[rows], second[rows]
    scored = pd.DataFrame({"a": first, "b": second, "same": same[rows]})
    scored["score"] = vectors.cosine(faces, first, second)
    scored = scored.assign(person_a=person[first], person_b=person[second])
    described = pd.DataFrame({"group": group, "yaw_degrees": 0.0})
    numbers, _ = fairness.measured(scored, described, ["group"], 0.01, [0, 180], 200, 0)
    return numbers["attributes"]["group"]["fnmr"]


def test_a_planted_bias_is_told_apart_where_it_was_planted_and_none_in_a_balanced_world():
    found = [simulated(seed, 0.25) for seed in range(4)]
    assert all(one["apart"] and one["worst"] == "0" and one["supported"] for one in found)
    balanced = [simulated(seed, 0.0) for seed in range(8)]
    assert sum(one["apart"] for one in balanced) <= 1
