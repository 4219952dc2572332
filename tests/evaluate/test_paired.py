"""The mean over a benchmark's lists, against draws that are made pair by pair."""

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import paired


def tables(seed=0, people=30):
    """Two models on two lists of the same people; the second list knows some of them only."""
    rng = np.random.default_rng(seed)
    parts = []
    for name, known in (("front", people), ("wild", people // 2)):
        a = rng.integers(0, known, 300)
        b = np.where(np.arange(300) % 2, a, (a + rng.integers(1, known, 300)) % known)
        part = pd.DataFrame({"benchmark": "test", "protocol": name, "fold": 0, "same": a == b})
        part["a"], part["b"] = [f"{i}/{k}" for k, i in enumerate(a)], [f"{i}/{k}b" for k, i in enumerate(b)]
        part["person_a"], part["person_b"] = a, b
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    return [table.assign(correct=rng.random(len(table)) < share) for share in (0.7, 0.8)]


def test_against_draws_made_one_by_one():
    first, second = tables()
    (row,) = paired.means(first, second, 200, 3)
    codes, people = pd.factorize(pd.concat([first["person_a"], first["person_b"]], ignore_index=True))
    a, b = codes[: len(first)], codes[len(first) :]
    rng, found = np.random.default_rng(3), []
    for _ in range(200):
        drawn = rng.multinomial(len(people), np.full(len(people), 1 / len(people)))
        weight = np.where(first["same"], drawn[a], drawn[a] * drawn[b])
        lists = []
        for name in ("front", "wild"):
            gain = 0.0
            for same in (True, False):
                rows = ((first["protocol"] == name) & (first["same"] == same)).to_numpy()
                share = rows.sum() / (first["protocol"] == name).sum()
                gap = second["correct"].to_numpy(float) - first["correct"].to_numpy(float)
                gain += share * (weight[rows] * gap[rows]).sum() / weight[rows].sum()
            lists.append(gain)
        found.append(np.mean(lists))
    assert (row["low"], row["high"]) == pytest.approx(np.quantile(found, [0.025, 0.975]))
    gap = second["correct"].astype(float) - first["correct"].astype(float)
    per_list = gap.groupby(first["protocol"]).mean()
    assert row["difference"] == pytest.approx(np.mean(per_list))
    assert (row["protocol"], row["pairs"], row["people"]) == ("mean of 2 lists", 600, 30)


def test_one_list_has_no_mean():
    first, second = (table[table["protocol"] == "front"] for table in tables())
    assert paired.means(first, second, 20, 0) == []


def test_a_list_twice_tells_no_more_than_once():
    """Copies of one list: the interval of their mean is that of the one, not a narrower one."""
    first, second = (table[table["protocol"] == "front"] for table in tables())
    twice = [pd.concat([table, table.assign(protocol="again")]) for table in (first, second)]
    (row,) = paired.means(*twice, 300, 0)
    alone = paired.compare(first, second, 300, 0)[0]
    assert (row["low"], row["high"]) == pytest.approx((alone["low"], alone["high"]))


def draws(seed, value, key="k", measure="rank 1", supported=True):
    sampled = np.random.default_rng(seed).normal(value, 0.01, 400)
    row = {"benchmark": "ijb", "protocol": "g", "measure": measure, "value": value, "supported": supported}
    return {**row, "people": 50, "key": key, "draws": sampled.tolist()}


def test_searches_are_compared_draw_by_draw():
    first = pd.DataFrame([draws(1, 0.5), draws(2, 0.4, measure="rank 5", supported=False)])
    second = pd.DataFrame([draws(1, 0.6), draws(3, 0.4, measure="rank 5")])
    clear, noise = paired.drawn([(first, second)])
    assert clear["difference"] == pytest.approx(0.1)
    assert (clear["low"], clear["high"]) == pytest.approx((0.1, 0.1))  # the same noise in both models
    assert (clear["measure"], clear["people"], clear["supported"]) == ("rank 1", 50, True)
    assert noise["low"] < 0 < noise["high"]
    assert not noise["supported"]


def test_draws_of_other_people_are_not_paired():
    first, second = pd.DataFrame([draws(1, 0.5)]), pd.DataFrame([draws(1, 0.6, key="others")])
    assert paired.drawn([(first, second)]) == []
    assert paired.drawn([(first, first.iloc[:0])]) == []
    assert paired.drawn([]) == []


def test_over_worlds_the_mean_is_told_and_noise_averages_out():
    worlds = []
    for seed in range(4):
        noise = np.random.default_rng(0).normal(
            0, 0.02, 400
        )  # worlds of as many people draw the same weights
        first, second = (pd.DataFrame([draws(seed, value)]) for value in (0.5, 0.6 + 0.01 * seed))
        second.at[0, "draws"] = (np.asarray(first["draws"][0]) + 0.1 + noise).tolist()
        worlds.append((first, second))
    (row,) = paired.drawn(worlds)
    assert row["difference"] == pytest.approx(0.115)
    assert row["people"] == 200
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * 0.02 / 2, rel=0.15)
    assert paired.drawn([*worlds, (worlds[0][0], worlds[0][1].iloc[:0])]) == []  # one world lacks the number


def test_numbers_of_differing_draws_keep_theirs():
    """Protocols of one evaluation may draw more or less often, in whatever order they come."""
    few = draws(2, 0.4, measure="rank 5")
    few["draws"] = few["draws"][:100]
    for order in ((draws(1, 0.5), few), (few, draws(1, 0.5))):
        first = pd.DataFrame(order)
        second = first.assign(draws=[[x + 0.1 * k for k, x in enumerate(row)] for row in first["draws"]])
        found = {row["measure"]: row for row in paired.drawn([(first, second)] * 2)}
        whole, less = found["rank 1"], found["rank 5"]
        assert whole["high"] == pytest.approx(0.1 * 399, rel=0.2)  # of the last of 400 draws
        assert less["high"] == pytest.approx(0.1 * 99, rel=0.2)


def test_rows_with_differing_draws_have_no_mean():
    one, other = pd.DataFrame([draws(1, 0.5)]), pd.DataFrame([draws(1, 0.5)])
    other.at[0, "draws"] = other["draws"][0][:100]
    with pytest.raises(paired.DrawsError, match=r"ijb g rank 1: 400 and 100 draws: .* the same `bootstrap`"):
        paired.drawn([(one, one), (other, other)])


def test_draws_are_read_of_every_protocol_that_has_them(tmp_path):
    assert paired.read_draws(tmp_path).empty
    pd.DataFrame([draws(1, 0.5)]).to_parquet(tmp_path / "search_draws.parquet")
    pd.DataFrame([draws(1, 0.5)]).iloc[:0].to_parquet(tmp_path / "split_draws.parquet")
    pd.DataFrame([draws(1, 0.7)]).to_parquet(tmp_path / "template_draws.parquet")
    assert paired.read_draws(tmp_path)["value"].tolist() == [0.7, 0.5]
