"""Files of weights: what is wrong with them is told with the key that named them."""

import hashlib

import pytest
import torch
from torch import nn

from pipeline import weights
from pipeline.weights import WeightsError

KEY = "detectors.some.weights"


def test_absent_and_empty(tmp_path):
    (tmp_path / "empty").touch()
    for name in ("empty", "gone"):
        with pytest.raises(WeightsError, match=rf"{KEY}: .*{name} is absent or empty"):
            weights.found(tmp_path / name, KEY)


def test_a_checksum_is_held_against_the_file(tmp_path):
    (tmp_path / "net").write_bytes(b"1234" * 9)
    right = hashlib.sha256(b"1234" * 9).hexdigest()
    assert weights.found(tmp_path / "net", KEY, right) == tmp_path / "net"
    assert weights.found(str(tmp_path / "net"), KEY) == tmp_path / "net"
    with pytest.raises(WeightsError, match=rf"net has the checksum {right}, expected {'0' * 64}"):
        weights.found(tmp_path / "net", KEY, "0" * 64)


def test_what_is_no_onnx(tmp_path):
    (tmp_path / "page.onnx").write_text("<html>")
    with pytest.raises(WeightsError, match=rf"{KEY}: .*page\.onnx is no ONNX model") as told:
        weights.session(tmp_path / "page.onnx", KEY)
    assert "\n" not in str(told.value)


def test_a_state_dict_fills_the_net_it_was_made_of(tmp_path):
    made, net = nn.Linear(3, 2), nn.Linear(3, 2)
    given = {f"module.{name}": value for name, value in made.state_dict().items()}
    for number, saved in enumerate((given, {"state_dict": given, "epoch": 3}, made.state_dict())):
        nn.init.zeros_(net.weight)
        torch.save(saved, tmp_path / f"{number}.pth")
        weights.load(net, tmp_path / f"{number}.pth", KEY, "line")
        torch.testing.assert_close(net.weight, made.weight)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (nn.Linear(4, 2), r"holds no line: it has weight \(2, 4\) instead of \(2, 3\)"),
        (nn.Linear(3, 2, bias=False), r"it lacks bias$"),
        (nn.BatchNorm1d(2), r"it also has num_batches_tracked, running_mean, running_var; has weight \(2,\)"),
    ],
)
def test_another_net_s_state_dict(tmp_path, other, told):
    torch.save(other.state_dict(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=told):
        weights.load(nn.Linear(3, 2), tmp_path / "net.pth", KEY, "line")


@pytest.mark.parametrize("saved", [[1, 2], {"epoch": 3}, nn.Linear(1, 1)])
def test_what_is_no_state_dict(tmp_path, saved):
    """A pickled module would run code: it is not unpickled."""
    torch.save(saved, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"net\.pth (holds no state dict|is no file of torch weights)"):
        weights.state(tmp_path / "net.pth", KEY)
