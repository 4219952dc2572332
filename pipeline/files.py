"""Files that are whole or absent: written aside, flushed, renamed."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


def _aside(path: str | Path) -> Path:
    """A name beside `path` for what is being written; what killed processes left there is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        pid = left.name.removesuffix(".tmp").rpartition(".")[2]
        if pid.isdigit() and Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextmanager
def writing(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that takes `path`'s place only if the block ends well.

    A failure (a full disk included) leaves what stood at `path` as it was and no debris.
    """
    aside, path = _aside(path), Path(path)
    try:
        with open(aside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except Exception as error:
        # torch, for one, turns a failed write into an error without a name
        cause = error if isinstance(error, OSError) else error.__context__
        if isinstance(cause, OSError) and cause.filename is None:
            raise OSError(cause.errno, f"could not write {path}: {cause.strerror}") from error
        raise
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def writing_dir(path: str | Path) -> Iterator[Path]:
    """A folder that takes `path`'s place only if the block ends well."""
    aside, path = _aside(path), Path(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        shutil.rmtree(path, ignore_errors=True)
        os.replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def making_dir(path: str | Path) -> Iterator[Path]:
    """A folder that is at `path` only if the block ends well; whoever ends first has made it.

    What `path` lies in has to be there: a late process must not bring back a folder that was removed.
    """
    path, aside = Path(path), _mine(path)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        try:
            os.rename(aside, path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_dir(path: str | Path) -> None:
    """Remove a folder, if it is there; at `path` it is whole or gone, whenever this is killed.

    It is renamed first: who still writes into it fails then, instead of keeping the half of it.
    """
    aside = _mine(path)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    except OSError:  # a file system that renames no folder
        shutil.rmtree(path, ignore_errors=True)
    shutil.rmtree(aside, ignore_errors=True)


def _mine(path: str | Path) -> Path:
    """A name beside `path` that no other process has, on whatever machine."""
    return Path(path).with_name(f".{Path(path).name}.{os.getpid()}{_machine()}.tmp")


def _machine() -> str:
    """What names this one where several write into one folder; no dot, no digits alone."""
    return "@" + re.sub(r"\W", "-", platform.node())


def sweep(folder: Path) -> None:
    """Remove what dead processes of this machine left of such folders; those of others may be alive."""
    for left in folder.glob(f".*{_machine()}.tmp"):
        pid = left.name.removesuffix(f"{_machine()}.tmp").rpartition(".")[2]
        if pid.isdigit() and Path("/proc/self").exists() and not Path(f"/proc/{pid}").exists():
            remove_dir(left)


def write_bytes(path: str | Path, data: bytes) -> None:
    with writing(path) as file:
        file.write(data)


def write_text(path: str | Path, text: str) -> None:
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Sorted keys, two spaces: the same value gives the same bytes. NaN and infinities are refused by key."""
    try:
        text = json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: {_not_finite(value) or error}") from error
    write_text(path, text + "\n")


def _not_finite(value: Any, key: str = "") -> str:
    """'a.b[2] is nan' of the first number that is none; "" without."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{key or 'the value'} is {value}"
    items: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        items = [(f"{key}.{name}" if key else str(name), inner) for name, inner in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{key}[{place}]", inner) for place, inner in enumerate(value)]
    return next(filter(None, (_not_finite(inner, name) for name, inner in items)), "")


def read_json(path: str | Path) -> Any:
    return json.loads(Path(path).read_text())


def write_with(path: str | Path, save: Callable[[Any], None]) -> None:
    """`save(file)`, whole or not at all: for torch.save, Figure.savefig, pyarrow writers."""
    with writing(path) as file:
        save(file)
