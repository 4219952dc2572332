"""Intervals of mean minus standard deviation over splits, against loops over the pairs of every draw."""

import itertools

import numpy as np
import pytest

from pipeline.evaluate import exhaustive, intervals, paired, resampled, spread, vectors
from pipeline.evaluate.exhaustive import Split
from pipeline.evaluate.streaming import StreamingRoc

FARS, FPIRS, RANK, DRAWS = [0.1, 0.02], [0.3], 2, 25


def world(seed, count=90, people=14):
    """Faces, names, and three splits: test faces; a gallery of half of their people; probes of all."""
    rng = np.random.default_rng(seed)
    who = np.sort(rng.integers(0, people, count))
    unit = vectors.normalise(1.2 * rng.normal(size=(people, 6))[who] + rng.normal(size=(count, 6)))
    splits = []
    for _ in range(3):
        test = np.sort(rng.permutation(count)[: 2 * count // 3])
        first = {int(who[row]): row for row in test[::-1]}
        known = rng.permutation(sorted(first))[: len(first) // 2]
        gallery = np.array([first[person] for person in known])
        splits.append(Split(test, gallery, np.setdiff1d(test, gallery)))
    return unit, np.array([f"p{k:02d}" for k in who], object), splits


def best(genuine, impostors, rate):
    """Largest share of genuine (score, weight) at a threshold that at most `rate` of impostors reach."""
    (score, weight), (other, against) = np.array(genuine).T, np.array(impostors).T
    if not weight.sum() or not against.sum():
        return np.nan
    allowed = rate * against.sum() + 1e-9
    thresholds = [t for t in score if np.isfinite(t) and against[other >= t].sum() <= allowed]
    return max((weight[score >= t].sum() / weight.sum() for t in thresholds), default=0.0)


def slow_tar(unit, names, split, weight, far):
    kinds = [], []
    for i, j in itertools.combinations(split.test, 2):
        a, b, score = weight[names[i]], weight[names[j]], float(unit[i] @ unit[j])
        same = names[i] == names[j]
        kinds[not same].append((score, a if same else a * b))
    return best(*kinds, far)


def slow_tpir(unit, names, split, weight, fpir):
    mated, strangers = [], []
    for row in split.probes:
        scores = {names[other]: float(unit[row] @ unit[other]) for other in split.gallery}
        mate = scores.get(names[row])
        if mate is None:
            strangers.append((max(scores.values()), weight[names[row]]))
        else:
            rank = 1 + sum(score > mate for score in scores.values())
            mated.append((mate if rank <= RANK else -np.inf, weight[names[row]]))
    return best(mated, strangers, fpir)


def measured(seed, draws=DRAWS):
    unit, names, splits = world(seed)
    return exhaustive.blufr(unit, names, splits, FARS, FPIRS, RANK, draws=draws, seed=4)


@pytest.mark.parametrize("seed", [0, 1])
def test_against_loops_over_every_draw(seed):
    unit, names, splits = world(seed)
    found = measured(seed)
    who = np.unique(names[np.concatenate([split.test for split in splits])])
    rng, rows = np.random.default_rng(4), []
    for drawn in rng.multinomial(len(who), np.full(len(who), 1 / len(who)), size=DRAWS):
        weight = dict(zip(who, drawn.tolist(), strict=True))
        each = [[slow_tar(unit, names, split, weight, far) for far in FARS] for split in splits]
        for row, split in zip(each, splits, strict=True):
            row += [slow_tpir(unit, names, split, weight, fpir) for fpir in FPIRS]
        rows.append(np.mean(each, 0) - np.std(each, 0, ddof=1))
    rates = [*found["tar_at_far"], *found["tpir_at_fpir"]]
    assert len(found["draws"]) == len(rates) == 3
    for rate, sampled, stored in zip(rates, np.transpose(rows), found["draws"]["draws"], strict=True):
        expected = sampled + rate["mean_minus_std"] - np.nanmean(sampled)
        np.testing.assert_allclose(stored, expected, atol=1e-6)
        ends = np.nanquantile(expected, [0.025, 0.975])
        assert (rate["low"], rate["high"]) == pytest.approx((ends[0], min(ends[1], 1.0)), abs=1e-6)


def test_what_is_told():
    found = measured(0)
    told = found["draws"]["measure"].tolist()
    assert told == [
        f"{name}, mean - std" for name in ("TAR at FAR 0.1", "TAR at FAR 0.02", "TPIR2 at FPIR 0.3")
    ]
    assert all(0 <= rate["low"] < rate["high"] <= 1 for rate in found["tar_at_far"])
    values = [rate["mean_minus_std"] for rate in (*found["tar_at_far"], *found["tpir_at_fpir"])]
    assert found["draws"]["value"].tolist() == values
    without = measured(0, draws=0)
    assert without["draws"].empty
    assert "low" not in without["tar_at_far"][0]
    assert [rate["mean_minus_std"] for rate in without["tar_at_far"]] == values[:2]


def test_a_far_that_too_many_pairs_stand_for_has_no_interval(monkeypatch):
    assert resampled.reach([0.5, 1e-4], 10**7) == [1e-4]
    monkeypatch.setattr(resampled, "MOST", 1100)
    found = measured(0)
    for rate in found["tar_at_far"]:
        assert (rate["low"], rate["high"]) == (None, None)
        assert rate["mean_minus_std"] is not None
    assert found["tpir_at_fpir"][0]["low"] is not None


def test_what_a_split_can_not_tell_has_no_interval():
    unit, names, splits = world(0)
    found = exhaustive.blufr(unit, names, splits, FARS, [1e-3], RANK, draws=DRAWS)
    (rate,) = found["tpir_at_fpir"]
    assert (rate["mean_minus_std"], rate["low"], rate["high"]) == (None, None, None)
    assert len(found["draws"]) == 2


def hard_and_easy(seed, people=60, splits=10):
    """Ranks of four probes a person, and whose are sought in each split: a sixth of them, always the same."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(99)
    person = np.repeat(np.arange(people), 4)
    rank = np.where(rng.random(len(person)) < rng.beta(2, 1, people)[person], 1, 2)
    return rank, person, [np.isin(person, fixed.permutation(people)[: people // 6]) for _ in range(splits)]


def point(rank, parts):
    shares = [(rank[part] == 1).mean() for part in parts]
    return np.mean(shares) - np.std(shares, ddof=1)


def test_intervals_hold_what_is_measured_on_average_as_often_as_they_say():
    """Draws that are not centred lie too low: nearly all that they miss lies above them."""
    truth = np.mean([point(rank, parts) for rank, _, parts in map(hard_and_easy, range(5000, 6500))])
    sides = {"centred": np.zeros(2), "as drawn": np.zeros(2)}
    for seed in range(200):
        rank, person, parts = hard_and_easy(seed)
        people = resampled.People.of(np.array([f"{k:02d}" for k in person], object), 150)
        each = [resampled.cmc(rank[part], person[part], [1], people) for part in parts]
        drawn = resampled.mean_minus_std(each)[0]
        moved = resampled.centred(drawn, point(rank, parts))
        for name, sampled in (("as drawn", drawn), ("centred", moved)):
            low, high = intervals.interval(sampled)
            sides[name] += truth < low, truth > high
    below, above = sides["centred"] / 200
    assert 0.03 <= below + above <= 0.1
    assert abs(below - above) < 0.03
    below, above = sides["as drawn"] / 200
    assert above > below + 0.04


def test_centred_draws_have_the_mean_that_was_measured():
    sampled = np.array([0.2, np.nan, 0.4])
    np.testing.assert_allclose(resampled.centred(sampled, 0.5), [0.4, np.nan, 0.6])
    assert np.isnan(resampled.centred(np.full(3, np.nan), 0.5)).all()


def test_differences_of_two_models_are_centred_too():
    first = measured(0)
    unit, names, splits = world(0)
    noise = np.random.default_rng(1).normal(size=unit.shape)
    other = vectors.normalise(unit + 0.2 * noise)
    second = exhaustive.blufr(other, names, splits, FARS, FPIRS, RANK, draws=DRAWS, seed=4)
    tables = [found["draws"].assign(benchmark="b") for found in (first, second)]
    rows = paired.drawn([tuple(tables)])
    for one, two, row in zip(*(table.to_dict("records") for table in tables), rows, strict=True):
        difference = np.subtract(two["draws"], one["draws"])
        assert row["difference"] == pytest.approx(difference.mean())
        assert row["low"] <= row["difference"] <= row["high"]


def test_the_pairs_that_matter_are_those_of_the_highest_scores():
    unit, names, _ = world(2)
    state = StreamingRoc()
    exhaustive.all_pairs(unit, names, state)
    people = resampled.People.of(names, 5)
    pairs = spread.compared(unit, names, state, 0.02, people, size=4 * 49)
    kinds = [], []
    for i, j in itertools.combinations(range(len(unit)), 2):
        kinds[names[i] != names[j]].append(float(unit[i] @ unit[j]))
    genuine, impostors = (sorted(scores, reverse=True) for scores in kinds)
    kept = intervals.highest(0.02, len(impostors))
    assert kept == 1000 + int(0.08 * len(impostors)) < len(impostors)
    assert not pairs.whole
    np.testing.assert_allclose(np.sort(pairs.impostors)[::-1], impostors[:kept], atol=1e-6)
    np.testing.assert_allclose(np.sort(pairs.genuine)[::-1], genuine, atol=1e-6)
    assert pairs.faces.tolist() == [int((names == name).sum()) for name in sorted(set(names))]
