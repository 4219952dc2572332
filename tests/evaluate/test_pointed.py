"""Landmark errors of a benchmark against loops over faces and draws; which faces and points count."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline import files, geometry, model, records
from pipeline.evaluate import intervals, landmarks, pointed
from pipeline.landmarks import LandmarkNet
from tests.stages.fakes import here

EDGES, LIMITS = [0, 30, 90], [0.08, 0.1]


def errors(seed=0, n=60, people=9):
    rng = np.random.default_rng(seed)
    people = np.array([f"p{k}" for k in rng.integers(0, people, n)], object)
    return rng.exponential(0.08, n), people, rng.uniform(-89, 89, n)


def slow(e, weight):
    """NME, then AUC and failures of each limit, of faces that count so often."""
    total = weight.sum()
    if not total:
        return [np.nan] * 5
    found = [(weight * e).sum() / total]
    for limit in LIMITS:
        grid = (np.arange(4000) + 0.5) / 4000 * limit
        ced = weight @ (e[:, None] <= grid) / total
        found += [np.mean(ced), (weight * (e > limit)).sum() / total]
    return found


NAMES = ["nme", "auc_8_percent", "failures_8_percent", "auc_10_percent", "failures_10_percent"]


def test_numbers_and_intervals_are_what_loops_find():
    e, people, yaw = errors()
    draws = 100
    found = pointed.measured(e, people, yaw, LIMITS, EDGES, draws)
    names = sorted(set(people))
    weights = np.concatenate(list(intervals.drawn(len(names), draws, pointed.SEED, 7)))
    number = np.array([names.index(one) for one in people])
    turned = {"0..30": np.abs(yaw) < 30, "30..90": np.abs(yaw) >= 30}
    for told, mask in ((found, np.ones(60, bool)), *((found["by_yaw"][k], m) for k, m in turned.items())):
        assert (told["faces"], told["people"]) == (mask.sum(), len(set(people[mask])))
        sampled = np.array([slow(e[mask], w[number[mask]]) for w in weights])
        for name, value, drawn in zip(NAMES, slow(e[mask], np.ones(mask.sum())), sampled.T, strict=True):
            assert told[name]["value"] == pytest.approx(value, abs=1e-3)
            low, high = np.nanquantile(drawn, [0.025, 0.975])
            assert (told[name]["low"], told[name]["high"]) == pytest.approx((low, high), abs=2e-3)
    assert list(found["by_yaw"]) == list(turned)
    json.dumps(found, allow_nan=False)


def test_order_changes_nothing_and_whose_a_face_is_does():
    e, people, yaw = errors(1)
    found = pointed.measured(e, people, yaw, LIMITS, EDGES, 50)
    order = np.random.default_rng(0).permutation(60)
    other = pointed.measured(e[order], people[order], yaw[order], LIMITS, EDGES, 50)
    for name in NAMES:
        assert other[name] == pytest.approx(found[name])
    alone = pointed.measured(e, np.array([str(k) for k in range(60)], object), yaw, LIMITS, EDGES, 50)
    assert alone["nme"]["value"] == found["nme"]["value"]
    few = [one["nme"]["high"] - one["nme"]["low"] for one in (alone, found)]
    assert few[0] != pytest.approx(few[1])


def test_faces_without_an_error_or_a_yaw():
    e, people, yaw = errors(2)
    e[:5], yaw[5:8], yaw[8] = np.nan, np.nan, 120.0
    found = pointed.measured(e, people, yaw, LIMITS, [0, 10, 11, 90])
    assert (found["left_out"], found["faces"]) == (5, 55)
    assert found["nme"] == {"value": pytest.approx(np.nanmean(e)), "low": None, "high": None}
    assert found["by_yaw"]["unknown"]["faces"] == 3
    assert found["by_yaw"]["outside"]["faces"] == 1
    none = pointed.measured(np.full(60, np.nan), people, yaw, LIMITS, EDGES, 20)
    assert (none["left_out"], none["nme"]["value"]) == (60, None)
    json.dumps(none, allow_nan=False)


class Shifted(LandmarkNet):
    """Knows the points of every face, whose shade is its number, and is wrong by (3, 4) pixels: by 5."""

    points, sigma = 68, 1.0

    def __init__(self, truth):
        super().__init__()
        self.truth = truth

    def forward(self, image):
        return [image[:, :1].mean((2, 3), keepdim=True).expand(-1, 68, 1, 1)]

    def decode(self, scores, size):
        number = (scores[:, 0, 0, 0] * 127.5 + 127.5).round().long()
        return self.truth[number] + self.truth.new_tensor([3.0, 4.0])


def write(folder, truth, column="points68", boxes=True):
    """Face k is all of the shade k; the last has no landmarks, the first nobody's name."""
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for row, points in enumerate(truth):
            image = np.full((16, 16, 3), row, np.uint8)
            sample = records.Sample(f"f{row}", records.encode(image, 101))
            sample.identity = f"p{row // 2}" if row else None
            sample.box = [0, 0, 8, 8] if boxes else None
            if row < len(truth) - 1:
                setattr(sample, column, np.ravel(points).tolist())
            writer.add(sample)
        writer.close({})
    return folder


def bench(tmp_path, truth, column="points68", **more):
    import torch

    folder = write(tmp_path / "faces", truth, column, **more)
    described = tmp_path / "annotate"
    described.mkdir()
    yaw = pd.DataFrame({"sample_id": [f"f{k}" for k in range(4)], "yaw_degrees": [-40.0, 10, 20, 30]})
    yaw.to_parquet(described / "annotations.parquet")
    spec = model.ModelSpec(name="landmark", kind="landmark", size=16)
    net = Shifted(torch.from_numpy(SPREAD).float())
    return pointed.LandmarkBench(spec, net, {"faces": folder}, here(), {"faces": described})


SPREAD = np.random.default_rng(3).uniform(2, 14, (6, 68, 2)).astype(np.float32)
ASKED = {"normalisers": ["outer", "pupils", "box"], "limits": LIMITS, "yaw_edges": EDGES, "bootstrap": 20}


def test_a_benchmark_of_68_points(tmp_path):
    told, table = bench(tmp_path, SPREAD).landmarks("faces", **ASKED)
    assert (told["points"], told["faces"], told["without_points"], told["people"]) == (68, 5, 1, 4)
    assert told["normalisers"]["box"]["nme"]["value"] == pytest.approx(5 / 8, rel=1e-5)
    outer = np.hypot(*(SPREAD[:5, 36] - SPREAD[:5, 45]).T)
    assert told["normalisers"]["outer"]["nme"]["value"] == pytest.approx(np.mean(5 / outer), rel=1e-5)
    np.testing.assert_allclose(table["outer"], 5 / outer, rtol=1e-5)
    assert table["yaw"].tolist()[:4] == [-40, 10, 20, 30]
    bins = {name: one["faces"] for name, one in told["normalisers"]["box"]["by_yaw"].items()}
    assert bins == {"0..30": 2, "30..90": 2, "unknown": 1}


def test_a_benchmark_of_5_points_is_held_against_five_of_the_nets_own(tmp_path):
    five = np.stack([geometry.five_of_68(face) for face in SPREAD])
    told, table = bench(tmp_path, five, "points5", boxes=False).landmarks("faces", **ASKED)
    assert (told["points"], told["faces"]) == (5, 5)
    eyes = np.hypot(*(five[:5, 0] - five[:5, 1]).T)
    np.testing.assert_allclose(table["pupils"], 5 / eyes, rtol=1e-4)
    assert list(told["normalisers"]) == ["pupils", "box"]
    assert told["normalisers"]["box"]["left_out"] == 5
    json.dumps(told, allow_nan=False)


def test_a_benchmark_without_points_says_so(tmp_path):
    assert bench(tmp_path, SPREAD[:1]).landmarks("faces", **ASKED) == "no face of it has landmarks"
    assert landmarks.named("auc", 0.07) == "auc_7_percent"
