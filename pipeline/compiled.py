"""Loops over pixels or bytes, compiled on their first use and kept beside the source.

numba looks for changes in the file of a compiled function alone, though the function's code holds what it
calls in other files; and it writes its index before the code that this points to, under names that it uses
again, so that a kill in between leaves old code for a new key. So the names of what is kept hold a digest
of all sources of the function's folder, which must hold whatever it calls and every constant that it takes.
One process compiles, while the others wait and then load what it made.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy.typing as npt
from numba.core.caching import FunctionCache, IndexDataCacheFile

LOG = logging.getLogger(__name__)

Array = npt.NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """`function` of numpy arrays and numbers as machine code: one thread, IEEE arithmetic as written.

    Other threads of Python run meanwhile.
    """
    options: dict[str, Any] = dict(fastmath=False, error_model="numpy", no_cfunc_wrapper=True, nogil=True)
    dispatcher: Any = numba.njit(**options)(function)
    dispatcher._cache = cache = _Cache(function)
    compile_or_load = dispatcher.compile

    def alone(signature: Any) -> Any:
        with _alone(Path(cache.cache_path) / "compiled.lock"):
            return compile_or_load(signature)

    dispatcher.compile = alone
    return cast(Function, dispatcher)


class _Cache(FunctionCache):
    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._folder = Path(function.__code__.co_filename).parent
        digest = _sources(self._folder)
        name = f"{self._impl.filename_base}-{digest}"
        self._cache_file = IndexDataCacheFile(self._cache_path, name, digest)

    def load_overload(self, signature: Any, context: Any) -> Any:
        found = super().load_overload(signature, context)
        if found is None:
            _tell(self._folder)
        return found


_ONE = threading.RLock()
_HELD = [0]  # functions that this process is compiling, one of them for the next


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process or thread compiles: each would take all of the time and memory for the same code."""
    path.parent.mkdir(parents=True, exist_ok=True)  # who removes what is compiled may do so at any time
    with _ONE, open(path, "a") as file:
        if not _HELD[0]:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        _HELD[0] += 1
        try:
            yield
        finally:
            _HELD[0] -= 1


@lru_cache
def _tell(folder: Path) -> None:
    LOG.info("compiling the loops of %s, once a checkout: up to half a minute of one core", folder.name)


@lru_cache
def _sources(folder: Path) -> str:
    """A digest of every source of the folder, of this file, and of the compiler."""
    found = hashlib.sha256(numba.__version__.encode())
    for path in [Path(__file__), *sorted(folder.glob("*.py"))]:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]
