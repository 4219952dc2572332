"""A dataset as its authors hand it out: LFW, CFP, AgeDB, CALFW, YTF, IJB-B/C, MegaFace, CelebA and more.

`layout` names an entry of `_layouts`: which files are images, what their names say, which lists stand beside.
Folders above the layout's own don't matter, and archives are read in place. An image whose name is not of the
layout, or says what can't be, is set aside with the reason; a missing or wrong list is an error.
Benchmarks of templates (IJB, YTF) give their images here; `templates()` has what is compared,
and `lists()` the same as tables, with the searches of MegaFace and QMUL-SurvFace and BLUFR's splits.
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
from pipeline.sources import (
    Skipped,
    SourceError,
    _blufr,
    _image,
    _naming,
    _pairlists,
    _searchlists,
    _templates,
)
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
        self._noise = sorted(set(inside) - set(self.paths))
        self.images = [path for path in self.paths if re.fullmatch(rf"(?:.*/)?{self.layout.images}", path)]
        if not self.images:
            where = f" below {below}" if below else ""
            told = f"{len(self.paths)} images{where}, none named" if self.paths else f"no image{where}"
            raise SourceError(f"{raw} holds {told} {_naming.readable(self.layout.images)}, as {name} has")
        self.said = _naming.tables(self.layout, self.tree)
        self.protocol = protocol or name
        self._pairs: list[dict[str, Any]] = []
        self._templates: Templates | None = None
        self._lists: dict[str, pa.Table] = {}
        self._subjects: dict[str, str] = {}
        self.in_no_list = 0
        if pairs:
            self._read_lists(protocol)

    def _read_lists(self, protocol: str | None) -> None:
        """Pairs, templates, searches, splits; where searches say what is used, other images are left out."""
        layout, tree = self.layout, self.tree
        called = f"{protocol}_blufr" if protocol and layout.pairs else protocol or "blufr"
        if (splits := _blufr.read(layout, tree, called, self.images)) is not None:
            self._lists["splits"] = splits
        if found := _searchlists.read(layout, tree, self.protocol, self.images, self._noise):
            self._lists |= found.tables()
            self._subjects, named = found.people, found.named
            unnamed = set(self.images) - named
            self.in_no_list = len(unnamed)
            self.paths = [path for path in self.paths if path not in unnamed]
        if layout.pairs and (templates := _templates.read(layout, tree, self.images)) is not None:
            self._templates, self._subjects = templates, templates.identity_of()
        elif layout.pairs:
            self._pairs = _pairlists.rows(layout, tree, self.protocol, self.images)

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
        """Tables of `records.LISTS`, of benchmarks of templates, searches and splits; {} for all others."""
        found = {} if self._templates is None else self._templates.tables(self.protocol)
        return found | self._lists

    def about(self) -> dict[str, Any]:
        told: dict[str, Any] = {"layout": self.name, "built_from": self.layout.source or "layout unverified"}
        if self._noise:
            told["noises_left_out"] = len(self._noise)
        if self.in_no_list:
            told["in_no_list"] = self.in_no_list
        if self._templates is not None:
            told["templates"] = self._templates.count()
            told["template_pairs"] = len(self._templates.pairs)
        told |= {name: table.num_rows for name, table in self._lists.items() if name == "searches"}
        if "splits" in self._lists:
            told["splits"] = len(pc.unique(self._lists["splits"]["split"]))
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
