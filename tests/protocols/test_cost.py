"""The cost protocol: size among the metrics, times apart from them."""

import pytest

from pipeline.protocols import cost


class FakeBench:
    datasets = {}  # noqa: RUF012

    def size(self):
        return {"parameters": 5}

    def milliseconds(self, batches, repeats):
        return [{"batch": batch, "repeats": repeats} for batch in batches]


def test_times_are_no_metrics():
    result = cost.build(cost.Params(batches=[1, 8], repeats=2)).evaluate(FakeBench())
    assert result.metrics == {"parameters": 5}
    assert result.side == {"milliseconds": [{"batch": 1, "repeats": 2}, {"batch": 8, "repeats": 2}]}
    assert not result.tables
    assert not result.curves


@pytest.mark.parametrize("wrong", [{"batches": []}, {"batches": [0]}, {"repeats": 0}])
def test_wrong_params(wrong):
    with pytest.raises(ValueError):
        cost.Params(**wrong)
