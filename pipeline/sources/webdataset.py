"""WebDataset shards: tar archives whose files belong together by their names up to the first dot.

    00000/000123.jpg  000123.cls  000123.json     one sample: image, class, anything else

`.cls` is a whole number or a text, `.json` a table whose keys are columns of `_list` (identity, age ...);
other files are left out. Shards are read where they lie, in the order of their names, their samples likewise.
Layout: webdataset/webdataset, "The WebDataset Format" in its README, and webdataset/tariterators.py
(base_plus_ext: the key is the path up to the first dot of the file's name).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, _image, _list
from pipeline.sources._image import SUFFIXES, Check, Images
from pipeline.sources._tree import Tar, load
from pipeline.strict import Inside


class Params(Images):
    """Which shards, and where the class stands."""

    files: Inside = "**/*.tar*"  # a pattern in the dataset's folder
    label: str = "cls"  # the file that says who it is, or a key of the .json


class ShardSource:
    """Samples of all shards; a sample's id is its shard's name and its key."""

    def __init__(
        self, paths: list[Path], root: Path, label: str = "cls", box: str = "none", check: Check = "header"
    ) -> None:
        self.paths, self.label, self.box, self.check = paths, label, box, check
        self.shards = [
            (path.name.split(".")[0], _grouped(path, path.relative_to(root).as_posix())) for path in paths
        ]
        if not any(groups for _, (_, groups) in self.shards):
            raise SourceError(f"{paths[0]} and the other {len(paths) - 1} shards hold no image")

    def __len__(self) -> int:
        return sum(len(groups) for _, (_, groups) in self.shards)

    def samples(self) -> Iterator[Sample | Skipped]:
        for path, (name, (tar, groups)) in zip(self.paths, self.shards, strict=True):
            for key, members in groups.items():
                yield self._sample(tar, f"{name}/{key}", members, f"{path}, {key}")

    def _sample(self, tar: Tar, sample_id: str, members: dict[str, str], here: str) -> Sample | Skipped:
        image = next(extension for extension in members if f".{extension}" in SUFFIXES)
        try:
            known = self._known(tar, members, here)
        except SourceError as error:
            return Skipped(sample_id, str(error))
        data, place = load(tar, members[image])
        return _image.sample(sample_id, data, self.box, self.check, place=place, **known)

    def _known(self, tar: Tar, members: dict[str, str], here: str) -> dict[str, Any]:
        known: dict[str, Any] = {}
        table: Any = {}
        if "json" in members:
            try:
                table = json.loads(tar.read(members["json"]))
            except ValueError as error:
                raise SourceError(f"{here}.json: {error}") from error
            if not isinstance(table, dict):
                raise SourceError(f"{here}.json should be a table, is a {type(table).__name__}")
            known = {name: _list.known(name, table[name], here) for name in _list.COLUMNS if name in table}
        if self.label in members:
            known["identity"] = _text(tar.read(members[self.label]), f"{here}.{self.label}")
        elif self.label in table and table[self.label] is not None:
            known["identity"] = str(table[self.label])
        return known

    def pairs(self) -> list[dict[str, Any]]:
        return []

    def about(self) -> dict[str, Any]:
        return {"shards": len(self.paths)}


def _text(data: bytes, where: str) -> str:
    try:
        text = data.decode().strip()
    except UnicodeDecodeError as error:
        raise SourceError(f"{where} is no text: {error}") from error
    if not text:
        raise SourceError(f"{where} is empty")
    return text


def _grouped(path: Path, where: str) -> tuple[Tar, dict[str, dict[str, str]]]:
    """The shard, and for every key with an image: extension -> member."""
    tar = Tar(path, where)
    groups: dict[str, dict[str, str]] = {}
    for member in tar.names():
        folder, slash, file = member.rpartition("/")
        stem, _, extension = file.partition(".")
        if stem:
            groups.setdefault(f"{folder}{slash}{stem}", {})[extension.lower()] = member
    with_image = {
        key: members for key, members in groups.items() if any(f".{each}" in SUFFIXES for each in members)
    }
    return tar, with_image


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> ShardSource:
    paths = [raw] if raw.is_file() else sorted(path for path in raw.glob(params.files) if path.is_file())
    if not paths:
        raise SourceError(f"{raw} holds no {params.files}")
    names = [path.name.split(".")[0] for path in paths]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise SourceError(f"{raw} holds more than one shard called {min(twice)}")
    return ShardSource(paths, raw, params.label, params.box, params.check)
