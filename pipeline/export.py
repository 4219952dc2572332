"""A recogniser as one ONNX file that needs nothing of ours: the pixels of a face in, its embedding out.

    embedding = net((pixel - mean) / std)

image: (batch, 3, size, size) float32, RGB, 0..255, any batch -> embedding (batch, dim), not normalised. The
normalisation is part of the graph, and so is a landmark net at the model's side: what differs from model to
model can't be given wrongly, and every export is described by one preset, `backbone_params`.

The graph is traced, as torch's other exporter needs packages beyond those that are pinned. A trace keeps the
way that its example took: `check` holds the file against the model, one face at a time and many. Components
of unit embeddings differed by 1.6e-7 at most with random weights (both backbones, every convolution, a
landmark net) and by 3.3e-7 on 320 faces with those of teacher and student at size `demo`.

Errors (`ExportError`) name the model: a foreign one, embeddings that differ by more than `TOLERANCE`.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from pipeline import model
from pipeline.backbones import foreign

OPSET = 17
IMAGE, EMBEDDING = "image", "embedding"
TOLERANCE = 1e-5
"""Largest allowed difference of a component of unit embeddings: about thirty times what was seen."""
MANY = 64  # faces of the larger batch
WEIGHTS = ("weights.pt", "side.pt")  # what of a model's folder is in the file


class ExportError(ValueError):
    """A model that can't be exported, or an export that is another model."""


class Whole(nn.Module):
    """Pixels (b, 3, size, size), 0..255 -> embedding (b, dim): normalisation, landmark net and backbone."""

    mean: Tensor
    std: Tensor

    def __init__(self, recogniser: model.Recogniser) -> None:
        super().__init__()
        self.recogniser, self.side = recogniser, recogniser.side
        for name in ("mean", "std"):
            row = torch.as_tensor(getattr(recogniser.spec, name), dtype=torch.float32).reshape(1, -1, 1, 1)
            self.register_buffer(name, row, persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        embedding: Tensor = self.recogniser((image - self.mean) / self.std).embedding
        return embedding


def backbone_params(size: int, dim: int) -> foreign.Params:
    """The preset with which our `foreign` backbone takes an export in: pixels as they are."""
    return foreign.Params(image_size=size, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), divide=1.0, dim=dim)


def to_onnx(recogniser: model.Recogniser, about: Mapping[str, str] | None = None) -> bytes:
    """The file's bytes, the same for the same model; `about` goes into its metadata."""
    spec = recogniser.spec
    if spec.kind != "trained":
        raise ExportError(f"model {spec.name!r} is {spec.kind}: take the file that it was made of")
    net = Whole(recogniser).cpu().eval()
    free = {0: "batch"}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        path = Path(folder) / "model.onnx"
        # of the exporter's age, and of numbers that a trace fixes: the image's size, as it should be
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            (torch.zeros(2, 3, spec.size, spec.size),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=[IMAGE],
            output_names=[EMBEDDING],
            dynamic_axes={IMAGE: free, EMBEDDING: free},
        )
        return _tidy(path.read_bytes(), about or {})


def _tidy(graph: bytes, about: Mapping[str, str]) -> bytes:
    """Checked, without notes on the code that was traced, and with what the file says of itself."""
    import onnx

    proto = onnx.load_from_string(graph)
    for node in proto.graph.node:
        node.ClearField("doc_string")
    onnx.helper.set_model_props(proto, dict(sorted(about.items())))
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString(deterministic=True))


def taken_in(path: Path, spec: model.ModelSpec, dim: int) -> model.Recogniser:
    """The file as anybody's `foreign` entry takes it in."""
    params = backbone_params(spec.size, dim)
    mean, std = foreign.normalisation(params)
    described = model.ModelSpec(
        name=spec.name,
        kind="foreign",
        backbone="foreign",
        shape=params.model_dump(mode="json"),
        size=params.image_size,
        mean=mean,
        std=std,
    )
    return model.Recogniser(described, foreign.load(params, path))


def check(recogniser: model.Recogniser, path: Path, faces: UInt8[Tensor, "n h w 3"]) -> dict[int, float]:
    """Batch, 1 and `MANY` -> largest difference of unit embeddings of model and file, both on the CPU."""
    recogniser.cpu().eval()
    exported = taken_in(path, recogniser.spec, recogniser.dim)
    found = {}
    for batch in (1, MANY):
        some = faces[: min(MANY, len(faces))] if batch == 1 else faces
        apart = [(unit(recogniser, part) - unit(exported, part)).abs().max() for part in some.split(batch)]
        found[batch] = float(torch.stack(apart).max())
        if not found[batch] <= TOLERANCE:  # NaN is no small difference
            raise ExportError(
                f"the export of model {recogniser.spec.name!r} is another model: unit embeddings of "
                f"{len(some)} faces, {batch} at a time, differ by up to {found[batch]:.2g}, "
                f"more than {TOLERANCE:g}"
            )
    return found


def unit(recogniser: model.Recogniser, faces: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n d"]:
    """Embeddings of length 1, pixels as the model asks for them."""
    spec = recogniser.spec
    with torch.inference_mode():
        return F.normalize(recogniser(model.normalise(faces, spec.mean, spec.std)).embedding)


def about(path: Path, folder: Path) -> dict[str, Any]:
    """The file, and the weights in the model's `folder` that it was made of, told from all others."""
    weights = {name: digest(folder / name) for name in WEIGHTS if (folder / name).exists()}
    versions = {name: metadata.version(name) for name in ("torch", "onnx", "onnxruntime")}
    size = {"bytes": path.stat().st_size, "sha256": digest(path), "opset": OPSET}
    return {**size, "weights": weights, "versions": versions}


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
