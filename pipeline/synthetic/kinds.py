"""The test part's photographs: which kinds there are, and which of them a person needs for which protocol.

front, front_profile, young_old, wild   pairs of the photographs that their names say
blurred                                 the pairs of `front`, every photograph out of focus
templates       a gallery template of stills; probe templates of one still and one video
distractors     the `wild` photographs among those of people who are nobody's mate
surveillance    few pixels: a gallery of some people, and probes of all
splits          the `wild` photographs of some people after others, all pairs
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

from pipeline.synthetic.world import BenchmarkSize

Protocol = Literal[
    "front",
    "front_profile",
    "young_old",
    "wild",
    "blurred",
    "templates",
    "distractors",
    "surveillance",
    "splits",
]
Negatives = Literal["random", "same_group"]
Role = Literal["mated", "unmated", "distractor"]  # in or out of the gallery of the open set; no subject
Range = tuple[float, float]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
NEGATIVES: tuple[Negatives, ...] = get_args(Negatives)
PAIRED: dict[str, tuple[str, str]] = {
    "front": ("front", "front"),
    "front_profile": ("front", "profile"),
    "young_old": ("young", "old"),
    "wild": ("wild", "wild"),
}
TWINS = {"blurred": "front"}  # a protocol, its kind of photograph, and the protocol and kind it is a twin of


@dataclass(frozen=True)
class Kind:
    """What replaces what the world would draw; None leaves it. Degrees, years, share of pixels a side."""

    yaw: Range | None = None
    pitch: Range | None = None
    age: Range | None = None
    resolution: Range | None = None
    blur: float = 0.0  # at least; pixels of a 112 px crop
    both_sides: bool = False  # yaw of either sign
    clear: bool = False  # nothing before the face, sharp


def _posed(yaw: Range, pitch: Range = (-15.0, 15.0), age: Range = (20.0, 40.0), **more: bool) -> Kind:
    return Kind(yaw, pitch, age, resolution=(1.0, 1.0), clear=True, **more)


KINDS: dict[str, Kind] = {
    "front": _posed((-15.0, 15.0), (-10.0, 10.0)),
    "profile": _posed((65.0, 90.0), (-10.0, 10.0), both_sides=True),
    "young": _posed((-25.0, 25.0), age=(8.0, 18.0)),
    "old": _posed((-25.0, 25.0), age=(58.0, 80.0)),
    "wild": Kind(),
    "blurred": Kind((-15.0, 15.0), (-10.0, 10.0), (20.0, 40.0), (1.0, 1.0), blur=3.0, clear=True),
    "still": Kind(),
    "video": Kind(),
    "surveillance": Kind(resolution=(0.2, 0.45)),
}


@dataclass(frozen=True)
class Photograph:
    """One photograph of a person. Those of one `medium` share all that is random, but for what follows.

    A twin differs by its kind; a frame of a video has a pose, expression and framing of its own.
    """

    name: str
    kind: str
    medium: str  # the name of the first photograph with its random numbers, or of the video
    frame: bool = False


def named(kind: str, count: int) -> list[Photograph]:
    """front_0, front_1 ..."""
    origin = TWINS.get(kind, kind)
    return [Photograph(f"{kind}_{number}", kind, f"{origin}_{number}") for number in range(count)]


@cache
def photographs(size: BenchmarkSize, protocols: Collection[str], role: Role) -> tuple[Photograph, ...]:
    """What is taken of a person of that role; `protocols` in any order, hashable."""
    if role == "distractor":
        return tuple(named("wild", 1))
    wanted = {kind for protocol in protocols for kind in PAIRED.get(protocol, ())}
    wanted |= {"front", "blurred"} if "blurred" in protocols else set()
    wanted |= {"wild"} if {"distractors", "splits"} & set(protocols) else set()
    found = [photograph for kind in KINDS if kind in wanted for photograph in named(kind, size.images)]
    if "templates" in protocols:
        found += [photograph for template in templates(size).values() for photograph in template]
    if "surveillance" in protocols:
        enrolled, searched = surveilled(size)
        found += [*(enrolled if role == "mated" else []), *searched]
    return tuple(found)


def templates(size: BenchmarkSize) -> dict[str, list[Photograph]]:
    """A person's templates: "gallery" of stills, "probe_0" ... of a still and a video each."""
    stills = named("still", size.stills + size.probes)
    found = {"gallery": stills[: size.stills]}
    for probe, still in enumerate(stills[size.stills :]):
        video = f"video_{probe}"
        frames = [Photograph(f"{video}_{frame}", "video", video, True) for frame in range(size.frames)]
        found[f"probe_{probe}"] = [still, *frames]
    return found


def surveilled(size: BenchmarkSize) -> tuple[list[Photograph], list[Photograph]]:
    """Photographs for the gallery (half, at least one) and for probes (the others, if there are any)."""
    found = named("surveillance", size.images)
    enrolled = max(1, size.images // 2)
    return found[:enrolled], found[enrolled:]
