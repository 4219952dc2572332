"""What the chosen size of the synthetic world says where a parameter is `size`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sized(params: Mapping[str, Any], value: Any, part: str, key: str) -> Any:
    """`value`, or where it says `size`, what the chosen size has at `part.key`.

    `params` are a stage's declared params: their `sizes` hold the chosen size alone.
    """
    if value != "size":
        return value
    sizes = params["sizes"]
    if len(sizes) != 1:
        raise ValueError(f"sizes: {', '.join(sizes)} are declared; a stage must see the chosen one alone")
    (name, size), *_ = sizes.items()
    if key not in size[part]:
        raise ValueError(f"sizes.{name}.{part} has no {key!r}; it has {', '.join(size[part])}")
    return size[part][key]
