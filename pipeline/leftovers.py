"""Removes what lies in an input folder and no stage of dvc.yaml makes any more.

A stage that depends on a whole folder (`data/benchmarks/crop`, `data/metrics`) depends on every file in it.
After a role has been given another dataset, the former one's folder is still there: it would be in the hash
that dvc.lock records, and on another machine, where it never lay, the stage would run again. DVC records the
hash after the stage has run, so it is enough to remove leftovers before. They stay in DVC's cache (metrics in
Git) and come back from there when a role names them again.
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
OURS = "data/"  # stages write here, and nobody else below an output's parent


def remove(deps: Iterable[str], lock: Mapping[str, Any]) -> list[Path]:
    """Remove the leftovers in those of `deps` that hold outputs of several stages; what was removed.

    What `lock` records as an output of one stage is that stage's own: most stages need no look at dvc.yaml.
    """
    made = {out["path"] for entry in lock.values() for out in entry.get("outs", [])}
    folders = [dep for dep in deps if dep.startswith(OURS) and dep not in made and Path(dep).is_dir()]
    outs = declared.every_out() if folders else []
    found = [path for folder in folders for path in leftovers(folder, outs)]
    for path in found:
        log.info("%s is removed: no stage of dvc.yaml makes it any more; DVC's cache or Git has it", path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # another stage may be at it
        else:
            path.unlink(missing_ok=True)
    return found


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
