"""Checkpoints: whole or absent, of this training or refused; a full disk costs nothing that was there."""

import random
import resource

import numpy as np
import pytest
import torch

from pipeline import runtime
from pipeline.train.checkpoint import Checkpoints, random_state, seed_all, set_random_state


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "ckpt", "abc")


def test_the_newest_is_loaded_and_two_are_kept(checkpoints):
    assert checkpoints.load() is None
    for step in (5, 90, 1000):
        checkpoints.save(step, {"step": step, "weight": torch.full((3,), float(step))})
    state = checkpoints.load()
    assert (state["step"], state["weight"].tolist()) == (1000, [1000.0] * 3)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["000000090.pt", "000001000.pt"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"x" * 9,
        lambda data: b"some text in place of a checkpoint",
    ],
)
def test_a_torn_file_is_passed_over(checkpoints, caplog, damage):
    checkpoints.save(1, {"step": 1})
    newest = checkpoints.save(2, {"step": 2})
    newest.write_bytes(damage(newest.read_bytes()))
    assert checkpoints.load()["step"] == 1
    assert "000000002.pt is not whole" in caplog.text
    checkpoints.save(1, {"step": 1, "again": True})
    assert checkpoints.load().get("again"), "a damaged newer file must not push out what was just saved"


def test_what_a_killed_writer_left_is_removed(checkpoints):
    checkpoints.save(1, {"step": 1})
    torn = checkpoints.folder / ".000000002.pt.77.tmp"
    torn.write_bytes(b"half")
    assert checkpoints.load()["step"] == 1
    assert not torn.exists()


def test_another_trainings_checkpoint_is_refused(checkpoints):
    checkpoints.save(3, {"step": 3})
    with pytest.raises(ValueError, match=r"000000003\.pt belongs to other params.*'abc'.*'xyz'.*remove"):
        Checkpoints(checkpoints.folder, "xyz").load()


FACTS = {"torch": "2.4.0", "threads": "2", "device": "cpu AVX2"}


def test_going_on_elsewhere_is_said_by_every_fact_that_differs(tmp_path, caplog):
    Checkpoints(tmp_path, "abc", facts=FACTS).save(3, {"step": 3})
    assert Checkpoints(tmp_path, "abc", facts=FACTS).load()["step"] == 3
    assert not caplog.text, "the same machine and versions need no word"
    there = {**FACTS, "torch": "2.5.0", "threads": "1", "numpy": "2.0"}
    assert Checkpoints(tmp_path, "abc", facts=there).load()["step"] == 3, "days of work are not thrown away"
    for difference in ("torch 2.4.0, which is 2.5.0 now", "threads 2, which is 1 now", "numpy unknown"):
        assert difference in caplog.text
    assert "AVX2" not in caplog.text
    assert "up to rounding only" in caplog.text


def test_facts_name_what_changes_bits(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    facts = runtime.facts(runtime.Runtime(device="cpu"))
    known = {"system", "device", "threads", "precision", "deterministic", "python", *runtime.VERSIONS}
    assert set(facts) == known
    assert (facts["threads"], facts["deterministic"], facts["torch"]) == ("3", "True", torch.__version__)
    assert facts["device"].startswith("cpu ")


def test_a_full_disk_names_the_file_and_leaves_the_previous_whole(checkpoints):
    checkpoints.save(1, {"step": 1, "weight": torch.zeros(10)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # as a disk with 20 kB left
    try:
        with pytest.raises(OSError, match=r"could not write .*000000002\.pt"):
            checkpoints.save(2, {"step": 2, "weight": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoints.load()["step"] == 1
    assert [path.name for path in checkpoints.folder.iterdir()] == ["000000001.pt"]


def test_a_checkpoint_is_due_after_its_time(tmp_path):
    assert Checkpoints(tmp_path, "", every=0.0).due
    assert not Checkpoints(tmp_path, "", every=100.0).due


def test_every_generator_goes_on_where_it_was(checkpoints):
    def draw():
        return [torch.rand(2).tolist(), np.random.normal(size=3).tolist(), random.gauss(0, 1)]

    seed_all(4)
    draw()
    checkpoints.save(1, {"random": random_state()})
    expected = draw()
    assert draw() != expected
    set_random_state(checkpoints.load()["random"])
    assert draw() == expected
