"""Files by relative path: of a folder, an archive read in place, or a folder that holds archives.

An archive (or a link to one) inside a folder counts as a sub-folder of its own file name. Paths are sorted,
so that the order depends on names alone. Hidden files, and what macOS adds to archives, are left out.
Members of .tar and .zip are read where they lie; .tar.gz and .tgz have no index, so that they are unpacked
once into an unnamed temporary file.

Nothing is ever written under a member's name, so that `../` and links can't lead anywhere; a member with such
a name is refused all the same, since nobody packs it by accident, and links are no files. What unpacks to
more than `MAX_MEMBER`, or an archive to more than `MAX_RATIO` times its size, is a decompression bomb.
"""

from __future__ import annotations

import gzip
import os
import stat
import struct
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

from pipeline.records.places import Place
from pipeline.sources import SourceError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
LOCAL = struct.Struct("<26xHH")  # a zip member's local header: lengths of its name and of its extra field
MAX_MEMBER = 1 << 30  # bytes of an unpacked file: the largest list known is a tenth of it
MAX_RATIO, FREE = 200, 1 << 30  # images hardly shrink; what is small may shrink as it likes


def checked(name: str, where: Path) -> str:
    """A member's name, if it stays inside its archive."""
    name = name.removeprefix("./")
    if name.startswith("/") or ".." in name.replace("\\", "/").split("/") or "\0" in name:
        raise SourceError(f"{where}: member {name!r} points outside the archive: it is refused")
    return name


def shown(name: str) -> str:
    """A file's name as text: bytes that are no UTF-8 become \\xNN, since a sample's id must be UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class Store(Protocol):
    """Something that holds files."""

    def names(self) -> Iterator[str]: ...

    def read(self, name: str) -> bytes: ...

    def start(self, name: str) -> tuple[str, int] | None:
        """The raw file that holds these bytes as they are, and where they begin in it; None if none does."""
        ...


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

    def start(self, name: str) -> tuple[str, int]:
        return name, 0


class Tar:
    """Plain files of a tar archive; of members with one name the last counts, as when it is unpacked.

    `where` is the archive's own path below the dataset's raw folder.
    """

    def __init__(self, path: Path, where: str = ".") -> None:
        self.where, self.packed = where, _is_gzip(path)
        self.file = _unpacked(path) if self.packed else open(path, "rb")  # noqa: SIM115 - read from until the end
        weakref.finalize(self, self.file.close)
        size = self.file.seek(0, os.SEEK_END)
        self.file.seek(0)
        self.places: dict[str, tuple[int, int]] = {}
        try:
            with tarfile.open(fileobj=self.file, mode="r:") as archive:
                for member in archive:
                    if member.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                        self.places[checked(member.name, path)] = (member.offset_data, member.size)
        except (tarfile.TarError, ValueError, OverflowError, EOFError) as error:
            if isinstance(error, SourceError):
                raise
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

    def start(self, name: str) -> tuple[str, int] | None:
        return None if self.packed else (self.where, self.places[name][0])


class Zip:
    """Files of a zip archive; `where` is its own path below the dataset's raw folder."""

    def __init__(self, path: Path, where: str = ".") -> None:
        self.path, self.where = path, where
        try:
            self.archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
            raise SourceError(f"{path} is no whole zip archive: {error}") from error
        named = [info for info in self.archive.infolist() if info.filename]  # is_dir fails on an empty name
        files = [info for info in named if not info.is_dir() and not _is_link(info)]
        self.infos = {checked(info.filename, path): info for info in files}  # of one name the last counts
        _bounded(sum(info.file_size for info in self.infos.values()), path)

    def names(self) -> Iterator[str]:
        return iter(self.infos)

    def read(self, name: str) -> bytes:
        info = self.infos[name]
        if info.file_size > MAX_MEMBER:
            raise SourceError(f"{self.path}: {name} unpacks to {info.file_size} bytes, {MAX_MEMBER} at most")
        try:
            with self.archive.open(info) as file:
                data = file.read(info.file_size + 1)  # a header may lie
        except (
            zipfile.BadZipFile,
            zlib.error,
            RuntimeError,
            ValueError,
            EOFError,
            OSError,
        ) as error:
            raise SourceError(f"{self.path}: {name} can't be unpacked: {error}") from error
        if len(data) > info.file_size:
            raise SourceError(
                f"{self.path}: {name} unpacks to more than the {info.file_size} bytes it promises"
            )
        return data

    def start(self, name: str) -> tuple[str, int] | None:
        """Of a member that is stored as it is: behind a header of its own, of 30 bytes and two texts."""
        info = self.infos[name]
        if info.compress_type != zipfile.ZIP_STORED:
            return None
        with open(self.path, "rb") as file:
            file.seek(info.header_offset)
            texts = LOCAL.unpack(file.read(LOCAL.size))
        return self.where, info.header_offset + LOCAL.size + sum(texts)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _bounded(size: int, path: Path) -> None:
    """Raise if `size` unpacked bytes are more than an archive of images gives."""
    limit = max(FREE, MAX_RATIO * path.stat().st_size)
    if size > limit:
        raise SourceError(
            f"{path} unpacks to more than {limit} bytes: a decompression bomb; unpack it yourself"
        )


def _unpacked(path: Path) -> IO[bytes]:
    """The tar inside a gzip, in a temporary file that has no name and goes when it is closed."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - its reader closes it
    try:
        with gzip.open(path, "rb") as packed:
            while piece := packed.read(1 << 20):
                file.write(piece)
                _bounded(file.tell(), path)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path} can't be unpacked: {error}") from error
    return file


def load(store: Store, name: str) -> tuple[bytes, Place | None]:
    """A file's bytes, and where they lie as they are in a raw file, None if nowhere."""
    data, start = store.read(name), store.start(name)
    if start is None or start[0] != shown(start[0]):  # a table holds UTF-8 alone
        return data, None
    return data, Place(*start, len(data))


def _is_gzip(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _store(path: Path, where: str = ".") -> Store:
    if path.is_dir():
        return Folder(path)
    zipped = path.name.lower().endswith(".zip") if is_archive(path) else zipfile.is_zipfile(path)
    return Zip(path, where) if zipped else Tar(path, where)


def is_archive(name: str | Path) -> bool:
    return str(name).lower().endswith(ARCHIVES)


def _holds_files(path: Path) -> bool:
    return zipfile.is_zipfile(path) or tarfile.is_tarfile(path)


class Tree:
    """Every file of `root` by its path inside it."""

    def __init__(self, root: Path) -> None:
        if not root.exists():
            raise SourceError(f"{root} does not exist: put a folder or an archive there, or a link to one")
        # a link has the dataset's name: its target's name tells what it is, or without one its content
        named = root if root.is_dir() or is_archive(root) else root.resolve()
        if not root.is_dir() and not is_archive(named) and not _holds_files(root):
            raise SourceError(f"{root} is neither a folder nor an archive ({', '.join(ARCHIVES)})")
        self.root = root
        self._places: dict[str, tuple[Store, str]] = {}
        self._add(_store(named))
        self.paths = sorted(self._places)

    def _add(self, store: Store) -> None:
        for name in store.names():
            if any(part.startswith(".") or part == "__MACOSX" for part in name.split("/")):
                continue
            if isinstance(store, Folder) and is_archive(name):
                inner = _store(store.root / name, name)
                self._places.update({shown(f"{name}/{member}"): (inner, member) for member in inner.names()})
            else:
                self._places[shown(name)] = (store, name)

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def read(self, path: str) -> bytes:
        store, name = self._places[path]
        return store.read(name)

    def load(self, path: str) -> tuple[bytes, Place | None]:
        """The bytes at `path`, and where they lie."""
        return load(*self._places[path])

    def read_list(self, path: str) -> bytes:
        """A list that params name. It lies inside the tree: what lies outside could change unseen."""
        if path not in self:
            raise SourceError(f"{path} is not in {self.root}")
        return self.read(path)
