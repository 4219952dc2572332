"""Rules on models: names, choices, teachers and what their students ask of them.

Every rule takes the file's contents and yields problems. Rules skip what is absent or of a wrong type:
the schema has said that already.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from pipeline import plugin
from pipeline.params.problem import EMPTY, NONE, Problem, Tree, named, tree

RESERVED = ("scout", "landmark", "none")
MODELS = "data/models"
LANDMARK = "landmark"  # the model of the stage of that name
KINDS = ("train", "distill", "foreign")
FAMILIES = (  # key of a model -> part of params.yaml whose names it takes
    ("conv", "convs"),
    ("augment", "augment"),
    ("schedule", "schedules"),
    ("cluster", "clusters"),
    ("loss", "losses"),
    ("mixing", "mixings"),
)
CLASSIFIER = frozenset({"logits", "classifier"})  # what a loss needs of a teacher that has a classifier
NESTED = (("backbone", "shape", "backbones"), ("head", "margin", "heads"), ("net", "preset", "landmarks"))


def nets(values: Tree) -> Iterator[tuple[str, Tree]]:
    """(path, entry) of everything that is trained: scout, landmark, train.*, distill.*."""
    for path, entry in [("scout", values.get("scout")), ("landmark", values.get("landmark"))]:
        if isinstance(entry, dict):
            yield path, entry
    for kind in ("train", "distill"):
        yield from (
            (f"{kind}.{n}", entry) for n, entry in tree(values, kind).items() if isinstance(entry, dict)
        )


def model_names(values: Tree) -> Iterator[Problem]:
    """Models lie in one folder: their names differ, and from those that are taken."""
    seen: dict[str, str] = {}
    for kind in KINDS:
        for name in tree(values, kind):
            if name in RESERVED:
                yield Problem(
                    f"{kind}.{name}", f"the name {name!r} is taken", f"{', '.join(RESERVED)} are reserved"
                )
            elif name in seen:
                yield Problem(
                    f"{kind}.{name}", f"{seen[name]}.{name} has this name already", "models share one folder"
                )
            seen.setdefault(name, kind)


def models(values: Tree) -> list[str]:
    return [name for kind in KINDS for name in tree(values, kind)]


def model_at(path: Any) -> str | None:
    """The name of the model of a path, None for another path."""
    place = PurePosixPath(path) if isinstance(path, str) else PurePosixPath()
    return place.name if str(place.parent) == MODELS and place.name != EMPTY else None


def choices(values: Tree) -> Iterator[Problem]:
    """Every choice of a trained model names a preset."""
    for path, entry in nets(values):
        for key, part in FAMILIES:
            yield from named(f"{path}.{key}", entry.get(key), tree(values, part), f"{part} preset")
        for key, preset, part in NESTED:
            name = entry.get(key)
            yield from named(f"{path}.{key}", name, tree(values, part), part.removesuffix("s"))
            if name in tree(values, part):
                known = tree(values, part, name)
                yield from named(f"{path}.{preset}", entry.get(preset), known, f"{part}.{name} preset")
        if entry.get("backbone") == "foreign":
            yield Problem(
                f"{path}.backbone",
                "a foreign model is frozen",
                "name it under `foreign`, choose another here",
            )


def paths(values: Tree) -> Iterator[Problem]:
    """`init`, `landmark` and `overlap.model` name models that are made before."""
    for path, entry in nets(values):
        yield from _model(
            f"{path}.init", entry.get("init"), [n for n in models(values) if path.partition(".")[2] != n]
        )
        yield from _model(f"{path}.landmark", entry.get("landmark"), ["landmark"])
    early = ["scout", *tree(values, "foreign")]
    yield from _model("overlap.model", tree(values, "overlap").get("model"), early)


def _model(path: str, given: Any, known: list[str]) -> Iterator[Problem]:
    if not isinstance(given, str) or (path != "overlap.model" and given == str(NONE)):
        return
    folder, _, name = given.rpartition("/")
    if folder == MODELS:
        yield from named(path, name, known, "model that is made before this one")


def after(values: Tree) -> Iterator[Problem]:
    """What comes after training is asked of models that can do it."""
    for key, names in tree(values, "after").items():
        for name in names if isinstance(names, list) else ():
            known = [*models(values), *([LANDMARK] if key == "evaluate" else [])]
            yield from named(f"after.{key}", name, known, "model")
            entry = tree(values, "train", name) or tree(values, "distill", name)
            if key == "cluster" and name in models(values) and not entry:
                what = f"{name!r} is a foreign model, which gives neither routing vectors nor maps"
                yield Problem("after.cluster", what, "name models of train or distill")
    yield from _exports(values)
    yield from _landmark(values)
    if tree(values, "after").get("cluster") and tree(values, "data").get("clustered") == EMPTY:
        yield Problem(
            "after.cluster", "data.clustered is none", "name a dataset there, or write `cluster: []`"
        )


def _landmark(values: Tree) -> Iterator[Problem]:
    """The landmark net is evaluated where it is there and a protocol says how."""
    evaluated = tree(values, "after").get("evaluate")
    if not isinstance(evaluated, list) or LANDMARK not in evaluated:
        return
    if tree(values, "data").get("landmarked") == EMPTY:
        what = "data.landmarked is none, so that no landmark net is trained"
        yield Problem("after.evaluate", what, f"name a dataset there, or take {LANDMARK} out here")
    if "landmarks" not in tree(values, "protocols"):
        what = f"{LANDMARK!r} is evaluated by the protocol landmarks, which is not there"
        yield Problem("protocols", what, f"add `landmarks: {{}}`, or take {LANDMARK} out of after.evaluate")


def _exports(values: Tree) -> Iterator[Problem]:
    """What is exported is ours, measured, and can be held against its file."""
    after, data = tree(values, "after"), tree(values, "data")
    names = after.get("export")
    for name in names if isinstance(names, list) else ():
        if name in tree(values, "foreign"):
            what = f"{name!r} is a foreign model, which is a file already"
            yield Problem("after.export", what, f"take the file of foreign.{name}.weights, or distil from it")
        elif name in models(values) and name not in (after.get("evaluate") or []):
            what = f"{name!r} is not evaluated, and the card of an export tells what was measured"
            yield Problem("after.export", what, f"add {name} to after.evaluate, or take it out here")
    if names and data.get("validation") == EMPTY and not data.get("benchmarks"):
        what = "data.validation is none and data.benchmarks is empty: no face to check a file on"
        yield Problem("after.export", what, "name a dataset there, or write `export: []`")


def training(values: Tree) -> Iterator[Problem]:
    """Labels are there where training needs them."""
    if tree(values, "data").get("labelled") == EMPTY:
        for name in tree(values, "train"):
            what = "learns from labels, and data.labelled is none"
            yield Problem(f"train.{name}", what, "write `train: {}`")


def clustering(values: Tree) -> Iterator[Problem]:
    """A clustering loss has routing vectors, and sets in before training ends."""
    for name, entry in tree(values, "train").items():
        path, cluster, conv = f"train.{name}.cluster", entry.get("cluster"), entry.get("conv")
        if cluster in ("none", None):
            continue
        needs = f"cluster {cluster!r} needs routing vectors, and conv {conv} has none"
        if conv == "plain":
            yield Problem(path, needs, "choose a dynamic conv, or cluster none")
        elif tree(values, "convs", str(conv)).get("last_stages") == 0:
            hint = f"set convs.{conv}.last_stages to 1 or more, or choose cluster none"
            yield Problem(path, f"{needs} with last_stages 0", hint)
        yield from _sets_in(values, path, str(cluster), entry.get("epochs"))


def _sets_in(values: Tree, path: str, cluster: str, epochs: Any) -> Iterator[Problem]:
    """A problem if a clustering loss would set in when training is over."""
    if epochs == "size":
        epochs = tree(values, "sizes", str(values.get("size")), "epochs").get("train")
    if not isinstance(epochs, int) or cluster not in plugin.names("clusters"):
        return
    owner = plugin.load("clusters", cluster)
    try:
        params = owner.Params(**tree(values, "clusters", cluster))
    except ValidationError:
        return  # presets say what is wrong there
    first = owner.first_epoch(params, epochs) if hasattr(owner, "first_epoch") else 0
    if first >= epochs:
        what = f"cluster {cluster!r} sets in after {first} of {epochs} epochs: never"
        yield Problem(path, what, f"lower clusters.{cluster}.start, train longer, or choose cluster none")


def distilling(values: Tree) -> Iterator[Problem]:
    """Every distilled model against its teacher, its loss, its mixing and its data."""
    for name, entry in tree(values, "distill").items():
        path, teacher = f"distill.{name}", entry.get("teacher")
        yield from named(
            f"{path}.teacher", teacher, [n for n in models(values) if n != name], "model to learn from"
        )
        if teacher in models(values) and teacher not in (tree(values, "after").get("targets") or []):
            what = f"the outputs of teacher {teacher!r} are not computed"
            yield Problem(f"{path}.targets", what, f"add {teacher} to after.targets")
        mixing = tree(values, "mixings", str(entry.get("mixing")))
        yield from _roles_of(path, mixing, tree(values, "data"))
        yield from _teacher(values, path, entry, mixing)


def _roles_of(path: str, mixing: Tree, data: Tree) -> Iterator[Problem]:
    """Terms of the mixing have the faces that they are computed on."""
    needs = {"labelled": ("recognition", "labelled", "mixed"), "unlabelled": ("unlabelled", "mixed")}
    for role, terms in needs.items():
        asked = [term for term in terms if (mixing.get(term) or 0) > 0]
        if asked and data.get(role) == EMPTY:
            what = f"{' and '.join(asked)} weigh more than 0, and data.{role} is none"
            yield Problem(f"{path}.mixing", what, f"name a dataset in data.{role}, or take a mixing without")
    if (mixing.get("unlabelled") or 0) + (mixing.get("mixed") or 0) > 0 and mixing.get(
        "batch_unlabelled"
    ) == 0:
        yield Problem(
            f"{path}.mixing", "weighs unlabelled faces, but batch_unlabelled is 0", "set it above 0"
        )


def _teacher(values: Tree, path: str, entry: Tree, mixing: Tree) -> Iterator[Problem]:
    """What a loss, mix-up and an augmentation need of the teacher."""
    terms = [
        term for term in tree(values, "losses", str(entry.get("loss"))) if term in plugin.names("losses")
    ]
    needs: dict[str, frozenset[str]] = {
        term: getattr(plugin.load("losses", term), "NEEDS", frozenset()) for term in terms
    }
    teacher, cached = entry.get("teacher"), entry.get("targets") == "cached"
    if teacher in tree(values, "foreign"):
        no = f"the foreign teacher {teacher!r} has no classifier, only embeddings"
        for term in (term for term in terms if needs[term] & {*CLASSIFIER, "maps"}):
            yield Problem(f"{path}.loss", f"{term} is impossible: {no}", "use a loss of fm alone")
        if (mixing.get("mixed") or 0) > 0:
            yield Problem(
                f"{path}.mixing", f"mix-up (mixed > 0) is impossible: {no}", "use fm and a mixing without"
            )
    for term in (term for term in terms if cached and needs[term] & {"maps", "live"}):
        yield Problem(f"{path}.targets", f"{term} needs more than cached embeddings", "write `targets: live`")
    augment = entry.get("augment")
    if cached and augment in plugin.names("augment") and not plugin.load("augment", augment).ONLY_FLIP:
        what = f"cached outputs of the teacher know the flip only, and augment {augment!r} does more"
        yield Problem(f"{path}.targets", what, "write `targets: live`, or `augment: flip`")


def weighing() -> Any:
    """The module of mixings: each part of params.yaml has its schema, and what it means, from its owner."""
    return importlib.import_module("pipeline.train.mixing")


def mixings(values: Tree) -> Iterator[Problem]:
    """Every mixing has something to learn from."""
    for name in tree(values, "mixings"):
        try:
            mix = weighing().Params(**tree(values, "mixings", name))
        except ValidationError:
            continue  # presets say what is wrong there
        if not weighing().weighs(mix):
            what = "recognition, labelled, unlabelled and mixed are all 0: there is nothing to learn from"
            yield Problem(f"mixings.{name}", what, "give one of them a weight above 0")


def terms(values: Tree) -> Iterator[Problem]:
    """Every term of a loss has a weight of 0 or more, and there is one."""
    for name, preset in tree(values, "losses").items():
        if preset == {}:
            yield Problem(f"losses.{name}", "has no term", "write e.g. {fm: {weight: 1.0}}")
        for term, entry in preset.items() if isinstance(preset, dict) else ():
            weight = entry.get("weight") if isinstance(entry, dict) else None
            if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
                what = "missing" if weight is None else f"no weight: {weight!r}"
                yield Problem(f"losses.{name}.{term}.weight", what, "a number of 0 or more")


RULES = (model_names, choices, paths, after, training, clustering, distilling, mixings, terms)
