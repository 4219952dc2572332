"""Loops over vertices, quads and pixels, compiled on their first use and kept beside the source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function` of numpy arrays and numbers as machine code: one thread, IEEE arithmetic as written."""
    return cast(Function, numba.njit(function, cache=True, fastmath=False, error_model="numpy"))
