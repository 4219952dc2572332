"""What a key of a schema takes, in words: "a number from 0 to 1", "true or false", "one of: sgd, adam"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"  # of a dataset, a model, a preset
NAMED = "letters, digits, _ and -, a letter or digit first"
PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
Kind = tuple[Any, Sequence[Any]]  # an annotation, and the bounds that stand beside it


def fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Its fields by the names that a file gives them."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def kind(model: Any, loc: Iterable[int | str]) -> Kind:
    """What `model` takes at `loc`; None for what it does not know."""
    found: Kind = (model, ())
    for part in loc:
        annotation = _without_none(found[0])
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = fields(annotation).get(str(part))
            found = (field.annotation, field.metadata) if field else (None, ())
        else:
            inner = [each for each in get_args(annotation) if each is not ...]
            found = (inner[-1] if inner else None, ())
    return found


def known(model: Any, loc: Iterable[int | str]) -> list[str]:
    """The keys that `model` allows at `loc`."""
    annotation = kind(model, loc)[0]
    return sorted(fields(annotation)) if _is_model(annotation) else []


def takes(model: Any, loc: Iterable[int | str]) -> str:
    """What is right at `loc`, in words; empty where nothing short can be said."""
    return _said(*kind(model, loc))


def _said(annotation: Any, bounds: Sequence[Any] = ()) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _said(
            inner[0], [bound for extra in inner[1:] for bound in getattr(extra, "metadata", [extra])]
        )
    if origin in (Union, UnionType):
        kinds = [_said(each, bounds) for each in inner if each is not type(None)]
        return ", or ".join(filter(None, kinds))
    if origin is Literal:
        words = ", ".join(map(str, inner))
        return words if len(inner) == 1 else f"one of: {words}"
    if annotation in (int, float):
        return PLAIN[annotation] + _range(bounds)
    if _is_model(annotation):
        return f"a map of {', '.join(fields(annotation))}"
    if origin in (list, tuple):
        return _listed(origin, inner)
    if origin in (dict, Mapping) or annotation is dict:
        return "a map"
    return PLAIN.get(annotation, "")


def _listed(origin: Any, inner: Sequence[Any]) -> str:
    """A list of one kind, or a tuple of so many."""
    items = [each for each in inner if each is not ...]
    told = f" each of which is {_said(items[0])}" if items and _said(items[0]) else ""
    if origin is tuple and ... not in inner:
        return f"a list of {len(items)}," + told
    return "a list" + ("," + told if told else "")


def _range(bounds: Sequence[Any]) -> str:
    """ " from 0 to 1", " above 0 and below 1", " of 1 or more"."""
    least, above, most, below = (
        next((value for bound in bounds if (value := getattr(bound, name, None)) is not None), None)
        for name in ("ge", "gt", "le", "lt")
    )
    if least is not None and most is not None:
        return f" from {least} to {most}"
    low = f" of {least} or more" if least is not None else f" above {above}" if above is not None else ""
    high = f" of {most} or less" if most is not None else f" below {below}" if below is not None else ""
    return low + (" and" if low and high else "") + high


def _without_none(annotation: Any) -> Any:
    """`X` of `X | None`."""
    if get_origin(annotation) in (Union, UnionType):
        others = [each for each in get_args(annotation) if each is not type(None)]
        return others[0] if len(others) == 1 else annotation
    return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
