"""The loop against plain torch, its resume to the bit, and what it says when a loss goes wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.contracts import Objective
from pipeline.train.checkpoint import Checkpoints
from pipeline.train.loop import fit, survey
from pipeline.train.schedule import Schedule
from tests.train import kill_me
from tests.train.tiny import Classes, Net, two_streams

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def settings():
    threads, was = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_num_threads(threads)
    torch.set_deterministic_debug_mode(was)


class KilledError(Exception):
    """As a power cut, but inside the test's process."""


class Bomb:
    """Progress that ends the training after some steps."""

    def __init__(self, steps):
        self.left = steps

    def advance(self, steps=1):
        self.left -= steps
        if self.left == 0:
            raise KilledError


def train(folder, *, every=1e9, ckpt="ckpt", epochs=4, dropout=0.3, **more):
    torch.manual_seed(0)
    net, objective = Net(dropout=dropout), more.pop("objective", None) or Classes(6)
    schedule = more.pop("schedule", Schedule(lr=0.05, warmup=0.2))
    checkpoints = Checkpoints(folder / ckpt, "f", every=every)
    batches = more.pop("batches", None) or two_streams(folder)
    curves = fit(
        net, objective, batches, epochs=epochs, schedule=schedule, checkpoints=checkpoints, seed=1, **more
    )
    return net, objective, curves


def bits(net, objective):
    return {f"{i}.{k}": v.clone() for i, m in enumerate((net, objective)) for k, v in m.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_weights_against_plain_torch(tmp_path):
    net, objective, _ = train(tmp_path, dropout=0.0, epochs=2)
    torch.manual_seed(0)
    mine, theirs = Net(dropout=0.0), Classes(6)
    batches = two_streams(tmp_path)
    parameters = [*mine.parameters(), *theirs.parameters()]
    velocity = [torch.zeros_like(p) for p in parameters]
    for step in range(6):
        if step % 3 == 0:
            mine.eval()
            faces = batches.labelled.faces
            image = torch.cat([batches.normalise(faces.images(np.array([i]))) for i in range(len(faces))])
            with torch.no_grad():
                theirs.centre.copy_(mine(image).embedding.mean(0))
            mine.train()
        batch = batches.finish(batches.raw(step), step)
        loss = sum(theirs(batch, mine(batch.image)).values())
        gradients = torch.autograd.grad(loss, parameters)
        turn = np.pi * (step / 6 - 0.2) / 0.8
        rate = 0.05 * (step / 6) / 0.2 if step / 6 < 0.2 else 0.05 * (1 + np.cos(turn)) / 2
        with torch.no_grad():
            for p, g, v in zip(parameters, gradients, velocity, strict=True):
                v.mul_(0.9).add_(g + 5e-4 * p)
                p.sub_(rate * v)
    for a, b in zip([*net.parameters(), *objective.parameters()], parameters, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 7, 11])
@pytest.mark.parametrize("every", [0.0, 1e9])  # a checkpoint a step, or only at epoch ends
def test_a_resumed_training_ends_with_the_same_bits(tmp_path, step, every):
    net, objective, curves = train(tmp_path, ckpt="whole")
    with pytest.raises(KilledError):
        train(tmp_path, every=every, progress=Bomb(step))
    again, theirs, resumed = train(tmp_path, every=every)
    assert same(bits(net, objective), bits(again, theirs))
    assert resumed == curves
    assert int(theirs.told) == 4


def test_killed_again_and_again(tmp_path):
    net, objective, curves = train(tmp_path, ckpt="whole")
    for _ in range(9):
        torch.rand(7)  # a fresh process wouldn't stand where the last one did
        with pytest.raises(KilledError):
            train(tmp_path, every=0.0, progress=After(1))
    again, theirs, resumed = train(tmp_path, every=0.0)
    assert same(bits(net, objective), bits(again, theirs))
    assert resumed == curves


class After(Bomb):
    """Doesn't count what an earlier run did, which is told in one go."""

    def advance(self, steps=1):
        super().advance(1 if steps == 1 else 0)


def test_a_finished_training_is_not_repeated(tmp_path):
    net, objective, curves = train(tmp_path)
    again, theirs, resumed = train(tmp_path, progress=Bomb(13))
    assert same(bits(net, objective), bits(again, theirs))
    assert resumed == curves


def test_kill_9_of_a_real_process(tmp_path):
    def run(folder, seconds=None):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.train.kill_me", str(folder)]
        process = subprocess.Popen(command, env=environment, cwd=ROOT)
        if seconds is not None:  # after the first checkpoint
            until = time.monotonic() + 60
            while not list((folder / "ckpt").glob("*.pt")) and time.monotonic() < until:
                time.sleep(0.01)
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        return process.wait(timeout=300)

    killed = tmp_path / "killed"
    run(killed, 0.05)
    assert not (killed / "final.pt").exists()
    assert run(killed) == 0
    kill_me.main(tmp_path / "whole")
    final = [torch.load(folder / "final.pt") for folder in (killed, tmp_path / "whole")]
    assert same(final[0]["net"], final[1]["net"])
    assert same(final[0]["objective"], final[1]["objective"])
    assert final[0]["curves"] == final[1]["curves"]


class Poison(Objective):
    """A good loss that turns bad at a step."""

    def __init__(self, at):
        super().__init__()
        self.at, self.step = at, -1

    def forward(self, batch, outputs):
        self.step += 1
        good = outputs.embedding.square().mean()
        return {"fine": good, "sour": good * (float("nan") if self.step >= self.at else 1.0)}


def test_a_bad_loss_names_step_term_and_samples(tmp_path):
    batches = two_streams(tmp_path)
    with pytest.raises(FloatingPointError, match="sour is nan in epoch 1, step 2, with the samples") as error:
        train(tmp_path, objective=Poison(5), batches=batches, every=0.0)
    expected = ", ".join(batches.sample_ids(5)[:8])
    assert f"{expected} and 4 more" in str(error.value)
    kept = Checkpoints(tmp_path / "ckpt", "f").load()
    assert kept["step"] == 5  # the newest checkpoint is from before
    assert all(torch.isfinite(value).all() for value in kept["recogniser"].values())


def test_a_bad_loss_is_found_without_checkpoints_too(tmp_path):
    with pytest.raises(FloatingPointError, match=r"loss is nan|sour is nan"):
        train(tmp_path, objective=Poison(4))


def test_what_is_logged_and_returned(tmp_path):
    logged, told = [], []

    def validate(epoch):
        told.append(epoch)
        return {"accuracy": 0.5 + epoch}

    def log(values, step):
        logged.append((step, dict(values)))

    _, _, curves = train(tmp_path, log=log, log_every=2, end_of_epoch=validate)
    assert [entry["epoch"] for entry in curves] == [0, 1, 2, 3]
    assert [entry["validation/accuracy"] for entry in curves] == [0.5, 1.5, 2.5, 3.5]
    for entry in curves:
        assert entry["loss"] == pytest.approx(entry["recognition"] + entry["spread"], rel=1e-5)
    assert curves[-1]["loss"] < curves[0]["loss"]
    assert {step for step, _ in logged} == {2, 3, 4, 6, 8, 9, 10, 12}
    assert told == [0, 1, 2, 3]


def test_a_survey_is_in_row_order_in_eval_mode_and_not_mirrored(tmp_path):
    batches, net = two_streams(tmp_path), Net()
    net.train()
    found = survey(net, batches, lambda outputs: outputs.embedding, "cpu")
    assert net.training
    net.eval()
    for row in range(30):
        image = batches.labelled.faces.images(np.array([row])).float().permute(0, 3, 1, 2)
        expected = net((image - 127.5) / 127.5).embedding[0]
        torch.testing.assert_close(found[row], expected, rtol=1e-4, atol=1e-5)
    batches.labelled = None
    with pytest.raises(ValueError, match="there are none"):
        survey(net, batches, lambda outputs: outputs.embedding, "cpu")


def test_the_gradient_is_clipped(tmp_path):
    torch.manual_seed(0)
    start = [p.detach().clone() for p in (*Net(dropout=0.0).parameters(), *Classes(6).parameters())]
    schedule = Schedule(lr=1.0, momentum=0.0, weight_decay=0.0, decay="constant", clip=1e-3)
    batches = two_streams(tmp_path)
    batches.steps = 1
    net, objective, _ = train(tmp_path, dropout=0.0, schedule=schedule, epochs=1, batches=batches)
    ends = [p.detach() for p in (*net.parameters(), *objective.parameters())]
    moved = sum(float((a - b).square().sum()) for a, b in zip(ends, start, strict=True))
    assert moved**0.5 == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("more", [{"precision": "bf16"}, {"channels_last": True}])
def test_other_precision_and_memory_stay_near(tmp_path, more):
    _, _, curves = train(tmp_path, ckpt="a", dropout=0.0)
    _, _, other = train(tmp_path, ckpt="b", dropout=0.0, **more)
    assert other[-1]["loss"] == pytest.approx(curves[-1]["loss"], rel=0.05)


@pytest.mark.parametrize("kind", ["sgd", "adam"])
def test_the_optimisers_state_has_the_parameters_strides(tmp_path, kind):
    """The fused steps of a GPU refuse anything else."""
    made = []

    class Watched(Schedule):
        def optimise(self, parameters):
            made.append(super().optimise(parameters))
            return made[-1]

    net, _, _ = train(tmp_path, channels_last=True, epochs=1, schedule=Watched(kind, lr=0.01))
    assert net.body[0].weight.stride() != net.body[0].weight.contiguous().stride()
    (optimiser,) = made
    for parameter, state in zip(optimiser.parameters, optimiser.state_dict(), strict=True):
        assert {value.stride() for name, value in state.items() if name != "steps"} == {parameter.stride()}


def test_wrong_arguments_are_told(tmp_path):
    with pytest.raises(ValueError, match="epochs is 0"):
        train(tmp_path, epochs=0)
    with pytest.raises(ValueError, match="precision is 'half'"):
        train(tmp_path, precision="half")


class Emitting(nn.Module):
    """A model whose layers emit a loss of their own."""

    def __init__(self):
        super().__init__()
        self.net = Net(dropout=0.0)

    def forward(self, image):
        outputs = self.net(image)
        outputs.losses["response"] = 0.01 * outputs.embedding.square().mean()
        return outputs


def test_losses_that_layers_emit_are_summed_too(tmp_path):
    checkpoints, schedule = Checkpoints(tmp_path / "ckpt", "f"), Schedule(lr=0.05)
    batches = two_streams(tmp_path)
    curves = fit(
        Emitting(), Classes(6), batches, epochs=1, schedule=schedule, checkpoints=checkpoints, seed=1
    )
    terms = curves[0]["response"] + curves[0]["recognition"] + curves[0]["spread"]
    assert curves[0]["loss"] == pytest.approx(terms, rel=1e-5)
