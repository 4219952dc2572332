"""Which datasets the overlap stage cleans, and which it protects."""

from pathlib import Path

import pytest

from stages import overlap

ROLES = {
    "labelled": "train",
    "unlabelled": "wild",
    "landmarked": "train",
    "validation": "val",
    "clustered": "wild",
    "benchmarks": ["lfw", "cfp"],
}


def test_every_role_that_is_trained_on_is_cleaned_once():
    training, protected = overlap.folders(ROLES)
    prepared, benchmarks = Path("data/prepared/crop"), Path("data/benchmarks/crop")
    assert training == {"train": prepared / "train", "wild": prepared / "wild"}
    assert protected == {"lfw": benchmarks / "lfw", "cfp": benchmarks / "cfp", "val": prepared / "val"}


def test_empty_roles_are_left_out():
    training, protected = overlap.folders(
        {**ROLES, "labelled": "none", "landmarked": "none", "validation": "none"}
    )
    assert list(training) == ["wild"]
    assert list(protected) == ["lfw", "cfp"]


@pytest.mark.parametrize("role", ["labelled", "unlabelled", "landmarked"])
def test_training_on_a_benchmark_is_refused(role):
    with pytest.raises(ValueError, match="cfp is trained on and tested on"):
        overlap.folders({**ROLES, role: "cfp"})


def test_the_table_has_what_training_reads():
    assert overlap.EXCLUSIONS.names[:2] == ["dataset", "sample_id"]
