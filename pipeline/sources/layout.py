"""A dataset as its authors hand it out: LFW, CFP, AgeDB, CALFW, YTF, IJB-B/C, MegaFace, CelebA and more.

`layout` names an entry of `_layouts`: which files are images, what their names say, which lists stand beside.
Folders above the layout's own don't matter, and archives are read in place. An image whose name is not of the
layout, or says what can't be, is set aside with the reason; a missing or wrong list is an error.
Benchmarks of templates (IJB, YTF) give their images here; `templates()` has what is compared,
and `lists()` the same as tables, with BLUFR's splits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.plugin import suggest
from pipeline.records import Sample
from pipeline.sources import Skipped, SourceError, _blufr, _image, _naming, _pairlists, _templates
from pipeline.sources._image import SUFFIXES, Check, Images
from pipeline.sources._layouts import LAYOUTS
from pipeline.sources._templates import Templates
from pipeline.sources._tree import Tree
from pipeline.strict import Inside


class Params(Images):
    """Which layout, and what of it."""

    layout: str  # an entry of the table: lfw, cfp_fp, agedb_30, ytf, ijbc, facescrub, celeba, utkface ...
    below: Inside | None = (
        None  # only what lies below this folder, named from the dataset's root: train/faces
    )
    pairs: bool = True  # read the official list of pairs; false: the images alone
    noises: list[Inside] = []  # lists of files to leave out, as MegaFace's and FaceScrub's  # noqa: RUF012
    protocol: str | None = None  # what the pairs are called; the layout's name if not given


class LayoutSource:
    """Samples in the order of their paths."""

    def __init__(
        self,
        raw: Path,
        name: str,
        below: str | None = None,
        pairs: bool = True,
        noises: Sequence[str] = (),
        protocol: str | None = None,
        box: str = "none",
        check: Check = "header",
    ) -> None:
        if name not in LAYOUTS:
            raise SourceError(f"no layout {name!r}{suggest(name, sorted(LAYOUTS))}")
        self.name, self.layout, self.box, self.check = name, LAYOUTS[name], box, check
        self.tree = Tree(raw)
        left_out = self._noises(noises)
        top = f"/{below.strip('/')}/" if below else "/"
        inside = [p for p in self.tree.paths if p.lower().endswith(SUFFIXES) and f"/{p}".startswith(top)]
        inside = [path for path in inside if not self._is_other(path)]
        self.paths = [path for path in inside if not self._listed(path, left_out)]
        self.left_out = len(inside) - len(self.paths)
        self.images = [path for path in self.paths if re.fullmatch(rf"(?:.*/)?{self.layout.images}", path)]
        if not self.images:
            where = f" below {below}" if below else ""
            told = f"{len(self.paths)} images{where}, none named" if self.paths else f"no image{where}"
            raise SourceError(f"{raw} holds {told} {_naming.readable(self.layout.images)}, as {name} has")
        self.said = _naming.tables(self.layout, self.tree)
        self._pairs: list[dict[str, Any]] = []
        self._templates: Templates | None = None
        self._splits: pa.Table | None = None
        if pairs:
            called = f"{protocol}_blufr" if protocol and self.layout.pairs else protocol or "blufr"
            self._splits = _blufr.read(self.layout, self.tree, called, self.images)
        if pairs and self.layout.pairs:
            self._templates = _templates.read(self.layout, self.tree, self.images)
            if self._templates is None:
                self._pairs = _pairlists.rows(self.layout, self.tree, protocol or name, self.images)
        self.protocol = protocol or name
        self._subjects = self._templates.identity_of() if self._templates else {}

    def _is_other(self, path: str) -> bool:
        return bool(self.layout.others and re.fullmatch(rf"(?:.*/)?{self.layout.others}", path))

    def _noises(self, lists: Sequence[str]) -> set[str]:
        """Files that lists name, a line each; of two fields between tabs the second counts."""
        text = "\n".join(self.tree.read_list(path).decode("utf-8-sig") for path in lists)
        lines = [line.strip().split("\t")[:2] for line in text.splitlines()]
        return {line[-1] for line in lines if line[-1] and not line[0].startswith("#")}

    def _listed(self, path: str, names: set[str]) -> bool:
        parts = path.split("/")
        return any("/".join(parts[start:]) in names for start in range(len(parts)))

    def __len__(self) -> int:
        return len(self.paths)

    def samples(self) -> Iterator[Sample | Skipped]:
        for path in self.paths:
            try:
                known = self._known(path)
            except SourceError as error:
                yield Skipped(path, str(error))
                continue
            data, place = self.tree.load(path)
            yield _image.sample(path, data, self.box, self.check, place=place, **known)

    def _known(self, path: str) -> dict[str, Any]:
        named = _naming.from_name(self.layout, path)
        if named is None:
            raise SourceError(f"its name is not {_naming.readable(self.layout.images)}, as {self.name} has")
        known = _naming.of_path(self.said, path, named)
        if known.get("identity") is None and path in self._subjects:
            known["identity"] = self._subjects[path]
        if self.layout.named and known.get("name") is None:
            known["name"] = known.get("identity")
        return known

    def pairs(self) -> list[dict[str, Any]]:
        return self._pairs

    def templates(self) -> Templates | None:
        """What a benchmark of templates compares; None for all others."""
        return self._templates

    def lists(self) -> dict[str, pa.Table]:
        """Tables of `records.LISTS`, of benchmarks of templates and of BLUFR; {} for all others."""
        found = {} if self._templates is None else self._templates.tables(self.protocol)
        return found if self._splits is None else {**found, "splits": self._splits}

    def about(self) -> dict[str, Any]:
        told: dict[str, Any] = {"layout": self.name, "built_from": self.layout.source or "layout unverified"}
        if self.left_out:
            told["noises_left_out"] = self.left_out
        if self._templates is not None:
            told["templates"] = self._templates.count()
            told["template_pairs"] = len(self._templates.pairs)
        if self._splits is not None:
            told["splits"] = len(pc.unique(self._splits["split"]))
        return told


def build(params: Params, raw: Path, settings: Mapping[str, Any]) -> LayoutSource:
    return LayoutSource(
        raw,
        params.layout,
        params.below,
        params.pairs,
        params.noises,
        params.protocol,
        params.box,
        params.check,
    )
