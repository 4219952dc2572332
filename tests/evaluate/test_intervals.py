"""The vertex bootstrap: against loops, and its intervals against simulated worlds."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import curves, intervals, paired


def world(rng, people=60, images=4, spread=0.8, strength=1.0):
    """Pairs with effects of people: a hard person spoils all of his pairs."""
    hard = rng.normal(0, spread, people)
    a, b, same = [], [], []
    for person in range(people):
        for _ in range(images):
            a.append(person), b.append(person), same.append(True)
            other = (person + rng.integers(1, people)) % people
            a.append(person), b.append(other), same.append(False)
    a, b, same = np.array(a), np.array(b), np.array(same)
    effect = (hard[a] + hard[b]) / 2
    scores = rng.normal(np.where(same, strength - effect, -strength + effect), 1.0)
    return scores, intervals.Pairs(a, b, same)


def test_weights_are_the_products_of_the_people_drawn():
    _, pairs = world(np.random.default_rng(0), people=9)
    drawn = np.random.default_rng(4).multinomial(9, np.full(9, 1 / 9), size=5)
    weights = np.concatenate(list(pairs.weights(5, seed=4)))
    for draw in range(5):
        for k in range(len(pairs.a)):
            i, j = pairs.a[k], pairs.b[k]
            assert weights[draw, k] == (drawn[draw, i] if pairs.same[k] else drawn[draw, i] * drawn[draw, j])


def test_draws_do_not_depend_on_the_block(monkeypatch):
    scores, pairs = world(np.random.default_rng(1))
    correct = ((scores > 0) == pairs.same)[None]
    whole = intervals.accuracy_draws(correct, pairs, 40, seed=3)
    monkeypatch.setattr(intervals, "CELLS", 3 * len(pairs.a))
    np.testing.assert_array_equal(intervals.accuracy_draws(correct, pairs, 40, seed=3), whole)
    assert whole.std() > 0
    assert not np.array_equal(intervals.accuracy_draws(correct, pairs, 40, seed=4), whole)


def test_accuracy_and_tar_draws_against_copied_pairs():
    """A draw of integer weights is a list in which each pair stands as often as its weight."""
    scores, pairs = world(np.random.default_rng(2), people=20)
    scores = np.round(scores, 1)  # with ties
    correct = (scores > 0) == pairs.same
    fars = [0.05, 0.2]
    accuracy = intervals.accuracy_draws(correct[None], pairs, 6, seed=9)[0]
    tars = intervals.tar_draws(scores, pairs, fars, 6, seed=9)
    for draw, weight in enumerate(np.concatenate(list(pairs.weights(6, seed=9)))):
        rows = np.repeat(np.arange(len(scores)), weight)
        same = pairs.same[rows]
        share = pairs.same.mean()
        expected = share * correct[rows][same].mean() + (1 - share) * correct[rows][~same].mean()
        assert accuracy[draw] == pytest.approx(expected)
        thresholds = [np.inf, *scores]
        for k, far in enumerate(fars):
            best = max(
                (scores[rows][same] >= t).mean()
                for t in thresholds
                if (scores[rows][~same] >= t).mean() <= far
            )
            assert tars[k, draw] == pytest.approx(best)


def test_interval_covers_the_true_accuracy():
    """120 simulated worlds: a 95 % interval misses about 6; over pairs alone it would miss far more."""
    truth_rng = np.random.default_rng(0)
    truth = np.mean([np.mean((s > 0) == p.same) for s, p in (world(truth_rng) for _ in range(400))])
    covered, naive = 0, 0
    for seed in range(120):
        scores, pairs = world(np.random.default_rng(1000 + seed))
        correct = (scores > 0) == pairs.same
        low, high = intervals.interval(intervals.accuracy_draws(correct[None], pairs, 300, seed)[0])
        covered += low <= truth <= high
        half = 1.96 * correct.std() / np.sqrt(len(correct))
        naive += abs(correct.mean() - truth) <= half
    assert 0.89 * 120 <= covered <= 120
    assert naive < covered


def test_tar_interval_holds_the_measured_one():
    scores, pairs = world(np.random.default_rng(5), people=150)
    measured = curves.tar_at_far(curves.roc(scores, pairs.same), 0.1)["tar"]
    low, high = intervals.interval(intervals.tar_draws(scores, pairs, [0.1], 300, 0)[0])
    assert low < measured < high
    assert high - low < 0.4


def test_paired_test_sees_what_separate_intervals_do_not():
    scores, pairs = world(np.random.default_rng(6), people=150)
    first = (scores > 0) == pairs.same
    rng = np.random.default_rng(0)
    second = first | (rng.random(len(first)) < 0.05)
    result = intervals.paired(first, second, pairs, 500, seed=0)
    assert 0 < result["low"] <= result["difference"] <= result["high"]
    assert result["p"] < 0.01
    mine, other = (
        intervals.interval(intervals.accuracy_draws(c[None], pairs, 500, 0)[0]) for c in (first, second)
    )
    assert mine[1] > other[0]  # the two intervals overlap all the same
    same = intervals.paired(first, first, pairs, 500, seed=0)
    assert (same["difference"], same["low"], same["high"], same["p"]) == (0, 0, 0, 1)
    back = intervals.paired(second, first, pairs, 500, seed=0)
    assert back["difference"] == -result["difference"]
    assert back["low"] == pytest.approx(-result["high"])


def test_false_alarms_of_the_paired_test_are_rare():
    alarms = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        scores, pairs = world(rng, people=40)
        first = (scores > 0) == pairs.same
        second = (scores + rng.normal(0, 0.5, len(scores)) > 0) == pairs.same
        third = (scores + rng.normal(0, 0.5, len(scores)) > 0) == pairs.same
        alarms += intervals.paired(second, third, pairs, 200, seed)["p"] < 0.05
        assert len(first) == len(second)
    assert alarms <= 0.1 * 150


def test_a_handful_of_people_has_no_interval():
    pairs = intervals.Pairs(np.array([0, 0]), np.array([0, 1]), np.array([True, False]))
    assert intervals.interval(intervals.accuracy_draws(np.array([[True, True]]), pairs, 200, 0)[0]) is None


def test_people_by_name_or_by_genuine_pairs():
    frame = pd.DataFrame(
        {"a": ["a1", "b1", "c1", "c2", "a1"], "b": ["a2", "b2", "c2", "c3", "b1"], "same": [1, 1, 1, 1, 0]}
    )
    frame["same"] = frame["same"].astype(bool)
    pairs = intervals.people(frame, {"a1": "ann", "a2": "ann"})
    assert pairs.people == 3
    np.testing.assert_array_equal(pairs.a == pairs.b, frame["same"])
    assert pairs.a[2] == pairs.a[3] == pairs.b[3]
    assert pairs.a[4] == pairs.a[0]
    assert pairs.b[4] == pairs.a[1]


def test_compare_two_tables():
    rng = np.random.default_rng(0)
    scores, pairs = world(rng, people=40)
    table = pd.DataFrame({"benchmark": "test", "protocol": "front", "fold": np.arange(len(scores)) % 10})
    table["a"] = [f"{i}/{k}" for k, i in enumerate(pairs.a)]
    table["b"] = [f"{i}/{k}b" for k, i in enumerate(pairs.b)]
    table["same"], table["person_a"], table["person_b"] = pairs.same, pairs.a, pairs.b
    first = table.assign(correct=(scores > 0) == pairs.same)
    second = table.assign(correct=True).iloc[rng.permutation(len(table))].iloc[5:]
    (row,) = paired.compare(first, second, 200, 0)
    assert row["left_out"] == 5
    assert row["low"] > 0
    assert paired.compare(second, first, 20, 0)[0]["left_out"] == 5
    assert paired.compare(first.iloc[7:], first.iloc[:-3], 20, 0)[0]["left_out"] == 10
    twice = pd.concat([first, first.iloc[:4]])
    assert paired.compare(twice, twice, 20, 0)[0]["pairs"] == len(first) + 4
    kept = first.merge(second[paired.KEYS], on=paired.KEYS)
    assert row["difference"] == pytest.approx(1 - kept["correct"].mean())
    assert "tars" not in row
    first, second = first.assign(score=scores), first.assign(score=scores + 0.8 * pairs.same)
    (row,) = paired.compare(first, second.iloc[rng.permutation(len(second))], 200, 0, fars=[0.1, 1e-6])
    assert row["tars"][0] == intervals.paired_tar(scores, second["score"].to_numpy(), pairs, [0.1], 200, 0)[0]
    assert row["tars"][1]["difference"] is None


def test_large_lists_give_the_same_draws(monkeypatch):
    """Rates by people, and the TAR from the highest impostors alone, are those of every pair by itself."""
    scores, pairs = world(np.random.default_rng(7), people=50, images=40)
    correct = ((scores > 0) == pairs.same)[None]
    fars = [0.01, 0.1]
    exact = intervals.accuracy_draws(correct, pairs, 50, 1), intervals.tar_draws(scores, pairs, fars, 50, 1)
    monkeypatch.setattr(intervals, "LARGE", 1900)  # of 4,000 pairs
    for dense in (10, 1000):
        monkeypatch.setattr(intervals, "DENSE", dense)
        np.testing.assert_allclose(intervals.accuracy_draws(correct, pairs, 50, 1), exact[0], rtol=1e-6)
        np.testing.assert_allclose(intervals.tar_draws(scores, pairs, fars, 50, 1), exact[1], rtol=1e-6)


def test_thinned_ranks_come_close(monkeypatch):
    scores, pairs = world(np.random.default_rng(8), people=50, images=40)
    exact = intervals.tar_draws(scores, pairs, [0.3], 200, 1)
    monkeypatch.setattr(intervals, "LARGE", 500)
    thinned = intervals.tar_draws(scores, pairs, [0.3], 200, 1)
    assert np.isfinite(thinned).all()
    np.testing.assert_allclose(thinned.mean(1), exact.mean(1), atol=5e-3)
    assert 0.95 < thinned.std() / exact.std() < 1.3  # thinning adds its own noise: wider, not narrower


def test_a_draw_whose_threshold_is_not_among_the_highest_is_empty(monkeypatch):
    a = np.zeros(30_000, int)
    b = np.repeat([1, 2], 15_000)  # the highest half is all of person 1, whom every third draw leaves out
    same = np.arange(30_000) % 1000 == 0
    pairs = intervals.Pairs(a, np.where(same, a, b), same)
    scores = -np.arange(30_000.0)
    monkeypatch.setattr(intervals, "LARGE", 10_000)
    found = intervals.tar_draws(scores, pairs, [0.01], 300, 0)
    assert 0.3 < np.isnan(found).mean() < 0.95
    assert intervals.interval(found[0]) is None


def test_paired_tar():
    scores, pairs = world(np.random.default_rng(9), people=120)
    better = scores + 0.8 * pairs.same
    clear, none = intervals.paired_tar(scores, better, pairs, [0.1, 1e-6], 300, 0)
    curve = [curves.tar_at_far(curves.roc(values, pairs.same), 0.1)["tar"] for values in (scores, better)]
    assert clear["difference"] == pytest.approx(curve[1] - curve[0])
    assert 0 < clear["low"] <= clear["difference"] <= clear["high"]
    assert clear["p"] < 0.01
    assert (none["difference"], none["low"], none["p"]) == (None, None, None)
    assert "not measurable" in none["note"]
    (equal,) = intervals.paired_tar(scores, scores * 2, pairs, [0.1], 100, 0)
    assert (equal["difference"], equal["p"]) == (0, 1)
