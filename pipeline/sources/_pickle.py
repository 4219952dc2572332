"""Pickles of plain data, read without running what they say: everything else is refused by its name.

A pickle is a program: it may name any function of any module, call it and fill any object. The packs of this
field need lists, tuples, dicts, bytes, text, bool, numbers, and numpy's arrays and scalars of such, under the
module names of numpy 1 and 2. Each name below stands for a function of ours that checks what it is given, and
a state is taken by our arrays and types alone.

The unpickler written in Python is used, not the C one: its memo is a dict, so that an index of 2^32 is cheap.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from typing import Any, ClassVar, Literal

import numpy as np

from pipeline.sources import SourceError

Encoding = Literal["ASCII", "latin1", "bytes"]
PLAIN_TYPE = re.compile(r"[<>|=]?(?:[biufc]\d{1,2}|\?|[SU]\d{1,9}|bool|u?int\d{1,2}|float\d{2})")
FORBIDDEN = (
    "GLOBAL_EXT",
    "EXT1",
    "EXT2",
    "EXT4",
    "INST",
    "OBJ",
    "NEWOBJ",
    "NEWOBJ_EX",
    "PERSID",
    "BINPERSID",
)


class _Type:
    """numpy.dtype, of numbers, bool or fixed text; the state holds the order of its bytes."""

    def __init__(self, code: Any, *rest: Any) -> None:
        text = code.decode("ascii") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not PLAIN_TYPE.fullmatch(text):
            raise pickle.UnpicklingError(f"it asks for numpy.dtype({text!r})")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder("<" if order == "<" else ">")


class _Array(np.ndarray[Any, Any]):
    """numpy.ndarray, filled by its state: version, shape, type, Fortran's order, bytes."""

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, data = state
        array = _filled(data, kind, shape)
        filled: Any = (1, array.shape, array.dtype, bool(fortran), array.tobytes())
        super().__setstate__(filled)


def _filled(data: Any, kind: Any, shape: Any) -> np.ndarray[Any, Any]:
    raw = _raw(data)
    sizes = [int(size) for size in shape]
    if not isinstance(kind, _Type) or min(sizes, default=0) < 0:
        raise pickle.UnpicklingError(f"it asks for numpy.ndarray of {kind!r}, shape {sizes}")
    if math.prod(sizes) * kind.dtype.itemsize != len(raw):
        raise pickle.UnpicklingError(f"it asks for numpy.ndarray of shape {sizes} with {len(raw)} bytes")
    return np.frombuffer(raw, kind.dtype).reshape(sizes)


def _raw(data: Any) -> bytes:
    """Bytes, or Python 2's string that was decoded as Latin-1."""
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def _reconstruct(kind: Any, shape: Any, code: Any) -> np.ndarray[Any, Any]:
    return np.ndarray.__new__(_Array, (0,), "i1")


def _scalar(kind: Any, data: Any) -> Any:
    return _filled(data, kind, (1,))[0]


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any) -> np.ndarray[Any, Any]:
    """Protocol 5's way to keep an array."""
    flat = _filled(data, kind, shape).ravel()
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """How Python 3 writes bytes in protocol 2 and below."""
    if str(encoding) not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it asks for text in {encoding!r}")
    return str(text).encode("latin1")


def _bytes(data: Any = b"", encoding: Any = "latin1") -> bytes:
    return _encode(data, encoding) if isinstance(data, str) else bytes(memoryview(data))


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): None,  # an argument of the next one, which knows it anyway
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
    **{(module, name): _bytes for module in ("builtins", "__builtin__") for name in ("bytes", "bytearray")},
}


class _Plain(pickle._Unpickler):
    """An unpickler that knows the names above, and fills arrays and types alone."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[(module, name)]

    def _build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Array | _Type):
            raise pickle.UnpicklingError(f"it fills an object of {type(self.stack[-1]).__name__}")
        self.stack[-1].__setstate__(state)

    def _refuse(self) -> None:
        raise pickle.UnpicklingError("it makes an object of a class")

    dispatch[pickle.BUILD[0]] = _build
    for _name in FORBIDDEN:
        if hasattr(pickle, _name):
            dispatch[getattr(pickle, _name)[0]] = _refuse


def loads(data: bytes, where: str, encoding: Encoding = "ASCII") -> Any:
    """The plain data of a pickle; SourceError says what else it holds, or how it is damaged.

    `encoding` is that of Python 2's strings, as in `pickle.loads`; what isn't ASCII is read as bytes.
    """
    try:
        return _Plain(io.BytesIO(data), encoding=encoding).load()
    except UnicodeDecodeError as error:
        if encoding != "ASCII":
            raise SourceError(f"{where}: text that is not {encoding}: {error}") from error
    except pickle.UnpicklingError as error:
        only = "a pickle of images should hold lists, bytes, numbers and numpy arrays only"
        raise SourceError(f"{where} is refused: {error}; {only}") from error
    except Exception as error:  # a damaged pickle fails in any way: IndexError, TypeError, MemoryError ...
        raise SourceError(f"{where} is no whole pickle: {type(error).__name__}: {error}") from error
    return loads(data, where, "bytes")
