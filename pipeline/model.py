"""Models as folders: what a model is (`ModelSpec`), the module (`Recogniser`), building, saving, loading.

A folder holds spec.json, weights.pt (float32 state dict; a foreign one's file instead), head.pt and
classes.json where there is a classifier, side.pt where landmark heatmaps are stacked on the image, and
code.json: digests of the plugins that run the weights, so that what reads the model notices their edits.
It needs nothing outside itself; the same model gives the same bytes; a stranger's
weights run no code, but for TorchScript (`backbones.foreign`).

Errors: `ModelError` names the file and what is wrong with it.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MethodType
from typing import Any, Literal, Self, TypeVar

import torch
from jaxtyping import Float, UInt8
from pydantic import Field, ValidationError
from torch import Tensor, nn

from pipeline import files, plugin
from pipeline.contracts import Backbone, Head, Outputs, Strict
from pipeline.landmarks import INNER, LandmarkNet, side_maps

Shades = float | tuple[float, float, float]  # one number, or one a channel (RGB), in 0..255
Net = TypeVar("Net", bound=nn.Module)


class ModelError(ValueError):
    """A model folder, or one of its files, that can't be used."""


class ModelSpec(Strict):
    """All that is needed to build a model again, and where it comes from."""

    name: str
    kind: Literal["trained", "foreign", "landmark"] = "trained"
    backbone: str = "ir"  # a plugin of `backbones`; of `landmarks` for a landmark net
    shape: dict[str, Any] = Field(default_factory=dict)  # the backbone's params
    conv: str = "plain"
    conv_params: dict[str, Any] = Field(default_factory=dict)
    head: str | None = None
    margin: dict[str, Any] = Field(default_factory=dict)  # the head's params
    classes: int = 0  # how many the head tells apart; their names are in classes.json
    size: int = 112  # pixels of the image's side
    mean: Shades = 127.5  # normalised = (pixel - mean) / std
    std: Shades = 127.5
    landmark: bool = False  # heatmaps of a landmark net are stacked on the image
    side: ModelSpec | None = None  # that landmark net
    teacher: str | None = None  # the model that it was distilled from
    trained_on: list[str] = Field(default_factory=list)  # datasets whose images it has seen
    auditable: bool = True  # False: nobody knows which people it was trained on
    epochs: int = 0


class Recogniser(nn.Module):
    """Normalised image (b, 3, size, size) -> `Outputs`.

    A landmark net at its side is frozen, moves between devices with it, and is neither among its
    parameters nor in its state dict.
    """

    def __init__(self, spec: ModelSpec, backbone: Backbone, side: LandmarkNet | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        self._side = () if side is None else (frozen(side),)  # a tuple is not registered

    @property
    def dim(self) -> int:
        return self.backbone.dim

    @property
    def routing_size(self) -> int:
        return self.backbone.routing_size

    @property
    def side(self) -> LandmarkNet | None:
        return self._side[0] if self._side else None

    def forward(self, image: Float[Tensor, "b 3 h w"]) -> Outputs:
        size = self.spec.size
        if image.shape[-2:] != (size, size):
            raise ValueError(
                f"model {self.spec.name!r} takes {size}x{size} faces, "
                f"got {image.shape[-2]}x{image.shape[-1]}: use a crop of size {size}"
            )
        if not self._side:
            return self.backbone(image)
        with torch.no_grad():
            maps = side_maps(self._side[0], self._as_side_takes_it(image))
        return self.backbone(image, maps.to(image.dtype))

    def _as_side_takes_it(self, image: Tensor) -> Tensor:
        ours, theirs = self.spec, self.spec.side
        if theirs is None or (ours.mean, ours.std) == (theirs.mean, theirs.std):
            return image
        mean, std, mean2, std2 = (_row(v, image) for v in (ours.mean, ours.std, theirs.mean, theirs.std))
        return (image * std + mean - mean2) / std2

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for side in self._side:
            side._apply(fn, recurse)
        return super()._apply(fn, recurse)


@dataclass(frozen=True)
class Model:
    """What `load` gives. The recogniser is in eval mode."""

    spec: ModelSpec
    recogniser: Recogniser
    head: Head | None
    classes: list[str]


def _stay(self: nn.Module, mode: bool = True) -> nn.Module:
    return self


def frozen(net: Net) -> Net:
    """`net` itself, in eval mode for good (its `train()` does nothing) and without gradients."""
    net.eval()
    net.requires_grad_(False)
    net.__dict__["train"] = MethodType(_stay, net)
    return net


def _row(value: Shades, like: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=like.dtype, device=like.device).reshape(-1, 1, 1)


def normalise(
    images: UInt8[Tensor, "b h w 3"],
    mean: float | Sequence[float] = 127.5,
    std: float | Sequence[float] = 127.5,
) -> Float[Tensor, "b 3 h w"]:
    """(pixel - mean) / std, RGB in 0..255; the result keeps the images' channels-last memory."""
    out = images.permute(0, 3, 1, 2).to(torch.float32)
    shift, scale = (_row(v if isinstance(v, float | int) else (v[0], v[1], v[2]), out) for v in (mean, std))
    return out.sub_(shift).div_(scale)


def build(spec: ModelSpec, landmark: Path | str | None = None) -> Recogniser:
    """A fresh recogniser. `landmark`, a landmark model's folder, is needed where `spec.landmark` says so."""
    if spec.kind != "trained":
        raise ModelError(f"model {spec.name!r} is {spec.kind}: only trained ones are built from a spec")
    side, spec = _side_of(spec, landmark)
    conv_module, backbone_module = plugin.load("convs", spec.conv), plugin.load("backbones", spec.backbone)
    conv = conv_module.build(conv_module.Params(**spec.conv_params))
    channels = 3 + (0 if side is None else INNER.stop - INNER.start)
    params = backbone_module.Params(**spec.shape)
    return Recogniser(spec, backbone_module.build(params, conv, spec.size, channels), side)


def _side_of(spec: ModelSpec, landmark: Path | str | None) -> tuple[LandmarkNet | None, ModelSpec]:
    if landmark is not None:
        side_spec, side = load_landmark(landmark)
        return side, spec.model_copy(update={"landmark": True, "side": side_spec})
    if spec.side is not None:
        return build_landmark(spec.side), spec
    if spec.landmark:
        raise ModelError(f"model {spec.name!r} stacks landmark heatmaps: give the landmark model's folder")
    return None, spec


def build_head(spec: ModelSpec, dim: int | None = None) -> Head:
    """The fresh classifier of a trained model; `dim` is the embedding's size (else the shape's own)."""
    if spec.head is None:
        raise ModelError(f"model {spec.name!r} has no head")
    module = plugin.load("heads", spec.head)
    if dim is None:
        dim = plugin.load("backbones", spec.backbone).Params(**spec.shape).dim
    head: Head = module.build(module.Params(**spec.margin), dim, spec.classes)
    return head


def build_landmark(spec: ModelSpec) -> LandmarkNet:
    """A fresh landmark net."""
    module = plugin.load("landmarks", spec.backbone)
    net: LandmarkNet = module.build(module.Params(**spec.shape))
    return net


def save(
    folder: Path | str,
    spec: ModelSpec,
    net: Recogniser | LandmarkNet,
    head: Head | None = None,
    classes: Sequence[str] = (),
    extras: Sequence[Callable[[Path], None]] = (),
) -> None:
    """Write a model folder, whole or not at all; `extras` write what else belongs into it."""
    if isinstance(net, Recogniser) and net.side is not None:
        spec = spec.model_copy(update={"landmark": True, "side": net.spec.side})
    if head is not None:
        spec = spec.model_copy(update={"classes": len(head.weight)})
        if (count := len(head.weight)) != len(classes):
            raise ModelError(f"{folder}: {len(classes)} class names for a head of {count} classes")
    with files.writing_dir(folder) as aside:
        files.write_json(aside / "spec.json", spec.model_dump(mode="json"))
        files.write_json(aside / "code.json", _code(spec))
        files.write_bytes(aside / "weights.pt", _bytes(net))
        if isinstance(net, Recogniser) and net.side is not None:
            files.write_bytes(aside / "side.pt", _bytes(net.side))
        if head is not None:
            files.write_bytes(aside / "head.pt", _bytes(head))
            files.write_json(aside / "classes.json", list(classes))
        for extra in extras:
            extra(aside)


def _code(spec: ModelSpec) -> dict[str, str]:
    if spec.kind != "trained":
        return plugin.meanings(**{"landmarks" if spec.kind == "landmark" else "backbones": spec.backbone})
    side = None if spec.side is None else spec.side.backbone
    return plugin.meanings(backbones=spec.backbone, convs=spec.conv, heads=spec.head, landmarks=side)


def save_foreign(folder: Path | str, spec: ModelSpec, weights: Path | str) -> None:
    """Write the folder of a foreign recogniser; the file must load, and is copied in."""
    module, weights = plugin.load("backbones", spec.backbone), Path(weights)
    module.load(module.Params(**spec.shape), weights)
    with files.writing_dir(folder) as aside:
        files.write_json(aside / "spec.json", spec.model_dump(mode="json"))
        files.write_json(aside / "code.json", _code(spec))
        shutil.copyfile(weights, aside / module.kept_as(weights))


def load_spec(folder: Path | str) -> ModelSpec:
    """What the model in `folder` is."""
    path = Path(folder) / "spec.json"
    if not path.is_file():
        why = files.read_json(absent)["absent"] if (absent := path.with_name("absent.json")).exists() else ""
        raise ModelError(f"{folder} is no model: {why or f'{path} does not exist'}")
    try:
        return ModelSpec(**files.read_json(path))
    except (ValueError, TypeError, ValidationError) as error:
        raise ModelError(f"{path}: {error}") from error


def load(folder: Path | str) -> Model:
    """The model in `folder`, on the CPU, in eval mode."""
    folder, spec = Path(folder), load_spec(folder)
    if spec.kind == "landmark":
        raise ModelError(f"{folder} holds a landmark net, not a recogniser")
    if spec.kind == "foreign":
        module = plugin.load("backbones", spec.backbone)
        net = module.load(module.Params(**spec.shape), module.kept_in(folder))
        return Model(spec, Recogniser(spec, net).eval(), None, [])
    recogniser = build(spec)
    _fill(recogniser, folder / "weights.pt")
    if recogniser.side is not None:
        _fill(recogniser.side, folder / "side.pt")
    head, classes = None, []
    if spec.head is not None and (folder / "head.pt").exists():
        head = build_head(spec, recogniser.dim)
        _fill(head, folder / "head.pt")
        classes = files.read_json(folder / "classes.json")
    recogniser.eval()
    return Model(spec, recogniser, head, classes)


def load_landmark(folder: Path | str) -> tuple[ModelSpec, LandmarkNet]:
    """The landmark net in `folder`, in eval mode."""
    spec = load_spec(folder)
    if spec.kind != "landmark":
        raise ModelError(f"{folder} holds a {spec.kind} model, not a landmark net")
    net = build_landmark(spec)
    _fill(net, Path(folder) / "weights.pt")
    return spec, net.eval()


def _bytes(net: nn.Module) -> bytes:
    """The float32 state dict, the same bytes for the same weights whatever their device or memory layout."""
    buffer = io.BytesIO()
    torch.save({name: _plain(value) for name, value in net.state_dict().items()}, buffer)
    return buffer.getvalue()


def _plain(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    value = value.float() if value.is_floating_point() else value
    return value.clone(memory_format=torch.contiguous_format)


def _fill(net: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise ModelError(f"{path} does not exist")
    try:
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch raises half a dozen kinds for a damaged file
        raise ModelError(f"{path} does not fit the model that spec.json describes: {error}") from error
