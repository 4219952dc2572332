"""The landmarks protocol: what it asks of a bench, and what it makes of a benchmark without landmarks."""

import pandas as pd
import pytest

from pipeline.protocols import landmarks


class Bench:
    def __init__(self, **found):
        self.datasets, self.asked = found, []

    def landmarks(self, dataset, **asked):
        self.asked.append(asked)
        return self.datasets[dataset]


def test_every_benchmark_is_asked_alike():
    bench = Bench(one=({"faces": 2}, pd.DataFrame({"sample_id": ["a", "b"], "box": [0.1, 0.2]})),
                  none="no face of it has landmarks",
                  two=({"faces": 1}, pd.DataFrame({"sample_id": ["c"], "box": [0.3]})))  # fmt: skip
    params = landmarks.Params(normalisers=["box", "outer", "box"], limits=[0.1, 0.08], yaw_edges=[90, 0, 30])
    result = landmarks.build(params).evaluate(bench)
    asked = {
        "normalisers": ["box", "outer"], "limits": [0.08, 0.1], "yaw_edges": [0, 30, 90], "bootstrap": 1000
    }  # fmt: skip
    assert bench.asked == [asked] * 3
    assert result.metrics["benchmarks"] == {
        "one": {"faces": 2},
        "none": {"note": "no face of it has landmarks"},
        "two": {"faces": 1},
    }
    table = result.tables["landmark_errors"]
    assert table["benchmark"].tolist() == ["one", "one", "two"]
    settings = result.metrics["settings"]
    assert settings["outer"] == "distance of the outer corners of the eyes"
    assert "pupils" not in settings


def test_no_benchmark_at_all_has_no_table():
    assert not landmarks.build(landmarks.Params()).evaluate(Bench(none="no")).tables


@pytest.mark.parametrize(
    "wrong", [{"normalisers": []}, {"normalisers": ["iris"]}, {"limits": [0]}, {"yaw_edges": [0]}]
)
def test_wrong_params(wrong):
    with pytest.raises(ValueError):
        landmarks.Params(**wrong)
