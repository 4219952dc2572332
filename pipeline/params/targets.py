"""What an experiment's `targets` may name: the stages that dvc.yaml makes of a row's params."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline import plugin
from pipeline.params import text
from pipeline.params.problem import Problem, Tree

PIPELINE = Path("dvc.yaml")
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def unknown(targets: list[str], values: Tree, file: Path = PIPELINE) -> Iterator[Problem]:
    """Targets that are no stage under these params; none where there is no dvc.yaml to tell."""
    graph, unreadable = text.load(file) if file.exists() else ({}, [])
    if not graph or unreadable:
        return
    stages = addresses(graph["stages"], values)
    for target in targets:
        if target not in stages:
            yield Problem("targets", f"no stage {target!r}", plugin.nearest(target, sorted(stages)))


def addresses(stages: Tree, values: Tree) -> set[str]:
    """Every stage, as `train`, and every item of one, as `train@teacher`."""
    found = set(stages)
    for name, stage in stages.items():
        items = _resolved(stage.get("foreach", []), values)
        found |= {f"{name}@{_resolved(item, values)}" for item in items}
    return found


def _resolved(value: Any, values: Tree) -> Any:
    """What a `${a.b}` stands for; anything else is itself."""
    if not isinstance(value, str) or not (whole := REFERENCE.fullmatch(value)):
        return value
    for key in whole.group(1).split("."):
        values = values.get(key, {}) if isinstance(values, dict) else {}
    return values
