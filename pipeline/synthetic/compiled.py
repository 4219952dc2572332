"""Loops over vertices, quads and pixels, compiled on their first use and kept beside the source.

numba looks for changes in the file of a compiled function alone, though the function's code holds what it
calls in other files. So all sources of this folder are part of what a kept piece is looked up by.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy.typing as npt
from numba.core.caching import FunctionCache

Array = npt.NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function` of numpy arrays and numbers as machine code: one thread, IEEE arithmetic as written."""
    options: dict[str, Any] = dict(fastmath=False, error_model="numpy", no_cfunc_wrapper=True)
    dispatcher: Any = numba.njit(**options)(function)
    dispatcher._cache = _Cache(function)
    return cast(Function, dispatcher)


class _Cache(FunctionCache):
    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(signature, codegen), _sources())


@lru_cache(maxsize=1)
def _sources() -> str:
    """A digest of every source of this folder."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()
