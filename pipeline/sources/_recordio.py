"""RecordIO, dmlc's container of byte strings, and the image records that MXNet and InsightFace put into it.

A record of a .rec file, little-endian, starts at a multiple of 4 bytes:

    0   uint32   magic 0xced7230a
    4   uint32   cflag << 29 | length     cflag 0: whole; 1, 2, 3: first, middle, last part of a record
    8   length bytes, then zeros up to the next multiple of 4

Bytes that equal the magic, at a multiple of 4 of the data, are left out by the writer: parts are cut there.
The reader puts the magic back between two parts. An image record's data:

    0   uint32   flag      0: the label is the float below; n > 0: n floats follow the header
    4   float32  label     (float64 at byte 8, and the header 32 bytes long, in sets packed "IdQQ")
    8   uint64   id, 16  uint64  id2
    24  flag x float32, then the encoded image

The .idx beside it (`_index`) has a line `key <tab> byte` a record. Layout: dmlc/dmlc-core
include/dmlc/recordio.h and src/recordio.cc, apache/mxnet python/mxnet/recordio.py (04ec869),
tanghan/torch-face tools/basic ("IdQQ").
Checked against libmxnet 1.9.1: bytes written are equal, bytes read are equal.
"""

from __future__ import annotations

import os
import struct
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np
import numpy.typing as npt

from pipeline.sources import SourceError

MAGIC = 0xCED7230A
MAGIC_BYTES = MAGIC.to_bytes(4, "little")
HEAD = struct.Struct("<II")  # magic, cflag and length
MAX_LENGTH = (1 << 29) - 1  # of a part; a writer refuses longer records
BUFFER = 1 << 20
Labels = Literal["float32", "float64"]
HEADERS = {"float32": struct.Struct("<IfQQ"), "float64": struct.Struct("<I4xdQQ")}
Ints = npt.NDArray[np.int64]


class RecordError(SourceError):
    """A .rec or .idx file that is not what its format says: which file, record and byte."""


@dataclass(frozen=True)
class Header:
    """What stands before an image: its labels (one, or a vector), its id and the id's upper half."""

    label: tuple[float, ...]
    id: int
    id2: int = 0
    flag: int = 0  # the number of labels if they are a vector, 0 for a single one


def pack(header: Header, content: bytes, labels: Labels = "float32") -> bytes:
    """Data of an image record; `flag` > 0 writes the labels as a vector."""
    vector = header.flag > 0
    head = HEADERS[labels].pack(
        len(header.label) if vector else 0, 0.0 if vector else header.label[0], header.id, header.id2
    )
    return head + (np.asarray(header.label, labels).tobytes() if vector else b"") + content


def unpack(data: bytes, labels: Labels = "float32") -> tuple[Header, bytes]:
    """Header and image of a record's data; ValueError if it is too short for what it promises."""
    layout, width = HEADERS[labels], np.dtype(labels).itemsize
    if len(data) < layout.size:
        raise ValueError(f"{len(data)} bytes are no image record, its header alone takes {layout.size}")
    flag, label, number, upper = layout.unpack_from(data)
    if not flag:
        return Header((label,), number, upper), data[layout.size :]
    end = layout.size + flag * width
    if end > len(data):
        raise ValueError(f"its header promises {flag} labels, {len(data)} bytes can't hold them")
    vector = np.frombuffer(data, labels, flag, layout.size)
    return Header(tuple(vector.tolist()), number, upper, flag), data[end:]


def header_size(header: Header, labels: Labels) -> int:
    """Bytes of a record's data that stand before its image."""
    return HEADERS[labels].size + header.flag * np.dtype(labels).itemsize


class Reader:
    """Random access to the records of a .rec file; in the order of the file it reads ahead."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = open(path, "rb", buffering=BUFFER)  # noqa: SIM115 - read from until the end
        weakref.finalize(self, self.file.close)
        self.size = os.fstat(self.file.fileno()).st_size

    def error(self, offset: int, what: str, key: int | None = None) -> RecordError:
        name = "" if key is None else f"record {key}, "
        return RecordError(f"{self.path}: {name}byte {offset}: {what}")

    def at(self, offset: int, key: int | None = None) -> bytes:
        """Data of the record that starts at byte `offset`; `key` is for the error's text."""
        self.file.seek(offset)
        flag, data = self._part(offset, key)
        if flag == 0:
            return data
        if flag != 1:
            raise self.error(offset, f"part {flag} of a record whose first part is missing", key)
        parts = [data]
        while flag != 3:
            offset += HEAD.size + -(-len(parts[-1]) // 4) * 4
            self.file.seek(offset)
            flag, data = self._part(offset, key)
            if flag not in (2, 3):
                raise self.error(offset, "a record begins before the parts of the last one have ended", key)
            parts.append(data)
        return MAGIC_BYTES.join(parts)

    def is_whole(self, offset: int) -> bool:
        """Whether the record that starts at byte `offset` lies there in one part."""
        self.file.seek(offset)
        return HEAD.unpack(self.file.read(HEAD.size))[1] <= MAX_LENGTH

    def _part(self, offset: int, key: int | None) -> tuple[int, bytes]:
        head = self.file.read(HEAD.size)
        if len(head) < HEAD.size:
            raise self.error(offset, f"truncated: the file ends at byte {self.size}, inside a header", key)
        magic, word = HEAD.unpack(head)
        if magic != MAGIC:
            raise self.error(offset, f"no record starts here: {magic:#010x} instead of {MAGIC:#010x}", key)
        flag, length = word >> 29, word & MAX_LENGTH
        if flag > 3:
            raise self.error(offset, f"cflag {flag}, it should be 0 to 3", key)
        end = offset + HEAD.size + length
        if end > self.size:
            raise self.error(offset, f"truncated: it ends at byte {end}, the file at {self.size}", key)
        data = self.file.read(length)
        if len(data) < length:
            raise self.error(
                offset, f"the file had {self.size} bytes when it was opened, and has fewer now", key
            )
        return flag, data

    def scan(self) -> Iterator[tuple[int, bytes]]:
        """(byte, data) of every record, in the order of the file."""
        offset = 0
        while offset < self.size:
            data = self.at(offset)
            yield offset, data
            offset = -(-self.file.tell() // 4) * 4


def write(file: IO[bytes], data: bytes) -> None:
    """One record, cut into parts where the magic stands in its data."""
    if len(data) > MAX_LENGTH:
        raise RecordError(f"a record of {len(data)} bytes: RecordIO takes {MAX_LENGTH} at most")
    cuts = _cuts(data)
    start = 0
    for cut in cuts:
        _write_part(file, 1 if start == 0 else 2, data[start:cut])
        start = cut + 4
    _write_part(file, 3 if cuts else 0, data[start:])


def _write_part(file: IO[bytes], flag: int, data: bytes) -> None:
    file.write(HEAD.pack(MAGIC, flag << 29 | len(data)))
    file.write(data)
    file.write(bytes(-len(data) % 4))


def _cuts(data: bytes) -> Sequence[int]:
    """Where the magic stands at a multiple of 4."""
    found, at = [], data.find(MAGIC_BYTES)
    while at >= 0:
        if at % 4 == 0:
            found.append(at)
        at = data.find(MAGIC_BYTES, at + (4 if at % 4 == 0 else 1))
    return found
