"""The rule that every recogniser of params.yaml can be built: widths, groups and image size go together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from pipeline import plugin
from pipeline.params.data import used
from pipeline.params.models import nets
from pipeline.params.problem import Problem, Tree, tree
from pipeline.params.schema import Dataset


def buildable(values: Tree) -> Iterator[Problem]:
    """Nets are built without memory for weights; what their backbones and convolutions refuse is told."""
    size = _size(values)
    for path, entry in nets(values):
        names = {key: str(entry.get(key, "")) for key in ("backbone", "shape", "conv")}
        if size:
            shape = tree(values, "backbones", names["backbone"]).get(names["shape"])
            conv = tree(values, "convs").get(names["conv"])
            if isinstance(shape, dict) and isinstance(conv, dict) and names["backbone"] != "onnx":
                yield from _built(path, names, shape, conv, size)


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


def _built(path: str, names: dict[str, str], shape: Tree, conv: Tree, size: int) -> Iterator[Problem]:
    import torch

    try:
        backbones, convs = plugin.load("backbones", names["backbone"]), plugin.load("convs", names["conv"])
        wanted, factory = backbones.Params(**shape), convs.build(convs.Params(**conv))
    except (ValidationError, plugin.UnknownPluginError):
        return  # presets say what is wrong there
    try:
        with torch.device("meta"), unfilled():
            backbones.build(wanted, factory, size)
    except ValueError as error:
        what = f"{names['backbone']}.{names['shape']} with conv {names['conv']} can't be built: {error}"
        yield Problem(f"{path}.shape", what)


def _size(values: Tree) -> int | None:
    """The side of the images that the used datasets have, if all have one."""
    default = Dataset.model_fields["crop"].default
    crops = [tree(values, "datasets", name).get("crop", default) for name in used(values)]
    sizes = {tree(values, "crops", str(crop)).get("size") for crop in crops}
    size = sizes.pop() if len(sizes) == 1 else None
    return size if isinstance(size, int) else None


RULES = (buildable,)
