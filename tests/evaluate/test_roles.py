"""Which datasets overlap cleans and protects."""

from pathlib import Path

import pytest

from pipeline.evaluate.roles import Sets

ROLES = {"labelled": "train", "unlabelled": "wild", "landmarked": "train", "validation": "val"}
ROLES |= {"clustered": "wild", "benchmarks": ["lfw", "cfp"]}


def test_every_role_that_is_trained_on_is_cleaned_once():
    sets = Sets.of(ROLES)
    prepared, benchmarks = Path("data/prepared/crop"), Path("data/benchmarks/crop")
    assert sets.training == {"train": prepared / "train", "wild": prepared / "wild"}
    assert sets.protected == {"lfw": benchmarks / "lfw", "cfp": benchmarks / "cfp", "val": prepared / "val"}


def test_empty_roles_are_left_out():
    sets = Sets.of({**ROLES, "labelled": "none", "landmarked": "none", "validation": "none"})
    assert list(sets.training) == ["wild"]
    assert list(sets.protected) == ["lfw", "cfp"]


@pytest.mark.parametrize("role", ["labelled", "unlabelled", "landmarked"])
def test_training_on_a_benchmark_is_refused(role):
    with pytest.raises(ValueError, match="cfp is trained on and tested on"):
        Sets.of({**ROLES, role: "cfp"})


def test_validation_on_a_benchmark_is_refused():
    with pytest.raises(ValueError, match="cfp is a benchmark, and validation too"):
        Sets.of({**ROLES, "validation": "cfp"})


def test_validation_is_compared_with_benchmarks_alone():
    sets = Sets.of(ROLES)
    (trained, tested), (validated, benchmarks) = sets.passes({name: name for name in sets.every})
    assert (trained, tested) == (["train", "wild"], ["lfw", "cfp", "val"])
    assert (validated, benchmarks) == (["val"], ["lfw", "cfp"])
    assert sets.cleaned == ["train", "wild", "val"]
    assert sets.known == {"train", "lfw", "cfp", "val"}, "of what is unlabelled no identity is trusted"
    assert {name: sets.roles_of(name) for name in sets.every} == {
        "train": ["labelled", "landmarked"], "wild": ["unlabelled"], "val": ["validation"],
        "lfw": [], "cfp": [],
    }  # fmt: skip
