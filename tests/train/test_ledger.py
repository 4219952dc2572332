"""The ledger's means against a loop, terms that come and go, and values that aren't finite."""

import pytest
import torch

from pipeline.train.ledger import Ledger, NotFiniteError


def test_means_are_over_the_steps_in_which_a_term_was_there():
    ledger = Ledger()
    for step in range(6):
        terms = {"loss": torch.tensor(float(step))}
        if step >= 4:
            terms["late"] = torch.tensor(10.0 * step)
        ledger.note(step, terms)
    assert ledger.means() == {}
    ledger.settle()
    assert ledger.means() == {"loss": 2.5, "late": 45.0}
    assert ledger.means(since=5) == {"loss": 5.0, "late": 50.0}
    assert ledger.means(since=6) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_the_first_bad_step_is_named(value):
    ledger = Ledger()
    for step in range(5):
        ledger.note(step, {"fine": torch.tensor(1.0), "bad": torch.tensor(value if step >= 3 else 0.0)})
    with pytest.raises(NotFiniteError) as error:
        ledger.settle()
    assert (error.value.step, error.value.name) == (3, "bad")


def test_it_survives_a_checkpoint_and_keeps_no_graph():
    ledger, other = Ledger(), Ledger()
    ledger.note(0, {"loss": torch.ones((), requires_grad=True) * 2})
    assert not ledger._waiting[0][1]["loss"].requires_grad
    ledger.settle()
    other.load(ledger.state())
    other.note(1, {"loss": torch.tensor(4.0)})
    other.settle()
    assert other.means() == {"loss": 3.0}
    other.clear()
    assert other.means() == {}
