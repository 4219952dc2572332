"""The pairs protocol: which pairs it hands over, and what it says of those that it can't."""

import numpy as np
import pandas as pd
import pytest

from pipeline.protocols import Verified, pairs


class FakeDataset:
    def __init__(self, faces, rows, set_aside=(), lists=()):
        self.faces, self.rows, self.aside, self.tables = faces, rows, set_aside, lists

    def lists(self):
        return dict.fromkeys(self.tables)

    def pairs(self):
        return pd.DataFrame(self.rows, columns=["protocol", "fold", "a", "b", "same"])

    def frame(self, columns):
        return pd.DataFrame({"sample_id": self.faces})

    def set_aside(self):
        return pd.DataFrame(list(self.aside), columns=["sample_id", "reason"])


class FakeBench:
    def __init__(self, **datasets):
        self.datasets, self.asked = datasets, []

    def verify(self, dataset, pairs, **settings):
        self.asked.append((dataset, pairs, settings))
        return Verified({"accuracy": len(pairs)}, pairs.assign(score=0.5), {"far": [0], "tar": [0]})


def rows(count, protocol="front"):
    return [(protocol, i % 4, f"f{i}", f"f{i + 1}", i % 2 == 0) for i in range(count)]


FACES = [f"f{i}" for i in range(301)]


def test_every_list_of_every_benchmark():
    bench = FakeBench(one=FakeDataset(FACES, rows(300) + rows(20, "blur")), two=FakeDataset(FACES, rows(10)))
    result = pairs.build(pairs.Params(flip="sum", fars=[1e-3, 1e-2], bootstrap=7, folds=5)).evaluate(bench)
    assert [(name, len(table)) for name, table, _ in bench.asked] == [("one", 20), ("one", 300), ("two", 10)]
    settings = {"folds": 5, "flip": "sum", "fars": [1e-2, 1e-3], "bootstrap": 7}
    assert all(given == settings for _, _, given in bench.asked)
    assert result.metrics["benchmarks"]["one"]["front"] == {
        "accuracy": 300, "missing_pairs": 0, "missing_faces": [], "repeated_pairs": 0,
    }  # fmt: skip
    assert set(result.curves["one"]) == {"front", "blur"}
    table = result.tables["scores"]
    assert len(table) == 330
    assert table.groupby(["benchmark", "protocol"]).size().to_dict() == {
        ("one", "blur"): 20, ("one", "front"): 300, ("two", "front"): 10,
    }  # fmt: skip
    assert result.metrics["settings"]["flip"] == "sum"


def test_missing_faces_are_left_out_counted_and_named():
    faces = [face for face in FACES if face != "f300"]
    bench = FakeBench(one=FakeDataset(faces, rows(300), [("f300", "truncated")]))
    result = pairs.build(pairs.Params()).evaluate(bench)
    found = result.metrics["benchmarks"]["one"]["front"]
    assert (found["missing_pairs"], found["missing_faces"]) == (1, ["f300"])
    assert len(bench.asked[0][1]) == 299
    assert not (bench.asked[0][1][["a", "b"]] == "f300").any(axis=None)


def test_too_many_missing_faces_fail_with_names_and_reasons():
    faces = [face for face in FACES if face not in ("f7", "f9")]
    bench = FakeBench(one=FakeDataset(faces, rows(300), [("f7", "not an image")]))
    with pytest.raises(pairs.MissingFacesError) as error:
        pairs.build(pairs.Params()).evaluate(bench)
    for word in ("'one'", "'front'", "4 of 300", "1.0%", "f7: not an image", "f9: not in the dataset"):
        assert word in str(error.value)
    lenient = pairs.build(pairs.Params(missing=0.02)).evaluate(bench)
    assert lenient.metrics["benchmarks"]["one"]["front"]["missing_pairs"] == 4


def test_repeated_pairs_are_counted_and_contradictions_are_errors():
    listed = [*rows(20), ("front", 3, "f3", "f2", True)]
    found = pairs.build(pairs.Params()).evaluate(FakeBench(one=FakeDataset(FACES, listed)))
    assert found.metrics["benchmarks"]["one"]["front"]["repeated_pairs"] == 1
    for row, said in (
        (("f3", "f2", False), "rows 2 and 20"),
        (("f9", "f9", True), "row 20 pairs f9 with itself"),
    ):
        bench = FakeBench(one=FakeDataset(FACES, [*rows(20), ("front", 3, *row)]))
        with pytest.raises(ValueError, match=f"'one', list 'front': .*{said}"):
            pairs.build(pairs.Params()).evaluate(bench)


def test_split_against_a_loop():
    table = pd.DataFrame(rows(50), columns=["protocol", "fold", "a", "b", "same"])
    present = set(np.random.default_rng(0).choice(FACES[:51], 40, replace=False))
    kept, absent = pairs.split(table, present)
    expected = [row for row in rows(50) if row[2] in present and row[3] in present]
    assert [tuple(row) for row in kept.itertuples(index=False)] == expected
    assert absent == sorted(set(FACES[:51]) - present)


def test_a_benchmark_without_pairs_is_an_error():
    with pytest.raises(ValueError, match="'one' has no pairs"):
        pairs.build(pairs.Params()).evaluate(FakeBench(one=FakeDataset(FACES, [])))


def test_a_benchmark_of_templates_alone_is_left_to_their_protocol():
    both = FakeBench(
        one=FakeDataset(FACES, [], lists=["templates", "template_pairs"]), two=FakeDataset(FACES, rows(9))
    )
    assert list(pairs.build(pairs.Params()).evaluate(both).metrics["benchmarks"]) == ["two"]


@pytest.mark.parametrize(
    "wrong", [{"folds": 1}, {"flip": "mean"}, {"missing": 2}, {"bootstraps": 3}, {"fars": [0]}]
)
def test_wrong_params(wrong):
    with pytest.raises(ValueError):
        pairs.Params(**wrong)
