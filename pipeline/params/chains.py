"""Rules on models that come from models: what is trained before, what has what, and no circles.

Every rule takes the file's contents and yields problems. Rules skip what is absent or of a wrong type:
the schema has said that already.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline import plugin
from pipeline.params.models import CLASSIFIER, MODELS, model_at, nets, weighing
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
    return teacher if isinstance(teacher, str) else model_at(entry.get("init"))


def starts(values: Tree) -> Iterator[Problem]:
    """What a model starts from is a net of ours."""
    for path, entry in nets(values):
        name = model_at(entry.get("init"))
        if name in tree(values, "foreign"):
            what = f"{name!r} is a foreign model, which is frozen"
            yield Problem(f"{path}.init", what, "distil from it instead: name it as a teacher")


def absent(values: Tree) -> Iterator[Problem]:
    """A net is there only where a role names faces to train it on."""
    data = tree(values, "data")
    if data.get("landmarked") == EMPTY:
        for path, entry in nets(values):
            if model_at(entry.get("landmark")) == "landmark":
                what = "data.landmarked is none, so that no landmark net is trained"
                yield Problem(f"{path}.landmark", what, f"name a dataset there, or write {MODELS}/{EMPTY}")
    if data.get("labelled") == EMPTY and model_at(tree(values, "overlap").get("model")) == "scout":
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
            if _needs(term) & CLASSIFIER:
                yield Problem(f"distill.{name}.loss", f"{term} is impossible: {no}", "use a loss of fm alone")
        if _mixing(values, entry).mixed > 0:
            what = f"mix-up (mixed > 0) is impossible: {no}"
            yield Problem(f"distill.{name}.mixing", what, "use fm and a mixing without")


def _classifies(values: Tree, entry: Tree) -> bool:
    """Whether a distilled model is saved with a classifier: labels, and a part in its loss."""
    needs = [_needs(term) for term, params in _terms(values, entry).items() if params.get("weight") != 0]
    trained: bool = weighing().trains_head(_mixing(values, entry), frozenset().union(*needs))
    return trained and tree(values, "data").get("labelled") != EMPTY


def _mixing(values: Tree, entry: Tree) -> Any:
    """What the mixing of an entry weighs, with what is not said as the mixing has it."""
    return weighing().Params(**tree(values, "mixings", str(entry.get("mixing"))))


def _terms(values: Tree, entry: Tree) -> Tree:
    """Losses that an entry's names, and what they are given."""
    preset, known = tree(values, "losses", str(entry.get("loss"))), plugin.names("losses")
    return {name: params for name, params in preset.items() if name in known}


def _needs(term: str) -> frozenset[str]:
    return getattr(plugin.load("losses", term), "NEEDS", frozenset())


RULES = (circles, starts, absent, classifiers)
