"""Top-k of a model's own classifier against sorting; what is said where it can't be told."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.evaluate import summary
from pipeline.evaluate.bench import ModelBench
from pipeline.evaluate.vectors import BadEmbeddingError
from pipeline.heads import CosineHead
from pipeline.protocols import classification

NAMES = ["bird", "cat", "dog", "frog", "horse", "ship"]


class Images:
    def __init__(self, names):
        self.names = names

    def frame(self, columns):
        whole = {"sample_id": [f"{k}" for k in range(len(self.names))], "identity": self.names}
        return pd.DataFrame(whole)[columns]


def bench(names, embeddings, head):
    made = ModelBench(SimpleNamespace(head=head, classes=NAMES), {}, None, None)
    made.__dict__["datasets"] = {"animals": Images(names)}
    made._embeddings = {"animals": embeddings}
    return made


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    names = rng.choice(NAMES[:5], 40).tolist()
    torch.manual_seed(0)
    return names, rng.normal(size=(40, 2, 8)).astype(np.float32), CosineHead(8, 6, 0.2, 16.0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_top_k_is_what_sorting_finds(world, mirrored):
    names, embeddings, head = world
    built = classification.build(classification.Params(tops=[5, 1, 9], mirrored=mirrored))
    result = built.evaluate(bench(names, embeddings, head))
    json.dumps(result.metrics, allow_nan=False)
    weight = head.weight.detach().numpy()
    weight = weight / np.linalg.norm(weight, axis=1, keepdims=True)
    unit = embeddings / np.linalg.norm(embeddings, axis=2, keepdims=True)
    cosines = np.einsum("nsd,cd->nsc", unit, weight)
    logits = cosines.mean(1) if mirrored else cosines[:, 0]
    order = [[NAMES[c] for c in row] for row in np.argsort(-logits, axis=1)]
    found = result.metrics["benchmarks"]["animals"]
    assert [top["k"] for top in found["top"]] == [1, 5]  # there are six classes
    for top in found["top"]:
        assert top["share"] == np.mean(
            [name in row[: top["k"]] for name, row in zip(names, order, strict=True)]
        )
    table = result.tables["classified"]
    assert table["guess"].tolist() == [row[0] for row in order]
    assert table["rank"].tolist() == [1 + row.index(name) for name, row in zip(names, order, strict=True)]
    shown = {"classification": result.metrics}
    assert summary.of(shown)["animals_top_1"] == round(100 * found["top"][0]["share"], 2)
    assert "animals_top_1" in summary.ends(shown)


def test_an_embedding_without_a_direction_is_called_by_its_name(world):
    names, embeddings, head = world
    embeddings[3, 0] = 0
    built = classification.build(classification.Params())
    with pytest.raises(BadEmbeddingError, match="sample '3' is zero"):
        built.evaluate(bench(names, embeddings, head))


def test_what_stands_in_the_way_is_said(world):
    names, embeddings, head = world
    built = classification.build(classification.Params())
    result = built.evaluate(bench(["anna", *names[1:]], embeddings, head))
    told = result.metrics["benchmarks"]["animals"]["note"]
    assert told == "1 of 40 images are of none of the model's classes, 'anna' is one"
    assert not result.tables
    result = built.evaluate(bench(names, embeddings, None))
    assert result.metrics["benchmarks"]["animals"] == {"note": "the model has no classifier"}
