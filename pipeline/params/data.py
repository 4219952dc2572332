"""Rules on data: roles, the catalogue of datasets, crops.

Every rule takes the file's contents and yields problems. Rules skip what is absent or of a wrong type:
the schema has said that already.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.params.problem import EMPTY, Problem, Tree, named, tree
from pipeline.params.schema import Dataset

UNUSED = Dataset.model_fields["detector"].default  # what an entry that says nothing has
OBJECTS = ("image_labels", "none")  # sources whose identities are classes of objects, and no people
OF_OBJECTS = {"classification", "cost"}  # protocols in which nobody is recognised
ROLES = ("labelled", "unlabelled", "landmarked", "validation", "clustered")


def used(values: Tree) -> list[str]:
    """Datasets that a role names and that exist in the catalogue; not the empty one."""
    found = [tree(values, "data").get(role) for role in ROLES] + benchmarks(values)
    known = tree(values, "datasets")
    return [
        n
        for n in dict.fromkeys(found)
        if isinstance(n, str) and isinstance(known.get(n), dict) and n != EMPTY
    ]


def benchmarks(values: Tree) -> list[str]:
    """What `data.benchmarks` names."""
    found = tree(values, "data").get("benchmarks")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def roles(values: Tree) -> Iterator[Problem]:
    """Roles and the size name what exists; nobody is tested on whom it trains on."""
    data, known = tree(values, "data"), tree(values, "datasets")
    for role in ROLES:
        yield from named(f"data.{role}", data.get(role), known, "dataset")
    tested = benchmarks(values)
    for name in tested:
        yield from named("data.benchmarks", name, known, "dataset")
        if name == EMPTY:
            yield Problem("data.benchmarks", f"{EMPTY!r} is no benchmark", "for no benchmark write []")
    trained = {data.get(role) for role in ("labelled", "unlabelled", "landmarked")} - {EMPTY, None}
    for name in sorted(str(name) for name in trained & {data.get("validation"), *tested}):
        yield Problem(
            "data", f"{name!r} is trained on and tested on", "give the test a dataset of other people"
        )
    if data.get("validation") in tested:
        what = f"{data['validation']!r} is a benchmark too: choices would be made on the test"
        yield Problem("data.validation", what, "give validation a dataset of other people, or none")
    yield from named("size", values.get("size"), tree(values, "sizes"), "size")
    empty = tree(values, "datasets", EMPTY).get("source")
    if empty != "none":
        yield Problem(f"datasets.{EMPTY}", "stands for an empty role", f"write `{EMPTY}: {{source: none}}`")


def datasets(values: Tree) -> Iterator[Problem]:
    """Entries of the catalogue name existing crops, detectors, annotators and worlds."""
    for name, entry in tree(values, "datasets").items():
        if not isinstance(entry, dict):
            continue
        path = f"datasets.{name}"
        yield from named(f"{path}.crop", entry.get("crop"), tree(values, "crops"), "crop")
        yield from named(f"{path}.detector", entry.get("detector"), tree(values, "detectors"), "detector")
        chosen = entry.get("annotators")
        for annotator in chosen if isinstance(chosen, list) else ():  # what is no list is told by the schema
            yield from named(f"{path}.annotators", annotator, tree(values, "annotators"), "annotator")
        if entry.get("source") == "synthetic":
            for key in ("world", "planted_from"):
                yield from named(f"{path}.{key}", entry.get(key), tree(values, "worlds"), "world")
        yield from _detections(path, entry)
        as_is = tree(values, "crops", str(entry.get("crop"))).get("method") == "as_is"
        if as_is and entry.get("detector", UNUSED) != UNUSED:
            what = f"finds nothing: crop {entry['crop']!r} takes images and landmarks as they are"
            yield Problem(f"{path}.detector", what, "drop it, or choose a crop that it is needed for")


def _detections(path: str, entry: Tree) -> Iterator[Problem]:
    """The `file` detector's file is the entry's, so that an edit of it is seen; nobody else reads one."""
    reads, given = entry.get("detector") == "file", entry.get("detections")
    if reads and not given:
        yield Problem(f"{path}.detections", "missing", "name the file of boxes and landmarks")
    if given and not reads:
        yield Problem(f"{path}.detections", "is read by no detector", "write `detector: file` beside it")


def several(values: Tree) -> Iterator[Problem]:
    """Which of several faces counts is asked of a detector that sees several; labels belong to one face."""
    data = tree(values, "data")
    labelled = {data.get("labelled"), data.get("validation"), *benchmarks(values)}
    for name in used(values):
        entry, path = tree(values, "datasets", name), f"datasets.{name}.faces"
        if "faces" in entry and entry.get("detector", UNUSED) == UNUSED:
            yield Problem(path, "the source gives one face an image", "name a detector beside it, or drop it")
        elif entry.get("faces") == "all" and name in labelled:
            what = "all: nobody says whose label an image of several faces has, so they come without one"
            yield Problem(path, what, "write prominent, largest or central; all is for unlabelled data")


def balanced(values: Tree) -> Iterator[Problem]:
    """A balanced set is made of datasets that are prepared before it, and read as one of its name."""
    data = tree(values, "data")
    before = {data.get(role) for role in ROLES if role != "clustered"} | set(benchmarks(values))
    for name, entry in tree(values, "balanced").items():
        given = entry.get("of") if isinstance(entry, dict) else None
        for of in given if isinstance(given, list) else ():
            if of not in before - {EMPTY} or of == name:
                what = f"no role but `clustered` names {of!r}: nothing prepares it before"
                yield Problem(f"balanced.{name}.of", what, "name it in another role, or in data.benchmarks")
        source = tree(values, "datasets", name).get("source")
        if source != "shards":
            hint = f"write `{name}: {{source: shards, crop: as_is, annotators: [given]}}` under datasets"
            yield Problem(f"datasets.{name}", "a balanced set is read as a dataset of that name", hint)
        if name in before:
            hint = "name it in data.clustered alone"
            yield Problem("data", f"{name!r} is made of the datasets of the other roles", hint)


def found_by_nobody(values: Tree) -> Iterator[Problem]:
    """Photos in a folder come without boxes, unless its list has them."""
    for name in used(values):
        entry = tree(values, "datasets", name)
        method = tree(values, "crops", str(entry.get("crop", "aligned"))).get("method")
        unboxed = (
            entry.get("source") == "folder" and not entry.get("list") and entry.get("box", "none") == "none"
        )
        if unboxed and entry.get("detector", "source") == "source" and method != "as_is":
            what = "missing: a folder of photos has no boxes"
            hint = "write `detector: yunet` or `detector: file`, or for faces alone `box: whole, crop: tight`"
            yield Problem(f"datasets.{name}.detector", what, hint)


def crop_sizes(values: Tree) -> Iterator[Problem]:
    """All faces that a model sees have one size, and a foreign model's is its own."""
    default = Dataset.model_fields["crop"].default
    crops = {name: tree(values, "datasets", name).get("crop", default) for name in used(values)}
    sizes = {name: tree(values, "crops", crop).get("image_size") for name, crop in crops.items()}
    distinct = {size for size in sizes.values() if isinstance(size, int)}
    if len(distinct) > 1:
        said = ", ".join(f"{name} {size} px" for name, size in sizes.items())
        yield Problem("crops", f"the used datasets have crops of different sizes ({said})", "choose one size")
    for name, entry in tree(values, "foreign").items():
        preset = entry.get("preset")
        yield from named(
            f"foreign.{name}.preset", preset, tree(values, "backbones", "foreign"), "backbones.foreign preset"
        )
        wanted = tree(values, "backbones", "foreign", str(preset)).get("image_size")
        for size in sorted(distinct):
            if wanted is not None and size != wanted:
                what = f"the model {name!r} takes images of {wanted} px, the crops have {size} px"
                hint = f"set the image_size of the used crops to {wanted}, or correct the preset's"
                yield Problem(f"foreign.{name}", what, hint)


def rates(values: Tree) -> Iterator[Problem]:
    """People who are each other's nearest match at a higher rate than strangers, or at none of their own."""
    overlap = tree(values, "overlap")
    size = f"sizes.{values.get('size')}.overlap"
    given = {key: (f"overlap.{key}", overlap.get(key)) for key in ("false_match_rate", "mutual_rate")}
    drawn = any(tree(values, "datasets", name).get("source") == "synthetic" for name in used(values))
    for key, (path, rate) in given.items():
        if rate == "size":
            if not drawn:
                what = "no dataset that is used is synthetic: the size of the world says nothing of these"
                yield Problem(path, what, "write a number, such as 1.0e-6; see the comment in params.yaml")
            given[key] = (f"{size}.{key}", tree(values, *size.split(".")).get(key))
    (at, single), (path, mutual) = given.values()
    faces = [name for name in used(values) if tree(values, "datasets", name).get("source") not in OBJECTS]
    if single == "none" and faces:
        what = f"none is for classes of objects (source image_labels), but {faces[0]!r} may hold people"
        yield Problem(at, what, "write a number, so that people of the benchmarks are looked for")
    elif single == "none":
        for protocol in sorted(set(tree(values, "protocols")) - OF_OBJECTS):
            what = f"none looks for nobody, but the protocol {protocol!r} compares people"
            yield Problem(at, what, f"write a number, or leave {protocol} out of `protocols`")
    if isinstance(single, float | int) and isinstance(mutual, float | int) and 0 < mutual <= single:
        what = f"{mutual:g} is not above the false-match rate of {single:g}: it has no effect"
        yield Problem(path, what, "write a higher one, or 0")


def inside(values: Tree) -> Iterator[Problem]:
    """Mistakes inside a set that are acted on are looked for."""
    given = tree(values, "overlap", "within")
    for act, search in (("merge", "false_merges"), ("drop", "precision")):
        if given.get(act) is True and given.get(search) == "none":
            what = f"has no effect: {search} is none, so that nothing is looked for"
            yield Problem(f"overlap.within.{act}", what, f"write a number at {search}, or {act}: false")


RULES = (roles, datasets, several, balanced, found_by_nobody, crop_sizes, rates, inside)
