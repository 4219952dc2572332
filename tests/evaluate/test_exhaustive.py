"""All pairs and BLUFR against a loop over the pairs."""

import itertools

import numpy as np
import pytest

from pipeline.evaluate import curves, exhaustive, identify, vectors
from pipeline.evaluate.streaming import StreamingRoc


def faces(seed, count=60, people=12):
    rng = np.random.default_rng(seed)
    who = rng.integers(0, people, count)
    return vectors.normalise(rng.normal(size=(people, 8))[who] + rng.normal(size=(count, 8))), who


@pytest.mark.parametrize("size", [4, 4 * 7**2, 10**6])
def test_every_pair_once(size):
    unit, who = faces(0)
    state = StreamingRoc()
    exhaustive.all_pairs(unit, np.array([f"p{k}" for k in who]), state, size)
    for kind, counted in ((True, state.genuine), (False, state.impostors)):
        expected = [
            float(unit[i] @ unit[j])
            for i, j in itertools.combinations(range(60), 2)
            if bool(who[i] == who[j]) == kind
        ]
        np.testing.assert_allclose(counted.highest.values, sorted(expected), atol=1e-6)
    with pytest.raises(ValueError, match="row 2 has no identity"):
        exhaustive.all_pairs(unit[:3], np.array(["a", "a", None], object), state)


def test_splits_and_their_spread():
    unit, who = faces(1, 200, 20)
    rng = np.random.default_rng(0)
    splits = []
    for _ in range(4):
        test = rng.permutation(200)[:120]
        known = [row for row in test if who[row] < 10]
        gallery = np.array([next(row for row in known if who[row] == k) for k in np.unique(who[known])])
        splits.append(exhaustive.Split(test, gallery, np.setdiff1d(test, gallery)))
    answer = exhaustive.blufr(unit, who, splits, [0.05, 1e-6], [0.2])
    tars, tpirs = [], []
    for split in splits:
        i, j = np.triu_indices(len(split.test), 1)
        rows = unit[split.test]
        curve = curves.roc((rows @ rows.T)[i, j], who[split.test][i] == who[split.test][j])
        tars.append(curves.tar_at_far(curve, 0.05)["tar"])
        found = identify.search(
            unit[split.probes], who[split.probes], unit[split.gallery], who[split.gallery]
        )
        tpirs.append(identify.tpir_at_fpir(identify.open_set(found), 0.2)["tpir"])
    row = answer["tar_at_far"][0]
    assert row["mean_minus_std"] == pytest.approx(np.mean(tars) - np.std(tars, ddof=1), abs=2e-3)
    assert answer["tar_at_far"][1]["mean"] is None
    assert answer["tpir_at_fpir"][0]["mean"] == pytest.approx(np.mean(tpirs))
    assert answer["splits"][0]["tar_at_far"][0]["exact"]
    assert np.all(np.diff(answer["curve"]["far"]) > 0)
    assert (answer["curve"]["far"][0], answer["curve"]["far"][-1]) == (0, pytest.approx(1))
    fused = np.interp(0.05, answer["curve"]["far"], answer["curve"]["tar"])
    assert fused == pytest.approx(row["mean_minus_std"], abs=0.03)
    assert answer["curve"]["tar"][-1] == pytest.approx(1)
    with pytest.raises(ValueError, match="two or more"):
        exhaustive.blufr(unit, who, splits[:1], [0.05])
