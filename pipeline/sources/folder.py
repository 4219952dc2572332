"""Images of a folder or archive: identity = the image's folder, or as a csv/parquet list says.

A sample's id is its path. Files without an image's suffix are no samples. A file that is cut off or no
image is skipped with its reason, and so is one that a list names and the folder lacks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, _image, _lfw, _list
from pipeline.sources._image import SUFFIXES
from pipeline.sources._tree import Tree
from pipeline.strict import Inside, Strict

LOG = logging.getLogger(__name__)


class Params(Strict):
    """How to read the folder."""

    identity: Literal["folder", "none"] = "folder"  # who is on an image: its folder's name, or nobody knows
    name: Literal["identity", "folder"] = "identity"  # the person's name in the world, for overlap by name
    list: Inside | None = None  # csv or parquet of samples, path in the dataset's folder
    pairs: Inside | None = None  # LFW's pairs.txt, path likewise
    protocol: str | None = None  # what the pairs are called; the stem of `pairs` if not given
    box: Literal["none", "whole"] = "none"  # whole: every image is one face up to its borders


def load(tree: Tree, path: str) -> Sample | Skipped:
    """The image at `path`, checked by decoding it."""
    if path not in tree:
        return Skipped(path, "listed, but missing")
    data, place = tree.load(path)
    return _image.sample(path, data, place=place)


class FolderSource:
    """Samples in the order of their paths, or of the list."""

    def __init__(
        self,
        raw: Path,
        identity: str = "folder",
        name: str = "identity",
        list_path: str | None = None,
        pairs_path: str | None = None,
        protocol: str | None = None,
        whole_box: bool = False,
    ) -> None:
        self.tree = Tree(raw)
        self.identity, self.name, self.whole_box = identity, name, whole_box
        self.images = [p for p in self.tree.paths if p.lower().endswith(SUFFIXES)]
        self.rows: list[dict[str, Any]] = [{"path": p} for p in self.images]
        self.list_path, self.pairs_path = list_path, pairs_path
        if list_path:
            self.rows = _list.read(self.tree.read_list(list_path), list_path)
        elif not self.images:
            raise SourceError(f"{raw} holds no image ({', '.join(SUFFIXES)})")
        self.protocol = protocol or (Path(pairs_path).stem if pairs_path else "")
        # read before the images are, so that a wrong list fails in the first second
        self._pairs = self._read_pairs()

    def _read_pairs(self) -> list[dict[str, Any]]:
        if not self.pairs_path:
            return []
        text = _list.text(self.tree.read_list(self.pairs_path), self.pairs_path)
        return _lfw.rows(text, self.pairs_path, self.protocol, (row["path"] for row in self.rows))

    def __len__(self) -> int:
        return len(self.rows)

    def samples(self) -> Iterator[Sample | Skipped]:
        for row in self.rows:
            path, known = row["path"], {key: value for key, value in row.items() if key != "path"}
            sample = load(self.tree, path)
            if isinstance(sample, Sample):
                self._describe(sample, known)
            yield sample

    def _describe(self, sample: Sample, known: Mapping[str, Any]) -> None:
        """What the folder, then the list, says of a sample."""
        folder = PurePosixPath(sample.sample_id).parent.name or None
        if self.identity == "folder":
            sample.identity = folder
        for key, value in known.items():
            setattr(sample, key, value)
        if sample.name is None:
            sample.name = folder if self.name == "folder" else sample.identity
        if self.whole_box and sample.box is None:
            sample.box = _image.whole_box(sample.image)

    def pairs(self) -> list[dict[str, Any]]:
        return self._pairs

    def about(self) -> dict[str, Any]:
        others = len(self.tree.paths) - len(self.images)
        LOG.info("%s: %d images, %d other files", self.tree.root, len(self.images), others)
        lists = {"list": self.list_path, "pairs_list": self.pairs_path, "names_alike": _alike(self.images)}
        return {"other_files": others, **{key: path for key, path in lists.items() if path}}


def _alike(paths: Sequence[str]) -> int:
    """How many paths are another's but for case: two files here, one file on other systems."""
    return len(paths) - len({path.casefold() for path in paths})


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> FolderSource:
    return FolderSource(
        raw, params.identity, params.name, params.list, params.pairs, params.protocol, params.box == "whole"
    )
