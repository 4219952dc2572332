"""A foreign recogniser: a frozen ONNX or TorchScript file; which of them, the file says itself.

    normalised = (pixel / divide - mean) / std = (pixel - divide mean) / (divide std)

so its spec carries divide * mean and divide * std, in 0..255 as everywhere, and the image that comes in is
normalised already. image: (b, 3, size, size) float32 RGB -> embedding (b, dim); a file that was trained on
BGR is fed the channels in that order. Nothing can be learned or differentiated through it. ONNX is run by
onnxruntime on the CPU; TorchScript, traced or scripted, on the device that the model is moved to, frozen on
the CPU, since its weights are constants that can't be moved. **TorchScript is a program**: it runs no Python,
but may read and write files, while it is loaded too. Take it from people whom you trust.

Errors (`ForeignModelError`) name the file: neither format, more than one input or output, another input
size, another embedding size, a batch that a trace fixed, embeddings that are not finite, that change from one
run to the next or with the other images of a batch (a net traced in training mode).
"""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from pipeline.contracts import Backbone, ConvFactory, Outputs, Strict

Shades = tuple[float, float, float]
ONNX, TORCHSCRIPT = "model.onnx", "model.pt"  # what a model's folder calls the file
TOLERANCE = 0.05  # of the largest number in an embedding: what is quantised for a batch moves by a hundredth


class Params(Strict):
    image_size: int = Field(112, ge=1)  # pixels of the input's side
    mean: Shades = (0.5, 0.5, 0.5)  # RGB, after the division
    std: Shades = (0.5, 0.5, 0.5)
    divide: float = Field(255.0, gt=0.0)  # what pixels are divided by first
    colours: Literal["rgb", "bgr"] = "rgb"  # the order that the file was trained on; mean and std are RGB
    dim: int = Field(512, ge=1)  # size of the embedding


class ForeignModelError(ValueError):
    """A file that is not the recogniser that params say it is."""


class Foreign(Backbone):
    """A frozen recogniser of which only the embedding is known."""

    def __init__(self, weights: Path, size: int, dim: int, bgr: bool = False) -> None:
        super().__init__()
        self.dim, self.bgr, self.weights = dim, bgr, weights
        self.file = ScriptFile(weights) if kept_as(weights) == TORCHSCRIPT else OnnxFile(weights, size)
        self._probe(size)

    @property
    def countable(self) -> bool:
        """Whether its parameters and FLOPs can be told: those of quantised TorchScript hide from torch."""
        return isinstance(self.file, OnnxFile) or "quantized::" not in str(self.file.script.inlined_graph)

    def _probe(self, size: int) -> None:
        """Two random images, together, again, and alone: one embedding each, whatever stands beside it."""
        images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        alone = torch.cat([self._embed(images[i : i + 1]) for i in (0, 1)])
        together, again = self._embed(images), self._embed(images)
        if not torch.isfinite(together).all():
            raise ForeignModelError(f"{self.weights} gives embeddings that are not finite for random images")
        scale = TOLERANCE * float(together.abs().max())
        for other, what in ((again, "a second time"), (alone, "alone")):
            if not torch.allclose(together, other, rtol=0, atol=scale):
                raise ForeignModelError(
                    f"{self.weights} gives other embeddings for the same images {what}; was it traced in"
                    " training mode? net.eval() before torch.jit.trace or torch.onnx.export"
                )

    def _embed(self, image: Tensor) -> Tensor:
        found = self.file(image)
        if found.ndim < 2 or len(found) != len(image) or found[0].numel() != self.dim:
            what = f"{len(image)} face{'s' * (len(image) > 1)} of {image.shape[-1]} px"
            raise ForeignModelError(
                f"{self.weights} gives {tuple(found.shape)} for {what}; expected ({len(image)}, {self.dim})"
            )
        return found.flatten(1).float()

    def forward(self, image: Float[Tensor, "b 3 h w"], side: Tensor | None = None) -> Outputs:
        if side is not None:
            raise ForeignModelError(f"{self.weights} takes an image alone: `landmark` must be none")
        if len(image) == 0:
            return Outputs(image.new_zeros(0, self.dim))
        fed = image.detach().float()
        return Outputs(self._embed(fed.flip(1) if self.bgr else fed).to(image.device))


def kept_as(weights: Path) -> str:
    """The name of the file in a model's folder, by what it is: TorchScript is a zip archive."""
    if not weights.is_file():
        raise ForeignModelError(f"{weights} does not exist")
    return TORCHSCRIPT if zipfile.is_zipfile(weights) else ONNX


def kept_in(folder: Path) -> Path:
    """The file in a model's folder."""
    return next((folder / name for name in (ONNX, TORCHSCRIPT) if (folder / name).is_file()), folder / ONNX)


def normalisation(params: Params) -> tuple[Shades, Shades]:
    """mean and std in 0..255, for the model's spec."""
    red, green, blue = (params.divide * v for v in params.mean)
    red_std, green_std, blue_std = (params.divide * v for v in params.std)
    return (red, green, blue), (red_std, green_std, blue_std)


def load(params: Params, weights: Path) -> Foreign:
    """The recogniser in the file `weights`."""
    return Foreign(weights, params.image_size, params.dim, params.colours == "bgr")


def build(
    params: Params, conv: ConvFactory, size: int, channels: int = 3, weights: Path | None = None
) -> Foreign:
    """As other backbones are built; it is never trained, so it needs its file and ignores `conv`."""
    if weights is None:
        raise ForeignModelError(
            "a foreign model is not trained but loaded: name it under `foreign` in params.yaml"
        )
    if size != params.image_size or channels != 3:
        raise ForeignModelError(
            f"{weights} takes 3x{params.image_size}x{params.image_size} images, not {channels}x{size}x{size}"
        )
    return load(params, weights)


class OnnxFile:
    """Image (b, 3, size, size) on any device -> what an ONNX file gives, on the CPU.

    A file whose batch is fixed at k is fed k faces at a time.
    """

    def __init__(self, weights: Path, size: int) -> None:
        self.weights = weights
        self._session = open_session(weights)
        self._batch = check_signature(self._session, weights, size)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, image: Float[Tensor, "b 3 h w"]) -> Tensor:
        image = image.cpu()
        step = self._batch or len(image)
        parts = [self._one(image[start : start + step]) for start in range(0, len(image), step)]
        return torch.cat(parts)

    def _one(self, image: Tensor) -> Tensor:
        """One run; a fixed batch is filled up with black and cut again."""
        short = (self._batch or len(image)) - len(image)
        fed = torch.cat([image, image.new_zeros(short, *image.shape[1:])]) if short else image
        try:
            value = self._session.run(None, {self._input: fed.contiguous().numpy()})[0]
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            shape = tuple(fed.shape)
            raise ForeignModelError(f"{self.weights} failed on images of shape {shape}: {error}") from error
        return torch.from_numpy(value)[: len(image)]


def open_session(weights: Path) -> Any:
    """An onnxruntime session with torch's number of threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        raise ForeignModelError(
            f"{weights} is no ONNX model that onnxruntime can run (nor TorchScript, a zip archive): {error}"
        ) from error


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


class ScriptFile(nn.Module):
    """Image (b, 3, size, size) on any device -> what a TorchScript file gives, in eval mode for good."""

    def __init__(self, weights: Path) -> None:
        super().__init__()
        self.weights = weights
        self.script = _opened(weights)

    @property
    def device(self) -> torch.device:
        """Of its weights; the CPU where they are constants."""
        return next((value.device for value in self.script.parameters()), torch.device("cpu"))

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Tensor:
        shape = tuple(image.shape)
        try:
            with torch.no_grad():
                found = self.script(image.to(self.device))
        except RuntimeError as error:  # TorchScript's last line says what, those before where
            why = str(error).strip().splitlines()[-1]
            raise ForeignModelError(f"{self.weights} failed on images of shape {shape}: {why}") from error
        if not isinstance(found, Tensor):
            several = f" of {len(found)}" if isinstance(found, tuple | list | dict) else ""
            what = f"{self.weights} gives {type(found).__name__}{several}"
            raise ForeignModelError(f"{what}; a recogniser gives one embedding an image")
        return found

    def train(self, mode: bool = True) -> ScriptFile:
        """Nothing: a foreign model stays in eval mode."""
        return self


def _opened(weights: Path) -> nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have its own newer formats
            script: nn.Module = torch.jit.load(str(weights), map_location="cpu")
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise ForeignModelError(
            f"{weights} is no TorchScript archive that this torch can open (is it a state dict? that has no "
            f"net in it: torch.jit.trace the net and torch.jit.save it): {str(error).partition(chr(10))[0]}"
        ) from error
    script.eval()
    for value in script.parameters():
        value.requires_grad = False
    return script
