"""A foreign recogniser: a frozen ONNX file, run by onnxruntime on the CPU.

    normalised = (pixel / divide - mean) / std = (pixel - divide mean) / (divide std)

so its spec carries divide * mean and divide * std, in 0..255 as everywhere, and the image that comes in is
normalised already. image: (b, 3, size, size) float32 RGB -> embedding (b, dim); a file that was trained on
BGR is fed the channels in that order. A file whose batch is fixed at k is fed k faces at a time. Nothing can
be learned or differentiated through it.

Errors (`ForeignModelError`) name the file: not ONNX, more than one input or output, another input size,
another embedding size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from pipeline.contracts import Backbone, ConvFactory, Outputs, Strict

Shades = tuple[float, float, float]


class Params(Strict):
    size: int = Field(112, ge=1)  # pixels of the input's side
    mean: Shades = (0.5, 0.5, 0.5)  # RGB, after the division
    std: Shades = (0.5, 0.5, 0.5)
    divide: float = Field(255.0, gt=0.0)  # what pixels are divided by first
    colours: Literal["rgb", "bgr"] = "rgb"  # the order that the file was trained on; mean and std are RGB
    dim: int = Field(512, ge=1)  # size of the embedding


class ForeignModelError(ValueError):
    """An ONNX file that is not the recogniser that params say it is."""


def normalisation(params: Params) -> tuple[Shades, Shades]:
    """mean and std in 0..255, for the model's spec."""
    red, green, blue = (params.divide * v for v in params.mean)
    red_std, green_std, blue_std = (params.divide * v for v in params.std)
    return (red, green, blue), (red_std, green_std, blue_std)


def open_session(weights: Path) -> Any:
    """An onnxruntime session with torch's number of threads."""
    import onnxruntime

    if not weights.is_file():
        raise ForeignModelError(f"{weights} does not exist")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise ForeignModelError(f"{weights} is no ONNX model that onnxruntime can run: {error}") from error


def check_signature(session: Any, weights: Path, size: int) -> int | None:
    """The file's fixed batch, None where any goes; raises unless it maps one image to one embedding."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        names = [value.name for value in (*inputs, *outputs)]
        raise ForeignModelError(
            f"{weights} has {len(inputs)} inputs and {len(outputs)} outputs ({', '.join(names)}); "
            "a recogniser has one of each: an image and its embedding"
        )
    shape = inputs[0].shape
    if len(shape) != 4 or inputs[0].type != "tensor(float)":
        raise ForeignModelError(
            f"{weights} takes {inputs[0].type} {shape}; expected float (b, 3, {size}, {size})"
        )
    found = [value if isinstance(value, int) and value > 0 else None for value in shape]
    if any(value not in (None, wanted) for value, wanted in zip(found[1:], (3, size, size), strict=True)):
        raise ForeignModelError(
            f"{weights} takes images of shape {shape[1:]} (channels, height, width); "
            f"expected [3, {size}, {size}]: write its own size into the preset, and crop faces at that size"
        )
    return found[0]


class Foreign(Backbone):
    """A frozen recogniser of which only the embedding is known."""

    def __init__(self, weights: Path, size: int, dim: int, bgr: bool = False) -> None:
        super().__init__()
        self.dim, self.bgr = dim, bgr
        self.weights = weights
        self._session = open_session(weights)
        self._batch = check_signature(self._session, weights, size)
        self._input = self._session.get_inputs()[0].name
        found = self._run(torch.zeros(1, 3, size, size)).shape
        if found != (1, dim):
            raise ForeignModelError(f"{weights} gives {tuple(found)} for one face; expected (1, {dim})")

    def forward(self, image: Float[Tensor, "b 3 h w"], side: Tensor | None = None) -> Outputs:
        if side is not None:
            raise ForeignModelError(f"{self.weights} takes an image alone: `landmark` must be none")
        fed = image.detach().cpu().float()
        return Outputs(self._run(fed.flip(1) if self.bgr else fed).to(image.device))

    def _run(self, image: Tensor) -> Tensor:
        """Embeddings (b, dim); a fixed batch is filled up with black and cut again."""
        step = self._batch or max(1, len(image))
        parts = [torch.zeros(0, self.dim)]
        for start in range(0, len(image), step):
            part = image[start : start + step].contiguous()
            short = (self._batch or len(part)) - len(part)
            fed = torch.cat([part, part.new_zeros(short, *part.shape[1:])]) if short else part
            try:
                value = self._session.run(None, {self._input: fed.numpy()})[0]
            except Exception as error:  # onnxruntime's exceptions share no base of their own
                raise ForeignModelError(
                    f"{self.weights} failed on images of shape {tuple(fed.shape)}: {error}"
                ) from error
            parts.append(torch.from_numpy(value)[: len(part)].flatten(1).float())
        return torch.cat(parts[1:] or parts)


def load(params: Params, weights: Path) -> Foreign:
    """The recogniser in the file `weights`."""
    return Foreign(weights, params.size, params.dim, params.colours == "bgr")


def build(
    params: Params, conv: ConvFactory, size: int, channels: int = 3, weights: Path | None = None
) -> Foreign:
    """As other backbones are built; it is never trained, so it needs its file and ignores `conv`."""
    if weights is None:
        raise ForeignModelError(
            "a foreign model is not trained but loaded: name it under `foreign` in params.yaml"
        )
    if size != params.size or channels != 3:
        raise ForeignModelError(
            f"{weights} takes 3x{params.size}x{params.size} images, not {channels}x{size}x{size}"
        )
    return load(params, weights)
