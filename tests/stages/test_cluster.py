"""The cluster stage on small annotated faces: by the trained classifier, by k-means, and twice the same."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from pipeline import model
from pipeline.clusters import save_classifier
from stages import cluster
from tests.stages.fakes import FakeRun
from tests.stages.measuring import (
    DATA,
    contents,
    write_annotations,
    write_model,
    write_people,
)

SETTINGS = {"classes": 5, "sample": 1000, "seed": 5, "gallery": 3}
OUT = Path("data/prepared/cluster/teacher")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    people = range(12)
    write_people("data/prepared/crop/wild", people)
    write_annotations("wild", people)
    write_model()
    return FakeRun("teacher", {"data": DATA, "clustering": SETTINGS})


def test_what_comes_out(run):
    size = model.load("data/models/teacher").recogniser.routing_size
    save_classifier("data/models/teacher", torch.rand(5, size), "cosine")
    cluster.main(run)
    assert (run.told["faces"], run.told["left_out"]["unsure"], run.told["shown"]) == (47, 1, "classifier")
    rules = {"kmeans_euclidean", "kmeans_cosine"}
    assert set(run.told["routing"]) == rules | {"classifier"}
    assert set(run.told["pooled"]) == rules
    assert 0 < run.told["routing"]["kmeans_cosine"]["purity"]["mean"] <= 1
    table = pd.read_parquet(OUT / "clusters.parquet")
    assert len(table) == 47
    assert table["cohort"].nunique() == run.told["cohorts"]
    names = {"tsne.png", "centroids.png", "gallery.png"}
    assert {path.name for path in OUT.glob("*.png")} == names
    assert set(run.figures) == {f"cluster/{name}" for name in names}


def test_twice_the_same_without_a_classifier(run):
    cluster.main(run)
    first, told = contents(OUT), run.told
    assert "classifier" not in told["routing"]
    cluster.main(run)
    assert contents(OUT) == first
    assert run.told == told


def test_a_model_without_routing_has_its_pooled_features(run):
    spec = model.ModelSpec(
        name="teacher", shape={"depth": [1, 1], "width": [4, 8, 8], "dim": 16}, size=16, conv="plain"
    )
    model.save("data/models/teacher", spec, model.build(spec))
    cluster.main(run)
    assert "routing" not in run.told
    assert set(run.told["pooled"]) == {"kmeans_euclidean", "kmeans_cosine"}
    assert run.told["shown"].startswith("pooled")


def test_more_clusters_than_faces(run):
    run.params["clustering"] = SETTINGS | {"classes": 100}
    with pytest.raises(ValueError, match=r"lower clustering\.classes"):
        cluster.main(run)
    assert not OUT.exists()
