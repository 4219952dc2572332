"""Rules on the synthetic world: who is in which part, who is planted from where, what a size leaves empty.

All synthetic datasets are of one `world_seed`, so that a person is a part of the world and a number there,
whatever dataset has it: two datasets of one part show the same people.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline import plugin
from pipeline.params.data import benchmarks, used
from pipeline.params.problem import Problem, Tree, tree

TEST, HOME = "test", "home"  # the part that is tested on; the world of an entry that names none
BENCHMARKS = "benchmarks"
PART = {  # of a role
    "labelled": "labelled",
    "unlabelled": "unlabelled",
    "landmarked": "labelled",
    "validation": "validation",
    BENCHMARKS: TEST,
}
TOGETHER = ({"labelled", "landmarked"}, {"unlabelled", "landmarked"})  # landmarks don't say whose they are


def parts(values: Tree) -> Iterator[Problem]:
    """Whom one trains on, chooses by and tests on are other people: other parts of the world."""
    drawn = _drawn(values)
    for name, entry in drawn.items():
        for role in _roles(values, name):
            part = entry.get("part")
            if part != PART[role] and (what := _shared(values, drawn, name, role)):
                yield Problem(f"datasets.{name}.part", f"{part!r}: {what}", f"write `part: {PART[role]}`")
                break


def _shared(values: Tree, drawn: dict[str, Tree], name: str, role: str) -> str:
    """Which other role has the same people, in words; empty if none has."""
    part = drawn[name].get("part")
    if part == TEST:
        return f"its people are for benchmarks alone, but data.{role} names this dataset"
    for other, entry in drawn.items():
        for rival in _roles(values, other) if other != name and entry.get("part") == part else ():
            if rival != role and {rival, role} not in TOGETHER:
                return f"data.{role} has the people of {other} then, which is data.{rival}"
    return ""


def planted(values: Tree) -> Iterator[Problem]:
    """Who is planted is drawn as a benchmark draws them, else it is somebody else."""
    drawn = _drawn(values)
    tests = {name: _world(values, drawn[name], "world") for name in drawn if drawn[name].get("part") == TEST}
    same_people = plugin.load("sources", "synthetic").same_people
    for name, entry in drawn.items():
        count = tree(values, "sizes", str(values.get("size")), "world", str(entry.get("part"))).get("planted")
        origin = _world(values, entry, "planted_from")
        if count and tests and not any(same_people(origin, world) for world in tests.values()):
            test = next(iter(tests))
            world = drawn[test].get("world", HOME)
            what = f"{entry.get('planted_from', HOME)!r}: {count} people of {test} are planted here,"
            what += f" but its world {world!r} draws other faces from their numbers"
            yield Problem(f"datasets.{name}.planted_from", what, f"write `planted_from: {world}`")


def empty(values: Tree) -> Iterator[Problem]:
    """No protocol is without pairs, probes or strangers."""
    path = f"sizes.{values.get('size')}.world.{TEST}"
    size = tree(values, *path.split("."))
    lacking = plugin.load("sources", "synthetic").lacking
    for name, entry in _drawn(values).items():
        for lack in lacking(size, entry.get("protocols")) if entry.get("part") == TEST else ():
            hint = f"write {lack.right}, or leave them out of datasets.{name}.protocols"
            yield Problem(f"{path}.{lack.knob}", str(lack), hint)


def _drawn(values: Tree) -> dict[str, Tree]:
    """Entries of the synthetic datasets that a role names."""
    entries = {name: tree(values, "datasets", name) for name in used(values)}
    return {name: entry for name, entry in entries.items() if entry.get("source") == "synthetic"}


def _roles(values: Tree, name: str) -> list[str]:
    """What a dataset is for; not `clustered`, which nothing is learnt from or chosen by."""
    data = tree(values, "data")
    return [
        role for role in PART if data.get(role) == name or (role == BENCHMARKS and name in benchmarks(values))
    ]


def _world(values: Tree, entry: Tree, key: str) -> dict[str, Any]:
    return tree(values, "worlds", str(entry.get(key, HOME)))


RULES = (parts, planted, empty)
