"""Rules on models that come from models: what is trained before, what has what, and no circles.

Every rule takes the file's contents and yields problems. Rules skip what is absent or of a wrong type:
the schema has said that already.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pipeline import plugin
from pipeline.params.models import MODELS, nets
from pipeline.params.problem import EMPTY, Problem, Tree, tree


def circles(values: Tree) -> Iterator[Problem]:
    """No model starts from itself: by `init` and `teacher` every chain ends."""
    before = {path.partition(".")[2]: _before(entry) for path, entry in nets(values)}
    told: set[str] = set()
    for path, _ in nets(values):
        chain: list[str] = [path.partition(".")[2]]
        while (name := before.get(chain[-1])) and name not in chain:
            chain.append(name)
        if name and name == chain[0] and len(chain) > 1 and not told & set(chain):
            told |= set(chain)
            key = "teacher" if path.startswith("distill.") else "init"
            way = " <- ".join([*chain, name])
            yield Problem(f"{path}.{key}", f"models wait for one another: {way}", "break the circle")


def _before(entry: Tree) -> str | None:
    """The model that an entry's own comes from."""
    teacher = entry.get("teacher")
    return teacher if isinstance(teacher, str) else _model(entry.get("init"))


def _model(path: Any) -> str | None:
    """The name of the model of a path, None for another path."""
    place = PurePosixPath(path) if isinstance(path, str) else PurePosixPath()
    return place.name if str(place.parent) == MODELS and place.name != EMPTY else None


def starts(values: Tree) -> Iterator[Problem]:
    """What a model starts from is a net of ours."""
    for path, entry in nets(values):
        name = _model(entry.get("init"))
        if name in tree(values, "foreign"):
            what = f"{name!r} is a foreign model, which is frozen"
            yield Problem(f"{path}.init", what, "distil from it instead: name it as a teacher")


def absent(values: Tree) -> Iterator[Problem]:
    """A net is there only where a role names faces to train it on."""
    data = tree(values, "data")
    if data.get("landmarked") == EMPTY:
        for path, entry in nets(values):
            if _model(entry.get("landmark")) == "landmark":
                what = "data.landmarked is none, so that no landmark net is trained"
                yield Problem(f"{path}.landmark", what, f"name a dataset there, or write {MODELS}/{EMPTY}")
    if data.get("labelled") == EMPTY and _model(tree(values, "overlap").get("model")) == "scout":
        what = "data.labelled is none, so that no scout is trained"
        yield Problem("overlap.model", what, f"name a foreign model: {MODELS}/<name>")


def classifiers(values: Tree) -> Iterator[Problem]:
    """A distilled teacher has the classifier that its student's loss or mix-up asks for."""
    for name, entry in tree(values, "distill").items():
        teacher = entry.get("teacher")
        learnt = tree(values, "distill", str(teacher))
        if not learnt or _classifies(values, learnt):
            continue
        no = f"the teacher {teacher!r} has no classifier, as nothing trains one"
        for term in _terms(values, entry):
            if _needs(term) & {"logits"}:
                yield Problem(f"distill.{name}.loss", f"{term} is impossible: {no}", "use a loss of fm alone")
        if _weights(values, entry)["mixed"] > 0:
            what = f"mix-up (mixed > 0) is impossible: {no}"
            yield Problem(f"distill.{name}.mixing", what, "use fm and a mixing without")


def _classifies(values: Tree, entry: Tree) -> bool:
    """Whether a distilled model is saved with a classifier: labels, and a part in its loss."""
    mixing = _weights(values, entry)
    distils = mixing["labelled"] > 0 or mixing["unlabelled"] > 0
    asked = any(_needs(term) & {"logits"} for term in _terms(values, entry))
    trains = mixing["recognition"] > 0 or mixing["mixed"] > 0 or (asked and distils)
    return trains and tree(values, "data").get("labelled") != EMPTY


def _weights(values: Tree, entry: Tree) -> dict[str, float]:
    """What the mixing of an entry weighs, with what is not said as the mixing has it."""
    owner = importlib.import_module(
        "pipeline.train.mixing"
    ).Params  # each part of params.yaml owns its schema
    given = tree(values, "mixings", str(entry.get("mixing")))
    parts = ("recognition", "labelled", "unlabelled", "mixed")
    return {name: float(given.get(name, owner.model_fields[name].default)) for name in parts}


def _terms(values: Tree, entry: Tree) -> list[str]:
    """Losses that count."""
    preset, known = tree(values, "losses", str(entry.get("loss"))), plugin.names("losses")
    return [name for name, term in preset.items() if name in known and term.get("weight") != 0]


def _needs(term: str) -> frozenset[str]:
    return getattr(plugin.load("losses", term), "NEEDS", frozenset())


RULES = (circles, starts, absent, classifiers)
