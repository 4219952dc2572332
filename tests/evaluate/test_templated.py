"""Pooled templates 1:1 and 1:N, against inner products and searches one by one."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.evaluate import curves, identify, templated, templates, vectors
from pipeline.protocols import Asked


def members(count=200, names=30, people=12):
    """Images of templates t03, t10, t17 ..., each of one person and of some media."""
    rng = np.random.default_rng(4)
    template = rng.integers(0, names, count)
    return pd.DataFrame(
        {
            "template": [f"t{7 * each + 3:03d}" for each in template],
            "identity": [f"p{each % people:02d}" for each in template],
            "media": rng.integers(0, 9, count),
        }
    )


@pytest.fixture(scope="module")
def pooled():
    frame, rng = members(), np.random.default_rng(5)
    mean = {person: rng.normal(size=6) for person in sorted(set(frame["identity"]))}
    faces = np.stack([mean[person] + rng.normal(size=(2, 6)) for person in frame["identity"]])
    return templated.pool(faces.astype(np.float32), frame, "concat", False)


def unit(pooled, name):
    return pooled.unit[pooled.names.tolist().index(name)]


def test_templates_are_those_of_templates_by_name(pooled):
    frame = members()
    faces = np.random.default_rng(0).normal(size=(len(frame), 2, 6)).astype(np.float32)
    found = templated.pool(faces, frame, "sum", True)
    number = frame["template"].str[1:].astype(int).to_numpy()
    made = templates.pool(faces, number, frame["media"].to_numpy(), flip="sum", keep_norm=True)
    assert found.names.tolist() == [f"t{name:03d}" for name in made.ids]
    np.testing.assert_array_equal(found.unit, made.unit)
    whose = dict(zip(frame["template"], frame["identity"], strict=True))
    assert found.people.tolist() == [whose[name] for name in found.names]


@pytest.mark.parametrize(("value", "what"), [(np.nan, "not finite"), (0.0, "zero")])
def test_an_image_without_a_direction_is_called_by_its_name(value, what):
    frame = members()
    frame["sample_id"] = [f"anna/{k}.jpg" for k in range(len(frame))]
    faces = np.random.default_rng(0).normal(size=(len(frame), 2, 6)).astype(np.float32)
    faces[7] = value
    with pytest.raises(vectors.BadEmbeddingError, match=rf"sample 'anna/7\.jpg' is {what}"):
        templated.pool(faces, frame, "sum", False)


def test_pairs_are_inner_products_and_their_curve(pooled):
    a, b = (np.repeat(pooled.names, 30), np.tile(pooled.names, 30))
    whose = dict(zip(pooled.names, pooled.people, strict=True))
    pairs = pd.DataFrame({"a": a, "b": b, "same": [whose[i] == whose[j] for i, j in zip(a, b, strict=True)]})
    pairs = pairs[a < b].assign(fold=0)
    found = templated.verify(pooled, pairs, [0.1, 1e-6], 50, 0)
    expected = [unit(pooled, i) @ unit(pooled, j) for i, j in zip(pairs["a"], pairs["b"], strict=True)]
    np.testing.assert_allclose(found.scores["score"], expected, atol=1e-6)
    curve = curves.roc(np.array(expected), pairs["same"].to_numpy())
    assert found.metrics["auc"] == pytest.approx(curves.auc(curve), abs=1e-6)
    first, second = found.metrics["tar_at_far"]
    assert first["tar"] == pytest.approx(curves.tar_at_far(curve, 0.1)["tar"])
    assert first["low"] <= first["tar"] <= first["high"]
    assert (second["tar"], second["low"]) == (None, None)
    assert found.metrics["people"] == 12
    json.dumps(found.metrics, allow_nan=False)


def test_a_template_that_is_not_there_is_named(pooled):
    pairs = pd.DataFrame({"a": ["t003", "t004"], "b": ["t010", "t010"], "same": [False, False]})
    with pytest.raises(KeyError, match="template t004 was not pooled"):
        templated.verify(pooled, pairs, [0.1], 0, 0)
    rows = pd.DataFrame({"role": ["gallery", "unmated"], "template": ["t999", "t003"]})
    with pytest.raises(KeyError, match="template t999 was not pooled"):
        templated.search(pooled, {"9": rows}, Asked([1], [0.1]))


def test_galleries_are_searched_one_by_one_and_their_mean_is_told(pooled):
    """Gallery 1 has a template each of p00 .. p04, 2 of p05 .. p09; all but the first twelve are probes."""
    enrolled = {str(k): range(5 * k - 5, 5 * k) for k in (1, 2)}  # the first twelve are a person each
    lists = {}
    for name, rows in enrolled.items():
        known = set(pooled.people[list(rows)])
        roles = ["mated" if person in known else "unmated" for person in pooled.people[12:]]
        names = [*pooled.names[list(rows)], *pooled.names[12:]]
        lists[name] = pd.DataFrame({"role": ["gallery"] * 5 + roles, "template": names})
    found = templated.search(pooled, lists, Asked([1, 5], [0.5, 0.001], fars=[0.2]))
    told = found.metrics["galleries"]
    for name, rows in enrolled.items():
        here = list(rows)
        alone = identify.search(pooled.unit[12:], pooled.people[12:], pooled.unit[here], pooled.people[here])
        assert told[name]["cmc"] == {f"rank_{k}": v for k, v in identify.cmc(alone, [1, 5]).items()}
        assert told[name]["mated"] + told[name]["non_mated"] == 18
        same = pooled.people[12:, None] == pooled.people[here]
        curve = curves.roc((pooled.unit[12:] @ pooled.unit[here].T).ravel(), same.ravel())
        assert told[name]["tar_at_far"][0]["tar"] == pytest.approx(curves.tar_at_far(curve, 0.2)["tar"])
        table = found.probes[found.probes["gallery"] == name]
        np.testing.assert_array_equal(table["rank"], alone.rank)
        np.testing.assert_array_equal(table["score"].isna(), ~alone.mated)
    one, two = told["1"], told["2"]
    mean = found.metrics["mean"]
    assert mean["cmc"]["rank_1"] == pytest.approx((one["cmc"]["rank_1"] + two["cmc"]["rank_1"]) / 2)
    assert mean["tpir"][0]["tpir"] == pytest.approx((one["tpir"][0]["tpir"] + two["tpir"][0]["tpir"]) / 2)
    assert mean["tpir"][1] == {"fpir": 0.001, "tpir": None}  # fewer than 1000 strangers
    json.dumps(found.metrics, allow_nan=False)
