"""Images that an LFW-style pair list names (http://vis-www.cs.umass.edu/lfw/): a benchmark over a folder.

Like `folder` with `pairs`, but images in no pair are left out. Identity and name are the image's folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.sources.folder import FolderSource
from pipeline.strict import Inside, Strict


class Params(Strict):
    """Which list."""

    pairs: Inside = "pairs.txt"  # path in the dataset's folder
    protocol: str | None = None  # what the pairs are called; the stem of `pairs` if not given


class PairsSource(FolderSource):
    """The images of the pairs, in the order of their paths."""

    def __init__(self, raw: Path, pairs_path: str, protocol: str | None = None) -> None:
        super().__init__(raw, pairs_path=pairs_path, protocol=protocol)
        named = {pair[side] for pair in self.pairs() for side in ("a", "b")}
        self.rows = [row for row in self.rows if row["path"] in named]


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> PairsSource:
    return PairsSource(raw, params.pairs, params.protocol)
