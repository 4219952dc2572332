"""Files of weights that somebody else made: there, whole, and the ones that were meant.

Every error names the key of params.yaml that gave the path. A checksum is SHA-256 in hexadecimal
(`sha256sum FILE` prints it); without one any file is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor, nn

Checksum = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
"""SHA-256 of a file of weights, or nothing."""


class WeightsError(ValueError):
    """Weights that are absent, empty, damaged, or another net's."""


def found(path: str | Path, key: str, sha256: str = "") -> Path:
    """`path`, if a file with content and the wanted checksum lies there; `key` is where it was written."""
    path = Path(path)
    if not path.is_file() or path.stat().st_size == 0:
        raise WeightsError(f"{key}: {path} is absent or empty; give the path of a file of weights")
    if sha256:
        with open(path, "rb") as file:
            has = hashlib.file_digest(file, "sha256").hexdigest()
        if has != sha256:
            raise WeightsError(
                f"{key}: {path} has the checksum {has}, expected {sha256}: another file, or damaged"
            )
    return path


def session(path: Path, key: str) -> Any:
    """An onnxruntime session of one thread, which may be used by several at once."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        said = str(error).partition("\n")[0]
        raise WeightsError(f"{key}: {path} is no ONNX model that onnxruntime can run: {said}") from error


def state(path: Path, key: str) -> dict[str, Tensor]:
    """The state dict in a torch file, read without running code; `module.` before names is dropped."""
    import torch

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's, zipfile's and torch's own
        said = str(error).partition("\n")[0]
        raise WeightsError(f"{key}: {path} is no file of torch weights: {said}") from error
    values = values.get("state_dict", values) if isinstance(values, Mapping) else values
    if not isinstance(values, Mapping) or not all(torch.is_tensor(value) for value in values.values()):
        raise WeightsError(f"{key}: {path} holds no state dict (names of parameters and their values)")
    return {name.removeprefix("module."): value for name, value in values.items()}


def load(net: nn.Module, path: Path, key: str, what: str) -> None:
    """Fill `net` with the state dict in `path`; one of another net is an error with the first differences."""
    values, wanted = state(path, key), net.state_dict()
    missing = sorted(set(wanted) - set(values))
    unknown = sorted(set(values) - set(wanted))
    other = [
        f"{name} {tuple(values[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in values and values[name].shape != wanted[name].shape
    ]
    kinds = (("lacks", missing), ("also has", unknown), ("has", other))
    told = "; ".join(f"{how} {', '.join(names[:3])}" for how, names in kinds if names)
    if told:
        raise WeightsError(f"{key}: {path} holds no {what}: it {told}")
    net.load_state_dict(values)
