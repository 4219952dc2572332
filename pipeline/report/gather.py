"""Everything the report tells, read from what the stages wrote; whatever is absent is left out.

Metrics (`data/metrics/STAGE[/ITEM].json`) are results and declared. Records of runs
(`data/runs/...`: seconds, memory, timing) differ from run to run: they are shown, never depended on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import files

NONE = "none"
ROLES = ("labelled", "unlabelled", "landmarked", "validation", "clustered")


@dataclass(frozen=True)
class Results:
    """The `data/` folder of a pipeline and the parameters that it was made with."""

    root: Path
    params: Mapping[str, Any]

    def metrics(self, stage: str, item: str | None = None) -> dict[str, Any]:
        """A stage's metrics file; empty if it did not run."""
        return self._read("metrics", stage, item)

    def run(self, stage: str, item: str | None = None) -> dict[str, Any]:
        """A stage's record of its run; empty if it did not run."""
        return self._read("runs", stage, item)

    def _read(self, kind: str, stage: str, item: str | None) -> dict[str, Any]:
        path = self.root / kind / f"{stage if item is None else f'{stage}/{item}'}.json"
        return dict(files.read_json(path)) if path.exists() else {}

    def runs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(stage address, record) of every stage that has run."""
        for path in sorted((self.root / "runs").rglob("*.json")):
            name = path.relative_to(self.root / "runs").with_suffix("").as_posix()
            yield name.replace("/", "@", 1), dict(files.read_json(path))

    def path(self, *parts: str) -> Path:
        return self.root.joinpath(*parts)

    @property
    def roles(self) -> dict[str, list[str]]:
        """Dataset -> the roles it plays; `none` plays none."""
        data = self.params.get("data", {})
        found: dict[str, list[str]] = {}
        for role in ROLES:
            name = data.get(role, NONE)
            if name and name != NONE:
                found.setdefault(name, []).append(role)
        return found

    @property
    def benchmarks(self) -> list[str]:
        return [name for name in self.params.get("data", {}).get("benchmarks") or [] if name != NONE]

    @property
    def models(self) -> list[Model]:
        """Every model of the params, foreign ones first, then from labels, then distilled."""
        sections = {kind: self.params.get(kind) or {} for kind in ("foreign", "train", "distill")}
        return [
            Model(name, kind, dict(entry))
            for kind, entries in sections.items()
            for name, entry in entries.items()
        ]

    def evaluated(self) -> list[Model]:
        """Models with evaluation results, in the order of `models`."""
        return [model for model in self.models if self.metrics("evaluate", model.name)]


@dataclass(frozen=True)
class Model:
    """A model of the params: its name, what made it (foreign, train, distill), its settings."""

    name: str
    kind: str
    settings: dict[str, Any]

    @property
    def teacher(self) -> str | None:
        return self.settings.get("teacher") if self.kind == "distill" else None

    @property
    def story(self) -> str:
        """What it is, in a few words."""
        get = self.settings.get
        if self.kind == "foreign":
            return f"foreign model ({get('preset', '?')}), frozen"
        net = f"{get('backbone')} {get('shape')}, {get('conv')} convolutions, {get('head')}"
        if self.kind == "distill":
            return f"distilled from {self.teacher}: {get('loss')}, mixing {get('mixing')}; {net}"
        clusters = "" if get("cluster") in (None, NONE) else f", {get('cluster')} clustering loss"
        return f"trained from labels: {net}{clusters}"

    def same_net(self, other: Model) -> bool:
        """True if both have one architecture: then they differ only in how they were trained."""
        return all(self.settings.get(key) == other.settings.get(key) for key in ("backbone", "shape", "conv"))


def comparisons(models: list[Model]) -> list[tuple[Model, Model, str]]:
    """(first, second, why) worth a paired difference: a student against itself alone and its teacher."""
    by_name = {model.name: model for model in models}
    found = []
    for student in (model for model in models if model.kind == "distill"):
        alone = [m for m in models if m.kind == "train" and m.name != student.teacher and m.same_net(student)]
        found += [(other, student, "the same net, trained alone") for other in alone]
        if student.teacher in by_name:
            found.append((by_name[student.teacher], student, "its teacher"))
    return found
