"""Draws of searches and of all pairs against loops over the probes and pairs of each draw."""

import itertools

import numpy as np
import pytest

from pipeline.evaluate import (
    distractors,
    exhaustive,
    identify,
    intervals,
    reported,
    resampled,
    spread,
    templated,
    vectors,
)
from pipeline.evaluate.streaming import StreamingRoc
from pipeline.protocols import Asked

DRAWS = 40


def weights(people, seed=0):
    """name -> how often it is drawn, a dict a draw."""
    whole = np.concatenate(list(intervals.drawn(len(people.names), people.draws, seed, 7)))
    return [dict(zip(people.names, row.tolist(), strict=True)) for row in whole]


def open_world(seed, probes=60, people=12):
    """A gallery of half the people, one entry each; probes of all; scores rounded, so that some tie."""
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(people, 5))
    who = rng.permutation(np.append(np.arange(people), rng.integers(0, people, probes - people)))
    unit = vectors.normalise(mean[who] + rng.normal(size=(probes, 5)))
    gallery = vectors.normalise(mean[: people // 2] + 0.3 * rng.normal(size=(people // 2, 5)))
    names = np.array([f"p{k:02d}" for k in range(people)], object)
    found = identify.search(np.round(unit, 1), names[who], np.round(gallery, 1), names[: people // 2])
    return found, names[who]


def best(genuine, impostors, rate):
    """Largest weight of genuine (score, weight) at a threshold that lets at most `rate` of impostors pass."""
    total = sum(weight for _, weight in impostors)
    mine = sum(weight for _, weight in genuine)
    if not total or not mine:
        return np.nan
    answer = 0.0
    for threshold in [np.inf, *(score for score, _ in [*genuine, *impostors])]:
        if sum(w for s, w in impostors if s >= threshold) <= rate * total + 1e-9:
            answer = max(answer, sum(w for s, w in genuine if s >= threshold) / mine)
    return answer


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_draws_of_searches_are_what_loops_find(seed, monkeypatch):
    found, names = open_world(seed)
    people = resampled.People.of(names, DRAWS)
    person = people.number(names)
    monkeypatch.setattr(intervals, "CELLS", 700)  # several blocks of draws
    shares = resampled.cmc(found.rank, person, [1, 2, 50], people)
    rates = resampled.tpir(found, person, [0.5, 0.1, 0.01], 2, people)
    for draw, weight in enumerate(weights(people)):
        w = np.array([weight[name] for name in names])
        mated = w[found.mated].sum()
        for row, k in enumerate((1, 2, 50)):
            expected = w[found.mated & (found.rank <= k)].sum() / mated if mated else np.nan
            assert shares[row, draw] == pytest.approx(expected, nan_ok=True)
        genuine = [
            (found.mate[i] if found.rank[i] <= 2 else -np.inf, w[i]) for i in np.flatnonzero(found.mated)
        ]
        others = [(found.other[i], w[i]) for i in np.flatnonzero(~found.mated)]
        for row, fpir in enumerate((0.5, 0.1, 0.01)):
            accepted = [(score, weight) for score, weight in genuine if np.isfinite(score)]
            expected = best(accepted, others, fpir) * sum(x for _, x in accepted) / max(mated, 1)
            assert rates[row, draw] == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("region", [10**6, 200])
def test_draws_of_all_pairs_are_what_loops_find(region, monkeypatch):
    rng = np.random.default_rng(3)
    who = np.sort(rng.integers(0, 9, 30))
    names = np.array([f"p{k}" for k in who], object)
    unit = vectors.normalise(rng.normal(size=(9, 5))[who] + rng.normal(size=(30, 5)))
    people = resampled.People.of(names, DRAWS)
    state = StreamingRoc()
    exhaustive.all_pairs(unit, names, state)
    monkeypatch.setattr(intervals, "highest", lambda far, count: min(count, region))
    pairs = spread.compared(unit, names, state, 0.05, people, size=4 * 49)
    assert len(pairs.impostors) == min(region, state.impostors.count)
    rates = resampled.tar(pairs, [0.05], people)[0]
    checked = 0
    for draw, weight in enumerate(weights(people)):
        genuine, impostors = [], []
        for i, j in itertools.combinations(range(30), 2):
            a, b, score = weight[names[i]], weight[names[j]], float(unit[i] @ unit[j])
            (genuine if who[i] == who[j] else impostors).append((score, a if who[i] == who[j] else a * b))
        if region > 1000 or np.isfinite(rates[draw]):
            assert rates[draw] == pytest.approx(best(genuine, impostors, 0.05), abs=1e-6)
            checked += 1
    assert checked > 10


def test_mean_minus_standard_deviation_is_taken_in_each_draw():
    each = [np.array([[0.5, 0.6], [0.1, np.nan]]), np.array([[0.7, 0.6], [0.3, 0.2]])]
    found = resampled.mean_minus_std(each)
    assert found[0] == pytest.approx([0.6 - np.std([0.5, 0.7], ddof=1), 0.6])
    assert np.isnan(found[1, 1])


def test_the_same_people_are_drawn_the_same_whatever_their_order_and_the_model():
    people = resampled.People.of(np.array(["b", "a", "b"], object), 10)
    other = resampled.People.of(np.array(["a", "b"], object), 10)
    assert people.key == other.key
    assert people.key != resampled.People.of(np.array(["a", "c"], object), 10).key
    assert people.key != resampled.People.of(np.array(["a", "b"], object), 10, seed=1).key
    assert people.number(np.array(["b", "a"], object)).tolist() == [1, 0]
    with pytest.raises(KeyError, match="x is none"):
        people.number(np.array(["a", "x"], object))


def covered(seed):
    """Whether the interval of a world of hard and easy people holds the rank 1 of the law behind it."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 1, 80)  # rank 1 of each person
    person = np.repeat(np.arange(80), 5)
    rank = np.where(rng.random(400) < chance[person], 1, 2)
    people = resampled.People.of(np.array([f"{k:02d}" for k in person], object), 300)
    low, high = intervals.interval(resampled.cmc(rank, person, [1], people)[0])
    return low <= 2 / 3 <= high


def test_intervals_hold_the_truth_as_often_as_they_say():
    assert 0.88 <= np.mean([covered(seed) for seed in range(60)]) <= 0.99


def test_searches_tell_intervals_of_galleries_and_their_mean_and_a_curve():
    (one, names), (two, others) = open_world(5), open_world(6)
    asked = Asked([1, 2], [0.3, 0.001], bootstrap=200)
    each = {str(k): identify.measured(found, asked.ranks, asked.fpirs) for k, found in enumerate((one, two))}
    mean = identify.mean(list(each.values()), asked.ranks, asked.fpirs)
    before = {k: dict(numbers["cmc"]) for k, numbers in each.items()}
    curve, draws = reported.searches([(one, names), (two, others)], each, mean, asked, 0)
    assert {k: numbers["cmc"] for k, numbers in each.items()} == before  # numbers are as they were
    for numbers in (*each.values(), mean):
        assert numbers["cmc_low"][1] < numbers["cmc"][1] < numbers["cmc_high"][1]
        first, second = numbers["tpir"]
        assert first["low"] <= first["tpir"] <= first["high"]
        assert (second["tpir"], second["low"], second["high"]) == (None, None, None)
    assert draws["measure"].tolist() == ["rank 1", "rank 2", "TPIR at FPIR 0.3"]
    assert draws["value"].tolist() == pytest.approx([mean["cmc"][1], mean["cmc"][2], mean["tpir"][0]["tpir"]])
    assert {len(row) for row in draws["draws"]} == {200}
    assert curve["at"] == [1, 2, 3, 4, 5, 6]
    assert np.all(np.diff(curve["share"]) >= 0)
    assert curve["share"][0] == pytest.approx(mean["cmc"][1])
    assert all(a <= b <= c for a, b, c in zip(curve["low"], curve["share"], curve["high"], strict=True))
    none, empty = reported.searches([(one, names)], each, mean, Asked([1], [0.3]), 0)
    assert none["low"] == [None] * 6
    assert empty.empty


def test_distractors_have_intervals_at_every_number_of_them():
    people = np.array(["a", "b", "c"], object)
    ranks = {10: np.array([1, 1, 1, 2]), 100: np.array([1, 3, 2, 2])}
    found = {"cmc": {n: {k: float((r <= k).mean()) for k in (1, 2)} for n, r in ranks.items()}}
    found |= {"ranks": ranks, "probe": np.array([0, 0, 1, 2])}
    curve, draws = reported.distractors(found, people, [1, 2], 100, 0)
    assert found["rows"][1]["rank_1"] == 0.25
    assert found["rows"][1]["low"]["rank_1"] == 0
    assert draws["measure"].tolist()[-1] == "rank 2 among 100 distractors"
    assert (curve["at"], curve["share"]) == ([10, 100], [0.75, 0.25])


def probes_and_others(seed, probes=20, people=6, others=10):
    """Unit vectors of probes of p0 .. p5, the last of whom has a single one, and of `others`."""
    rng = np.random.default_rng(seed)
    who = np.append(rng.integers(0, people - 1, probes - 1), people - 1)
    mean = rng.normal(size=(people, 5))
    unit = vectors.normalise(mean[who] + 0.7 * rng.normal(size=(probes, 5)))
    return unit, np.array([f"p{k}" for k in who], object), rng.normal(size=(others, 5)).astype(np.float32)


def ends_by_loops(genuine, impostors, rate, people):
    """95 % of the draws of the largest TAR, (score, name of the probe) of each pair; and those draws."""
    drawn = [
        best([(s, w[name]) for s, name in genuine], [(s, w[name]) for s, name in impostors], rate)
        for w in weights(people)
    ]
    return np.nanquantile(drawn, [0.025, 0.975]), drawn


@pytest.mark.parametrize("region", [10**6, 100])
def test_tars_among_distractors_are_drawn_as_loops_draw_them(region, monkeypatch):
    """Genuine pairs weigh as often as their person is drawn, impostor pairs as that of their probe."""
    unit, names, others = probes_and_others(7)
    people = resampled.People.of(names, DRAWS)
    monkeypatch.setattr(intervals, "highest", lambda far, count: min(count, region))
    fars = [0.1, 1e-2, 1e-5]
    kept = templated._kept(fars, len(unit) * len(others))
    found = distractors.megaface(unit, names, np.split(others, 5), [len(others)], [1], fars, kept)
    _, draws = reported.distractors(found, names, [1], DRAWS, 0)
    rest = vectors.normalise(others)
    genuine = [(unit[i] @ unit[j], names[i]) for i, j in couples(names)]
    impostors = [(unit[i] @ other, names[i]) for i in range(len(unit)) for other in rest]
    for row, far in zip(found["tar_at_far"], fars[:2], strict=False):
        (low, high), drawn = ends_by_loops(genuine, impostors, far, people)
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-6)
        (told,) = draws[draws["measure"] == f"TAR at FAR {far:g} among 10 distractors"].to_dict("records")
        assert told["draws"] == pytest.approx(drawn, abs=1e-6)
        assert (told["people"], told["value"]) == (6, row["tar"])
    assert (found["tar_at_far"][2]["tar"], found["tar_at_far"][2]["low"]) == (None, None)
    measures = ["rank 1", "TAR at FAR 0.1", "TAR at FAR 0.01"]
    assert draws["measure"].tolist() == [f"{name} among 10 distractors" for name in measures]


def couples(names):
    return [(i, j) for i, j in itertools.combinations(range(len(names)), 2) if names[i] == names[j]]


def test_tars_in_a_gallery_are_drawn_as_loops_draw_them(monkeypatch):
    unit, names, _ = probes_and_others(8, probes=40)
    gallery, of = unit[:12], names[:12]
    probes, who = unit[12:], names[12:]
    people = resampled.People.of(who, DRAWS)
    monkeypatch.setattr(templated, "BYTES", 4 * 12 * 5)  # five probes at a time
    rows, draws = templated.tar_at_far(
        probes, who, gallery, of, Asked([1], [], fars=[0.2, 1e-4], bootstrap=DRAWS)
    )
    pairs = [(probes[i] @ gallery[j], who[i], who[i] == of[j]) for i in range(28) for j in range(12)]
    genuine, impostors = ([(s, name) for s, name, same in pairs if same == kind] for kind in (True, False))
    (low, high), drawn = ends_by_loops(genuine, impostors, 0.2, people)
    assert (rows[0]["low"], rows[0]["high"]) == pytest.approx((low, high), abs=1e-6)
    assert rows[0]["tar"] == pytest.approx(
        best([(s, 1) for s, _ in genuine], [(s, 1) for s, _ in impostors], 0.2)
    )
    assert rows[1]["low"] is None
    assert draws["measure"].tolist() == ["TAR at FAR 0.2 in the gallery"]
    assert draws["draws"][0] == pytest.approx(drawn, abs=1e-6)
    alone, none = templated.tar_at_far(probes, who, gallery, of, Asked([1], [], fars=[0.2]))
    assert "low" not in alone[0]
    assert none.empty


def test_rates_of_too_many_impostors_have_no_interval(monkeypatch):
    monkeypatch.setattr(resampled, "MOST", 1200)
    unit, names, others = probes_and_others(9, probes=60, others=100)
    fars = [0.5, 1e-3]  # 13,000 and 1,024 of 6,000 impostors would be looked at
    kept = templated._kept(fars, 6000)
    assert kept == 1024
    found = distractors.megaface(unit, names, [others], [100], [1], fars, kept)
    alone = distractors.megaface(unit, names, [others], [100], [1], fars)
    assert found["tar_at_far"] == alone["tar_at_far"], "what is kept for draws changes no rate"
    reported.distractors(found, names, [1], DRAWS, 0)
    first, second = found["tar_at_far"]
    assert (first["low"], first["tar"] is None) == (None, False)
    assert second["low"] <= second["tar"] <= second["high"]
