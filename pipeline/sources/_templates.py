"""Templates: sets of images that a benchmark compares as one (IJB-B, IJB-C, YouTube Faces).

ijb   meta/<name>_face_tid_mid.txt            "<file> <template> <media>", a line an image
      meta/<name>_template_pair_label.txt     "<template> <template> <1 or 0>"
      meta/<name>_1N_{gallery_*,probe_*}.csv  a line of names, then "<template>,<subject>,..."
ytf   a video is a template and a medium; meta_data/meta_and_splits.mat: video_names (n), Splits (m x 3 x
      folds) of (video, video, same), videos counted from 1

IJB-C has 15.66 million pairs: columns hold them as numbers of a dictionary, 9 bytes a pair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline import records
from pipeline.sources import SourceError, _naming
from pipeline.sources._layouts import Layout
from pipeline.sources._pairlists import bare, finder, matlab
from pipeline.sources._tree import Tree

CODED = pa.dictionary(pa.int32(), pa.string())


@dataclass
class Templates:
    """Which images belong to a template, which templates are compared, and whose they are."""

    members: pa.Table  # template, media, sample_id
    pairs: pa.Table  # a, b, same; fold where the benchmark has folds
    subjects: dict[str, str] = field(default_factory=dict)  # template -> subject
    sets: dict[str, list[str]] = field(default_factory=dict)  # gallery_G1, probe_mixed ... -> templates

    def count(self) -> int:
        return len(pc.unique(self.members["template"]))

    def identity_of(self) -> dict[str, str]:
        """sample id -> subject, of the images of templates whose subject is known."""
        columns = (self.members[name].to_pylist() for name in ("template", "sample_id"))
        known = self.subjects
        return {path: known[template] for template, path in zip(*columns, strict=True) if template in known}

    def tables(self, protocol: str) -> dict[str, pa.Table]:
        """Tables of `records.LISTS`; made anew at each call, since they are large."""
        who = [self._who(template) for template in self.members["template"].to_pylist()]
        searches = list(zip(*self._searches(protocol), strict=True)) or [(), (), ()]
        found = {
            "templates": {**_columns(self.members), "identity": pa.array(who, pa.string())},
            "template_pairs": {"fold": pa.repeat(0, rows := len(self.pairs))}
            | _columns(self.pairs)
            | {"protocol": pa.repeat(protocol, rows)},
            "searches": dict(zip(records.SEARCHES.names, searches, strict=True)),
        }
        tables = {name: _table(name, columns) for name, columns in found.items()}
        return {name: table for name, table in tables.items() if table.num_rows}

    def _who(self, template: str) -> str:
        """The template's subject; where nobody knows, a person of its own."""
        return self.subjects.get(template) or f"unknown/{template}"

    def _searches(self, protocol: str) -> Iterator[tuple[str, str, str]]:
        """(protocol, role, template): every gallery with every set of probes."""
        probes = [name for name in self.sets if name.startswith("probe")]
        for gallery in (name for name in self.sets if name.startswith("gallery")):
            enrolled = {self._who(template) for template in self.sets[gallery]}
            for probe in probes:
                name = f"{protocol}_{gallery}" + (f"_{probe}" if len(probes) > 1 else "")
                yield from ((name, "gallery", template) for template in self.sets[gallery])
                for template in self.sets[probe]:
                    yield name, "mated" if self._who(template) in enrolled else "unmated", template


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """A table of `records.LISTS`, of columns that may be coded, or more than it has."""
    schema = records.LISTS[name]
    given = [columns[one.name] for one in schema]
    arrays = [
        pa.array(v, f.type) if isinstance(v, tuple) else v.cast(f.type)
        for v, f in zip(given, schema, strict=True)
    ]
    return pa.table(arrays, schema)


def read(layout: Layout, tree: Tree, paths: Sequence[str]) -> Templates | None:
    """The layout's templates; None if it has none."""
    if layout.pairs == "ijb":
        return _ijb(layout, tree, paths)
    return _ytf(layout, tree, paths) if layout.pairs == "ytf" else None


def _ijb(layout: Layout, tree: Tree, paths: Sequence[str]) -> Templates:
    find = finder(paths, str(tree.root))
    place, lines = _lines(tree, layout.lists[0], ("file", "template", "media"))
    ids = [
        find(f"loose_crop/{name}", f"{place} line {number}")
        for number, name in enumerate(lines["file"].to_pylist(), 1)
    ]
    members = lines.drop_columns("file").append_column("sample_id", pa.array(ids, pa.string()))
    found = Templates(members, _ijb_pairs(layout, tree, pc.unique(members["template"])))
    for path in _naming.matching(tree, r"meta/[^/]+_1N_[^/]+\.csv"):
        name = PurePosixPath(path).stem.partition("_1N_")[2]
        rows = [line.split(",") for line in _naming.text(tree, path).split()[1:]]
        if any(len(row) < 2 for row in rows):
            raise SourceError(f"{path} should hold '<template>,<subject>' a line")
        found.subjects.update({row[0]: row[1] for row in rows})
        found.sets[name] = list(dict.fromkeys(row[0] for row in rows))
    return found


def _ijb_pairs(layout: Layout, tree: Tree, known: pa.Array) -> pa.Table:
    place, lines = _lines(tree, layout.lists[1], ("a", "b", "label"))
    rules = {"a": known, "b": known, "label": pa.array(["0", "1"])}
    good = [pc.is_in(lines[name], value_set=values.cast(pa.string())) for name, values in rules.items()]
    wrong = pc.index(pc.and_(pc.and_(good[0], good[1]), good[2]), False).as_py()
    if wrong >= 0:
        said = " ".join(lines.slice(wrong, 1).to_pylist()[0].values())
        raise SourceError(f"{place} line {wrong + 1}: '{said}' should be two known templates and 0 or 1")
    same = pc.equal(lines["label"].cast(pa.string()), "1")
    return lines.drop_columns("label").append_column("same", same)


def _lines(tree: Tree, pattern: str, names: Sequence[str]) -> tuple[str, pa.Table]:
    """A list's path, and its lines in columns of text, coded."""
    path = _naming.the_file(tree, pattern)
    data = tree.read(path)
    if re.search(rb"\t|  | \r?\n|(?:^|\n) | $", data):  # not as its makers write it: tidy it first
        data = b"\n".join(b" ".join(line.split()) for line in data.splitlines())
    odd: list[pa.csv.InvalidRow] = []

    def kept(row: pa.csv.InvalidRow) -> str:
        odd.append(row)
        return "error"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(data),
            pa.csv.ReadOptions(use_threads=False, column_names=list(names)),  # threads count no lines
            pa.csv.ParseOptions(delimiter=" ", quote_char=False, invalid_row_handler=kept),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, CODED)),
        )
    except pa.ArrowInvalid as error:
        if odd:
            where = f"{path} line {odd[0].number}"
            raise SourceError(f"{where}: {odd[0].actual_columns} fields, not {len(names)}") from error
        raise SourceError(f"{path} can't be read as {len(names)} fields a line: {error}") from error
    return path, table.unify_dictionaries()


def _ytf(layout: Layout, tree: Tree, paths: Sequence[str]) -> Templates:
    videos = {path: "/".join(PurePosixPath(path).parts[-3:-1]) for path in paths}
    of = pa.array(videos.values(), pa.string())
    members = pa.table({"template": of, "media": of, "sample_id": pa.array(videos, pa.string())})
    file = _naming.the_file(tree, layout.lists[0])
    said = matlab(tree, file)
    try:
        names = [str(bare(name)).replace("\\", "/").rstrip("/") for name in np.ravel(said["video_names"])]
        splits: Any = np.asarray(said["Splits"]).astype(int)
        splits = splits.reshape(*splits.shape[:2], -1)  # MATLAB drops a last size of 1
        pairs = [
            {"fold": fold, "a": names[a - 1], "b": names[b - 1], "same": bool(same)}
            for fold in range(splits.shape[2])
            for a, b, same in splits[:, :, fold].tolist()
            if min(a, b) >= 1 or _wrong(file, fold)
        ]
    except (KeyError, ValueError, IndexError) as error:
        raise SourceError(f"{file} should hold video_names and Splits (m x 3 x folds): {error}") from error
    missing = {pair[side] for pair in pairs for side in ("a", "b")} - set(videos.values())
    if missing:
        raise SourceError(f"{file} names the video {min(missing)}, of which {tree.root} holds no frame")
    subjects = {video: video.split("/")[0] for video in videos.values()}
    kinds = pa.schema([("fold", pa.int16()), ("a", pa.string()), ("b", pa.string()), ("same", pa.bool_())])
    return Templates(members, pa.Table.from_pylist(pairs, kinds), subjects)


def _wrong(file: str, fold: int) -> bool:
    raise SourceError(f"{file}, split {fold}: videos count from 1")
