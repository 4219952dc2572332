"""Rules that need nets: widths, groups and image size go together; a model starts from a net of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from pipeline import plugin
from pipeline.params.data import used
from pipeline.params.models import model_at, nets
from pipeline.params.problem import NONE, Problem, Tree, tree
from pipeline.params.schema import Dataset

KINDS = ("backbone", "shape", "conv", "landmark")  # what names of an entry decide on a net's weights


def buildable(values: Tree) -> Iterator[Problem]:
    """What backbones and convolutions refuse is told."""
    for path, entry in nets(values):
        try:
            _net(values, entry)
        except ValueError as error:
            what = f"{entry['backbone']}.{entry['shape']} with conv {entry['conv']} can't be built: {error}"
            yield Problem(f"{path}.shape", what)


def starts(values: Tree) -> Iterator[Problem]:
    """A model that starts from another has weights of the same names and sizes."""
    entries = {path.partition(".")[2]: entry for path, entry in nets(values)}
    for path, entry in nets(values):
        name = model_at(entry.get("init"))
        origin = entries.get(name) if name else None
        if origin is None:
            continue
        ours, theirs = (_weights(values, each) for each in (entry, origin))
        if ours and theirs and ours != theirs:
            other = [key for key in KINDS if entry.get(key) != origin.get(key)]
            said = ", ".join(f"{key} {origin.get(key)} and not {entry.get(key)}" for key in other)
            what = f"{name!r} is another architecture: {said}"
            yield Problem(f"{path}.init", what, f"give both the same {' and '.join(other)}, or write {NONE}")


def unfilled() -> Any:
    """A context where first weights are not drawn: without memory there are none, and torch would load its
    whole compiler to draw them."""
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        def __torch_function__(
            self,
            called: Callable[..., Any],
            types: Any,
            args: tuple[Any, ...] = (),
            kwargs: Tree | None = None,
        ) -> Any:
            given = kwargs or {}
            if getattr(called, "__module__", None) == "torch.nn.init":
                return args[0] if args else given["tensor"]
            return called(*args, **given)

    return Unfilled()


def _weights(values: Tree, entry: Tree) -> dict[str, tuple[int, ...]]:
    """Name -> shape of a net's weights; nothing where it can't be built, as `buildable` says."""
    try:
        net = _net(values, entry)
    except ValueError:
        return {}
    return {} if net is None else {name: tuple(value.shape) for name, value in net.state_dict().items()}


def _net(values: Tree, entry: Tree) -> Any:
    """The net of an entry, without memory for weights; none of a wrong preset or images of no one size."""
    backbone, conv, size = str(entry.get("backbone")), str(entry.get("conv")), _size(values)
    shape = tree(values, "backbones", backbone).get(str(entry.get("shape")))
    mixture = tree(values, "convs").get(conv)
    if size is None or not isinstance(shape, dict) or not isinstance(mixture, dict) or backbone == "foreign":
        return None
    import torch

    try:
        backbones, convs = plugin.load("backbones", backbone), plugin.load("convs", conv)
        wanted, factory = backbones.Params(**shape), convs.build(convs.Params(**mixture))
    except (ValidationError, plugin.UnknownPluginError):
        return None  # presets say what is wrong there
    # heatmaps beside the image make the first layer another; how many does not matter here
    channels = 3 if entry.get("landmark") in (None, str(NONE)) else 4
    with torch.device("meta"), unfilled():
        return backbones.build(wanted, factory, size, channels)


def _size(values: Tree) -> int | None:
    """The side of the images that the used datasets have, if all have one."""
    default = Dataset.model_fields["crop"].default
    crops = [tree(values, "datasets", name).get("crop", default) for name in used(values)]
    sizes = {tree(values, "crops", str(crop)).get("image_size") for crop in crops}
    size = sizes.pop() if len(sizes) == 1 else None
    return size if isinstance(size, int) else None


RULES = (buildable, starts)
