"""A model on a benchmark: the numbers against the metrics they are made of."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import model, records, sharpness
from pipeline.evaluate import bench, curves, embed, paired, scored, vectors
from pipeline.evaluate.folds import kfold
from pipeline.loader import Faces


@pytest.fixture
def tested(dataset, spec, recogniser, runtime):
    folder = dataset()
    return bench.ModelBench(model.Model(spec, recogniser, None, []), {"test": folder}, runtime, None), folder


def pairs_of(folder):
    return records.Dataset(folder).pairs()


def test_scores_and_numbers(tested, recogniser, runtime):
    one, folder = tested
    pairs = pairs_of(folder)
    found = one.verify("test", pairs, folds=10, flip="sum", fars=[0.5, 1e-3], bootstrap=200)
    both = embed.embed(recogniser, Faces(folder), runtime)
    unit = both.sum(1) / np.linalg.norm(both.sum(1), axis=1, keepdims=True)
    ids = records.Dataset(folder).frame(["sample_id"])["sample_id"].tolist()
    expected = [unit[ids.index(a)] @ unit[ids.index(b)] for a, b in zip(pairs["a"], pairs["b"], strict=True)]
    np.testing.assert_allclose(found.scores["score"], expected, atol=1e-5)
    folds = kfold(found.scores["score"].to_numpy(), pairs["same"].to_numpy(), pairs["fold"].to_numpy())
    assert found.metrics["accuracy"]["mean"] == pytest.approx(folds.mean)
    assert len(found.metrics["fold_accuracy"]) == 4
    assert found.metrics["accuracy"]["low"] <= folds.mean <= found.metrics["accuracy"]["high"]
    assert found.metrics["tar_at_far"][1]["tar"] is None
    assert found.metrics["tar_at_far"][1]["low"] is None
    assert (found.metrics["genuine"], found.metrics["impostors"]) == (20, 20)
    named = {face.split("/")[0] for face in [*pairs["a"], *pairs["b"]]}
    assert found.metrics["people"] == len(named)
    where = {face.split("/")[0]: set() for face in [*pairs["a"], *pairs["b"]]}
    for fold, a, b in zip(pairs["fold"], pairs["a"], pairs["b"], strict=True):
        where[a.split("/")[0]].add(fold)
        where[b.split("/")[0]].add(fold)
    several = {who: sorted(folds) for who, folds in where.items() if len(folds) > 1}
    assert found.metrics["people_in_several_folds"] == len(several)
    note = found.metrics["folds_note"]
    assert any(f"'{who}' is in folds {', '.join(map(str, it))} (" in note for who, it in several.items())
    cut = one.verify("test", pairs.assign(fold=0), folds=4, flip="sum", fars=[0.1], bootstrap=0).metrics
    assert "folds_note" not in cut, "nobody gave these folds"
    json.dumps(found.metrics, allow_nan=False)


def test_embeds_a_benchmark_once(tested, monkeypatch):
    one, folder = tested
    calls = []
    real = embed.embed
    monkeypatch.setattr(embed, "embed", lambda *given: calls.append(1) or real(*given))
    for flip in vectors.FLIPS:
        one.verify("test", pairs_of(folder), folds=4, flip=flip, fars=[0.1], bootstrap=0)
    assert len(calls) == 1


def test_sharpness_is_measured_as_images_pass_by(tested, monkeypatch, tmp_path):
    one, folder = tested
    data = records.Dataset(folder)
    ids = data.frame(["sample_id"])["sample_id"].tolist()
    table = pa.table({"sample_id": ids, "gender": pa.array([0] * len(ids), pa.int8())})
    records.write_parquet(tmp_path / "annotations.parquet", table)
    one.described = {"test": tmp_path}
    decoded, real = [], records.Dataset.image
    monkeypatch.setattr(records.Dataset, "image", lambda self, row: decoded.append(row) or real(self, row))
    one.verify("test", pairs_of(folder), folds=4, flip="sum", fars=[0.1], bootstrap=0)
    found = one.attributes("test")
    assert sorted(decoded[-len(ids) :]) == list(range(len(ids)))
    assert len(decoded) <= len(ids) + 1  # the first one's size is looked at
    expected = [sharpness.variance(real(data, row)) for row in range(len(ids))]
    assert found["sharpness"].loc[ids].tolist() == expected
    assert len(set(expected)) > 1


def test_templates_of_the_same_embeddings(tested, monkeypatch, recogniser, runtime):
    one, folder = tested
    both = embed.embed(recogniser, Faces(folder), runtime)
    monkeypatch.setattr(embed, "embed", lambda *given: both)
    ids = records.Dataset(folder).frame(["sample_id"])["sample_id"].tolist()
    named = [("x", "p03", "p03/1", "a"), ("x", "p03", "p03/0", "b"), ("w", "p01", "p01/2", "c")]
    members = pd.DataFrame(named, columns=["template", "identity", "sample_id", "media"])
    found = one.pool("test", members, flip="none", keep_norm=True)
    assert (found.names.tolist(), found.people.tolist()) == (["w", "x"], ["p01", "p03"])
    mean = both[ids.index("p03/1"), 0] + both[ids.index("p03/0"), 0]
    np.testing.assert_allclose(found.unit[1], mean / np.linalg.norm(mean), atol=1e-6)
    with pytest.raises(KeyError, match="nobody is no face of test"):
        one.pool("test", members.assign(sample_id="nobody"), flip="none", keep_norm=True)
    with pytest.raises(KeyError, match="template z was not pooled"):
        found.rows(pd.Series(["x", "z"]))


def test_a_list_without_folds_is_cut(tested):
    one, folder = tested
    pairs = pairs_of(folder).assign(fold=0)
    found = one.verify("test", pairs, folds=5, flip="none", fars=[0.1], bootstrap=0)
    assert len(found.metrics["fold_accuracy"]) == 5
    assert found.scores["fold"].nunique() == 5
    assert found.metrics["accuracy"]["low"] is None


def test_two_models_can_be_compared_from_their_tables(tested):
    one, folder = tested
    tables = [
        one.verify("test", pairs_of(folder), folds=4, flip=flip, fars=[0.1], bootstrap=0).scores
        for flip in ("none", "concat")
    ]
    first, second = (table.assign(benchmark="test", protocol="mixed") for table in tables)
    (row,) = paired.compare(first, second, 100)
    assert row["pairs"] == 40
    assert row["difference"] == pytest.approx(second["correct"].mean() - first["correct"].mean())


def test_thin_curve_keeps_the_ends_and_the_low_rates():
    rng = np.random.default_rng(0)
    same = np.arange(40_000) % 2 == 0
    curve = curves.roc(rng.normal(same * 2.0), same)
    thin = scored.thin(curve)
    far, tar = np.array(thin["far"]), np.array(thin["tar"])
    assert len(far) <= 202
    assert (far[0], tar[0], far[-1], tar[-1]) == (0, 0, 1, 1)
    assert (far < 1e-2).sum() >= 30
    assert (np.diff(far) >= 0).all()
    assert (np.diff(tar) >= 0).all()
    points = set(zip(curve.far, curve.tar, strict=True))
    assert all(point in points for point in zip(far, tar, strict=True))


def test_unknown_people_count_by_their_pairs(dataset, spec, recogniser, runtime):
    folder = dataset(identity=False)
    one = bench.ModelBench(model.Model(spec, recogniser, None, []), {"test": folder}, runtime, None)
    pairs = pd.DataFrame(
        {"protocol": "x", "fold": [0, 0, 1, 1], "a": ["p00/0", "p00/0", "p01/0", "p01/0"],
         "b": ["p00/1", "p01/0", "p01/1", "p02/0"], "same": [True, False, True, False]}
    )  # fmt: skip
    found = one.verify("test", pairs, folds=2, flip="sum", fars=[0.5], bootstrap=0)
    assert found.metrics["people"] == 3
