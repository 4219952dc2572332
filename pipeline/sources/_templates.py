"""Templates: sets of images that a benchmark compares as one (IJB-B, IJB-C, YouTube Faces).

ijb   meta/<name>_face_tid_mid.txt            "<file> <template> <media>", a line an image
      meta/<name>_template_pair_label.txt     "<template> <template> <1 or 0>"
      meta/<name>_1N_{gallery_*,probe_*}.csv  a line of names, then "<template>,<subject>,..."
ytf   a video is a template and a medium; meta_data/meta_and_splits.mat: video_names (n), Splits (m x 3 x
      folds) of (video, video, same), videos counted from 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from pipeline.sources import SourceError, _naming
from pipeline.sources._layouts import Layout
from pipeline.sources._pairlists import bare, finder, matlab
from pipeline.sources._tree import Tree


@dataclass
class Templates:
    """Which images belong to a template, which templates are compared, and whose they are."""

    members: list[tuple[str, str, str]]  # template, media, sample id
    pairs: list[tuple[int, str, str, bool]]  # fold, template, template, same
    subjects: dict[str, str] = field(default_factory=dict)  # template -> subject
    sets: dict[str, list[str]] = field(default_factory=dict)  # gallery_G1, probe_mixed ... -> templates


def read(layout: Layout, tree: Tree, paths: Sequence[str]) -> Templates | None:
    """The layout's templates; None if it has none."""
    if layout.pairs == "ijb":
        return _ijb(layout, tree, paths)
    return _ytf(layout, tree, paths) if layout.pairs == "ytf" else None


def _ijb(layout: Layout, tree: Tree, paths: Sequence[str]) -> Templates:
    find = finder(paths, str(tree.root))
    members = [
        (template, media, find(f"loose_crop/{name}", where))
        for name, template, media, where in _lines(tree, layout.lists[0], 3)
    ]
    known = {template for template, *_ in members}
    pairs = []
    for a, b, label, where in _lines(tree, layout.lists[1], 3):
        if label not in ("0", "1") or a not in known or b not in known:
            raise SourceError(f"{where}: '{a} {b} {label}' should be two known templates and 0 or 1")
        pairs.append((0, a, b, label == "1"))
    found = Templates(members, pairs)
    for path in _naming.matching(tree, r"meta/[^/]+_1N_[^/]+\.csv"):
        name = PurePosixPath(path).stem.partition("_1N_")[2]
        lines = [line.split(",") for line in _naming.text(tree, path).split()[1:]]
        if any(len(line) < 2 for line in lines):
            raise SourceError(f"{path} should hold '<template>,<subject>' a line")
        found.subjects.update({line[0]: line[1] for line in lines})
        found.sets[name] = list(dict.fromkeys(line[0] for line in lines))
    return found


def _lines(tree: Tree, pattern: str, fields: int) -> list[tuple[str, ...]]:
    path = _naming.the_file(tree, pattern)
    found = []
    for number, line in enumerate(_naming.text(tree, path).splitlines(), 1):
        words, where = line.split(), f"{path} line {number}"
        if words and len(words) != fields:
            raise SourceError(f"{where}: {len(words)} fields, not {fields}")
        if words:
            found.append((*words, where))
    return found


def _ytf(layout: Layout, tree: Tree, paths: Sequence[str]) -> Templates:
    videos = {path: "/".join(PurePosixPath(path).parts[-3:-1]) for path in paths}
    members = [(video, video, path) for path, video in videos.items()]
    file = _naming.the_file(tree, layout.lists[0])
    said = matlab(tree, file)
    try:
        names = [str(bare(name)).replace("\\", "/").rstrip("/") for name in np.ravel(said["video_names"])]
        splits: Any = np.asarray(said["Splits"]).astype(int)
        splits = splits.reshape(*splits.shape[:2], -1)  # MATLAB drops a last size of 1
        pairs = [
            (fold, names[a - 1], names[b - 1], bool(same))
            for fold in range(splits.shape[2])
            for a, b, same in splits[:, :, fold].tolist()
            if min(a, b) >= 1 or _wrong(file, fold)
        ]
    except (KeyError, ValueError, IndexError) as error:
        raise SourceError(f"{file} should hold video_names and Splits (m x 3 x folds): {error}") from error
    missing = {video for _, a, b, _ in pairs for video in (a, b)} - set(videos.values())
    if missing:
        raise SourceError(f"{file} names the video {min(missing)}, of which {tree.root} holds no frame")
    subjects = {video: video.split("/")[0] for video in videos.values()}
    return Templates(members, pairs, subjects)


def _wrong(file: str, fold: int) -> bool:
    raise SourceError(f"{file}, split {fold}: videos count from 1")
