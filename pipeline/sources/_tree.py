"""Files by relative path: of a folder, an archive read in place, or a folder that holds archives.

An archive (or a link to one) inside a folder counts as a sub-folder of its own file name. Paths are sorted,
so that the order depends on names alone. Hidden files, and what macOS adds to archives, are left out.
Members of .tar and .zip are read where they lie; .tar.gz and .tgz have no index, so that they are unpacked
once into an unnamed temporary file.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import tempfile
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from pipeline.sources import SourceError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


class Store(Protocol):
    """Something that holds files."""

    def names(self) -> Iterator[str]: ...

    def read(self, name: str) -> bytes: ...


class Folder:
    """Files below `root`; links are followed, each real folder once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> Iterator[str]:
        seen = set()
        for folder, inside, here in os.walk(self.root, followlinks=True):
            real = os.path.realpath(folder)
            if real in seen:
                inside.clear()
                continue
            seen.add(real)
            inside.sort()
            for name in here:
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


class Tar:
    """Plain files of a tar archive; of members with one name the last counts, as when it is unpacked."""

    def __init__(self, path: Path) -> None:
        packed = path.name.lower().endswith("gz")
        self.file = _unpacked(path) if packed else open(path, "rb")  # noqa: SIM115 - read from until the end
        weakref.finalize(self, self.file.close)
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(0)
        self.places: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(fileobj=self.file, mode="r:") as archive:
                for member in archive:
                    if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                        self.places[member.name.removeprefix("./")] = (member.offset_data, member.size)
        except tarfile.TarError as error:
            raise SourceError(f"{path} is no whole tar archive: {error}") from error
        last = max(self.places.items(), key=lambda item: item[1], default=("", (0, 0)))
        if sum(last[1]) > size:
            raise SourceError(f"{path} is truncated: it ends inside {last[0]}")

    def names(self) -> Iterator[str]:
        return iter(self.places)

    def read(self, name: str) -> bytes:
        offset, size = self.places[name]
        self.file.seek(offset)
        return self.file.read(size)


class Zip:
    """Files of a zip archive."""

    def __init__(self, path: Path) -> None:
        try:
            self.archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise SourceError(f"{path} is no whole zip archive: {error}") from error

    def names(self) -> Iterator[str]:
        return (info.filename for info in self.archive.infolist() if not info.is_dir())

    def read(self, name: str) -> bytes:
        return self.archive.read(name)


def _unpacked(path: Path) -> IO[bytes]:
    """The tar inside a gzip, in a temporary file that has no name and goes when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - its reader closes it
    try:
        with gzip.open(path, "rb") as packed:
            shutil.copyfileobj(packed, file, 1 << 20)
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} can't be unpacked: {error}") from error
    return file


def _store(path: Path) -> Store:
    if path.is_dir():
        return Folder(path)
    return Zip(path) if path.name.lower().endswith(".zip") else Tar(path)


def is_archive(name: str | Path) -> bool:
    return str(name).lower().endswith(ARCHIVES)


class Tree:
    """Every file of `root` by its path inside it."""

    def __init__(self, root: Path) -> None:
        if not root.exists():
            raise SourceError(f"{root} does not exist: put a folder or an archive there, or a link to one")
        # a link has the dataset's name: its target's name tells what it is
        if not root.is_dir() and not is_archive(root) and not is_archive(root.resolve()):
            raise SourceError(f"{root} is neither a folder nor an archive ({', '.join(ARCHIVES)})")
        self.root = root
        self._places: dict[str, tuple[Store, str]] = {}
        self._add(_store(root if root.is_dir() or is_archive(root) else root.resolve()))
        self.paths = sorted(self._places)

    def _add(self, store: Store) -> None:
        for name in store.names():
            if any(part.startswith(".") or part == "__MACOSX" for part in name.split("/")):
                continue
            if isinstance(store, Folder) and is_archive(name):
                inner = _store(store.root / name)
                self._places.update({f"{name}/{member}": (inner, member) for member in inner.names()})
            else:
                self._places[name] = (store, name)

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def read(self, path: str) -> bytes:
        store, name = self._places[path]
        return store.read(name)

    def read_list(self, path: str) -> bytes:
        """A list that params name. It lies inside the tree: what lies outside could change unseen."""
        if path not in self:
            raise SourceError(f"{path} is not in {self.root}")
        return self.read(path)
