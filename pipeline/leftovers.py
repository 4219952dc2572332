"""Moves aside what lies in an input folder and no stage of dvc.yaml makes any more.

A stage that depends on a whole folder (`data/benchmarks/crop`, `data/metrics`) depends on every file in it.
After a role has been given another dataset, the former one's folder is still there: it would be in the hash
that dvc.lock records, and on another machine, where it never lay, the stage would run again. DVC records the
hash after the stage has run, so it is enough to move leftovers away before. They lie in `.ckpt/leftovers`
under their own path, so that nothing is lost that neither DVC's cache nor Git has (a metric of a model that
was taken out and never committed, a file of somebody's own).
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline import declared

log = logging.getLogger(__name__)
OURS = "data/"  # stages write here
ASIDE = Path(".ckpt/leftovers")


def move_aside(deps: Iterable[str], lock: Mapping[str, Any]) -> list[Path]:
    """Move away the leftovers in those of `deps` that hold outputs of several stages; what was moved.

    What `lock` records as an output of one stage is that stage's own: most stages need no look at dvc.yaml.
    """
    made = {out["path"] for entry in lock.values() for out in entry.get("outs", [])}
    folders = [dep for dep in deps if dep.startswith(OURS) and dep not in made and Path(dep).is_dir()]
    outs = declared.every_out() if folders else []
    found = [path for folder in folders for path in leftovers(folder, outs)]
    for path in found:
        try:
            move(path)
        except FileNotFoundError:  # another stage was at it
            continue
        log.warning("no stage of dvc.yaml makes %s any more: it was moved to %s", path, ASIDE / path)
    return found


def move(path: Path) -> None:
    """`path` to the same place below `ASIDE`; what lay there before gives way."""
    target = ASIDE / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    shutil.move(path, target)  # also to another disk, where data/ is a link


def leftovers(folder: str, outs: Iterable[str]) -> Iterator[Path]:
    """The topmost files and folders in `folder` that hold no output, where `folder` itself is none.

    Hidden ones stay: what keeps a folder in place, and what another stage is writing aside.
    """
    mine = [out for out in outs if declared.inside(out, folder) and out != folder]
    if not mine or any(declared.inside(folder, out) for out in outs):
        return
    for entry in sorted(os.listdir(folder)):
        path = f"{folder}/{entry}"
        if entry.startswith(".") or path in mine:
            continue
        if any(declared.inside(out, path) for out in mine):
            yield from leftovers(path, mine)
        else:
            yield Path(path)
