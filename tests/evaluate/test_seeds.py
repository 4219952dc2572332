"""What differs by seeds alone, and its mean and spread."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluate import seeds


def test_seeds_are_left_out_wherever_they_stand():
    first = {
        "world_seed": 1,
        "train.alone.seed": 5,
        "distill": {"a": {"seed": 3, "loss": "kd"}},
        "l": [{"seed": 1}],
    }
    second = {"world_seed": 2, "distill": {"a": {"loss": "kd", "seed": 4}}, "l": [{}]}
    assert seeds.same_but_seeds(first) == seeds.same_but_seeds(second)
    assert seeds.same_but_seeds(first) != seeds.same_but_seeds({**second, "distill": {"a": {"loss": "fm"}}})
    assert seeds.without_seeds({"seeded": 1, "reseed": 2}) == {"seeded": 1, "reseed": 2}


@given(st.lists(st.floats(0, 100), min_size=2, max_size=9))
def test_spread_is_that_of_a_sample(values):
    found = seeds.spread(values)
    assert found["mean"] == pytest.approx(np.mean(values))
    assert found["std"] == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert found["runs"] == len(values)


def test_runs_become_one_row():
    rows = [
        {"parameters": 5, "flops": 1, "front": 90.0, "wild": 70.0, "overlap": "audited"},
        {"parameters": 5, "flops": 2, "front": 92.0, "overlap": "audited", "late": 1.0},
        {"parameters": 5, "flops": 1, "front": 94.0, "wild": 72.0, "overlap": "audited"},
    ]
    found = seeds.aggregate(rows)
    assert (found["parameters"], found["overlap"]) == (5, "audited")
    assert found["front"] == {"mean": 92.0, "std": 2.0, "runs": 3}
    assert found["wild"]["runs"] == 2
    assert not {"flops", "late"} & set(found)  # not equal; a single value has no spread
    with pytest.raises(ValueError, match="needs two or more"):
        seeds.spread([1.0])


def test_a_number_that_a_run_could_not_tell_is_told_of_the_others():
    rows = [{"tar": 0.5, "note": None}, {"tar": None, "note": None}, {"tar": 0.7, "note": None}]
    found = seeds.aggregate(rows)
    assert found["tar"] == pytest.approx({"mean": 0.6, "std": 0.02**0.5, "runs": 2})
    assert found["note"] is None  # equal in all of them
    assert "tar" not in seeds.aggregate(rows[:2])  # one number has no spread
    assert "x" not in seeds.aggregate([{"x": None}, {}])
