"""The fairness protocol against loops over pairs; what it says where there is nothing to compare."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import records, sharpness
from pipeline.evaluate.bench import ModelBench
from pipeline.protocols import fairness

PEOPLE, EACH, D = 40, 4, 8


class World:
    """People of two genders and three races, one of them of unknown race; two lists that share a pair."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.people = np.repeat(np.arange(PEOPLE), EACH)
        mean = rng.normal(size=(PEOPLE, D))
        plain = mean[self.people] + 0.9 * rng.normal(size=(PEOPLE * EACH, D))
        self.embeddings = np.stack([plain, plain + 0.1 * rng.normal(size=plain.shape)], 1).astype(np.float32)
        self.faces = [f"p{person}/{k}" for person in range(PEOPLE) for k in range(EACH)]
        race = rng.integers(0, 3, PEOPLE)
        race[0] = -1
        self.described = pd.DataFrame(
            {
                "sample_id": self.faces,
                "gender": (np.arange(PEOPLE) % 2)[self.people].astype(np.int8),
                "race": race[self.people].astype(np.int8),
                "yaw_degrees": rng.uniform(-90, 90, len(self.faces)).astype(np.float32),
            }
        )
        other = np.random.default_rng(seed + 100)
        self.age = other.uniform(5, 70, len(self.faces))
        self.age[::9] = np.nan
        self.pictures = [
            (other.normal(size=(8, 8, 3)) * sigma + 128).clip(0, 255).astype(np.uint8)
            for sigma in other.uniform(1, 30, len(self.faces))
        ]
        a, b = rng.integers(0, len(self.faces), (2, 3000))
        own = rng.integers(0, len(self.faces), 400)
        a, b = np.append(a, own), np.append(b, own // EACH * EACH + (own + 1) % EACH)
        keep = a != b
        rows = pd.DataFrame({"a": a[keep], "b": b[keep]})
        rows["same"] = self.people[rows["a"]] == self.people[rows["b"]]
        for side in ("a", "b"):
            rows[side] = [self.faces[place] for place in rows[side]]
        swapped = rows.iloc[:50].rename(columns={"a": "b", "b": "a"})
        self.rows = pd.concat([rows.assign(protocol="one"), swapped.assign(protocol="two")])

    def pairs(self):
        return self.rows.assign(fold=0).reset_index(drop=True)

    def frame(self, columns):
        whole = {"sample_id": self.faces, "identity": [face.split("/")[0] for face in self.faces]}
        return pd.DataFrame({**whole, "age": self.age})[columns]


def bench(world, folder):
    described = {}
    if world.described is not None:
        table = pa.Table.from_pandas(world.described, preserve_index=False)
        records.write_parquet(folder / "annotations.parquet", table.replace_schema_metadata())
        described = {"one": folder}
    made = ModelBench(None, {}, None, None, described)
    made.__dict__["datasets"] = {"one": world}
    made._embeddings = {"one": world.embeddings}
    made._sharpness = {"one": np.array([sharpness.variance(picture) for picture in world.pictures])}
    return made


def outcome(world, folder, **params):
    params = {"attributes": ["gender", "race"], "far": 0.05, "bootstrap": 50, **params}
    result = fairness.build(fairness.Params(**params)).evaluate(bench(world, folder))
    json.dumps(result.metrics, allow_nan=False)
    return result, result.metrics["benchmarks"]["one"]


def scored(world):
    """(score, same, a's row, b's row) of every pair once, by a loop."""
    place, seen, found = {face: row for row, face in enumerate(world.faces)}, set(), []
    unit = world.embeddings.astype(np.float64)
    unit = unit / np.linalg.norm(unit, axis=-1, keepdims=True)
    for a, b, same in world.rows[["a", "b", "same"]].itertuples(index=False):
        if frozenset((a, b)) in seen:
            continue
        seen.add(frozenset((a, b)))
        i, j = place[a], place[b]
        found.append(((unit[i] * unit[j]).sum() / 2, same, i, j))
    return found


@pytest.mark.parametrize("attribute", ["gender", "race"])
def test_rates_are_what_loops_find(tmp_path, attribute):
    world = World()
    result, numbers = outcome(world, tmp_path)
    pairs, code = scored(world), world.described[attribute].to_numpy()
    assert numbers["pairs"] == len(pairs)
    t = numbers["threshold"]
    passed = np.mean([score >= t - 1e-9 for score, same, _, _ in pairs if not same])
    assert 0.045 < passed <= 0.05
    cohorts = numbers["attributes"][attribute]["cohorts"]
    assert set(cohorts) == {str(c) for c in set(code.tolist()) - {-1}} | {"all"}
    for name, row in cohorts.items():
        if name == "all":
            continue
        mine = [(s >= t - 1e-7, same) for s, same, i, j in pairs if code[i] == code[j] == int(name)]
        wrong = [passed for passed, same in mine if not same]
        missed = [not passed for passed, same in mine if same]
        assert (row["impostors"], row["genuine"]) == (len(wrong), len(missed))
        assert row["fmr"] == pytest.approx(np.mean(wrong))
        assert row["fnmr"] == pytest.approx(np.mean(missed))
        assert row["fmr_low"] <= row["fmr"] <= row["fmr_high"]
    rates = {name: row["fmr"] for name, row in cohorts.items() if name != "all"}
    apart = numbers["attributes"][attribute]["fmr"]
    assert apart["worst"] == max(rates, key=rates.get)
    assert apart["ratio"] == pytest.approx(max(rates.values()) / min(rates.values()))
    crossed = result.tables["cross_matches"].query("attribute == @attribute and first < second")
    for _, row in crossed.iterrows():
        both = {row["first"], row["second"]}
        mine = [s >= t - 1e-7 for s, same, i, j in pairs if not same and {code[i], code[j]} == both]
        assert row["impostors"] == len(mine)
        assert row["fmr"] == pytest.approx(np.mean(mine))


def test_yaw_apart(tmp_path):
    world = World()
    _, numbers = outcome(world, tmp_path, yaw_edges=[90, 0, 180])
    yaw = world.described["yaw_degrees"].to_numpy()
    near = [same for _, same, i, j in scored(world) if abs(yaw[i] - yaw[j]) < 90]
    assert list(numbers["yaw_apart"]) == ["0..90", "90..180"]
    assert numbers["yaw_apart"]["0..90"]["genuine"] == sum(near)


def test_age_gap_and_sharpness(tmp_path):
    world = World()
    _, numbers = outcome(world, tmp_path, age_edges=[0, 10, 65])
    gaps = [(abs(world.age[i] - world.age[j]), same) for _, same, i, j in scored(world)]
    assert list(numbers["age_gap"]) == ["0..10", "10..65", "unknown"]
    assert numbers["age_gap"]["0..10"]["genuine"] == sum(same for gap, same in gaps if gap < 10)
    assert numbers["age_gap"]["unknown"]["genuine"] == sum(same for gap, same in gaps if np.isnan(gap))
    sharp = [sharpness.variance(picture) for picture in world.pictures]
    bins = numbers["sharpness"]
    assert len(bins) == 5
    for name, row in bins.items():
        low, high = map(float, name.split(".."))
        inside = [low <= min(sharp[i], sharp[j]) < high for _, _, i, j in scored(world)]
        assert row["genuine"] + row["impostors"] == pytest.approx(sum(inside), abs=1)
        assert 0.15 < sum(inside) / len(inside) < 0.25
    world.age[:] = np.nan
    world.pictures = [np.zeros((8, 8, 3), np.uint8)] * len(world.faces)
    _, numbers = outcome(world, tmp_path)
    assert "age_gap" not in numbers
    assert "sharpness" not in numbers  # all alike: one bin would say nothing


def test_what_can_not_be_told_is_said(tmp_path):
    world = World()
    _, numbers = outcome(world, tmp_path, far=1e-5)
    assert "impostor pairs can't tell" in numbers["note"]
    world.described = None
    _, numbers = outcome(world, tmp_path)
    assert numbers == {"note": fairness.UNDESCRIBED}
    world.rows = world.rows[:0]
    result, numbers = outcome(world, tmp_path)
    assert numbers == {"note": fairness.NO_PAIRS}
    assert not result.tables


def test_an_attribute_that_nobody_knows_has_no_cohort(tmp_path):
    """As of photographs that only their pose is known of."""
    world = World()
    world.described = world.described.assign(race=np.int8(-1), yaw_degrees=np.float32(np.nan))
    result, numbers = outcome(world, tmp_path)
    race = numbers["attributes"]["race"]
    assert list(race["cohorts"]) == ["all"]
    assert race["fmr"] is None
    assert set(result.tables["cross_matches"]["attribute"]) == {"gender"}
    assert numbers["yaw_apart"]["unknown"]["impostors"] == race["cohorts"]["all"]["impostors"]
