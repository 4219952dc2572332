"""The shape of params.yaml. `Tree` parts belong to plugins, which check them (see presets.py)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.problem import Tree
from pipeline.params.words import NAME
from pipeline.strict import Inside, Strict

Name = Annotated[str, Field(pattern=NAME)]
Rate = Annotated[float, Field(gt=0, lt=1)] | Literal["size"]
MutualRate = Annotated[float, Field(ge=0, lt=1)] | Literal["size"]
Epochs = Annotated[int, Field(ge=1)] | Literal["size"]
Seed = Annotated[int, Field(ge=0)]


class Roles(Strict):
    labelled: str
    unlabelled: str
    landmarked: str
    validation: str
    clustered: str
    benchmarks: list[str]


class Dataset(Strict):
    """What every entry of `datasets` may say; all else belongs to its source."""

    source: str
    crop: str = "aligned"
    detector: str = "source"
    # of several faces in an image: which count; pipeline/detectors/__init__.py
    faces: Literal["prominent", "largest", "central", "all"] = "prominent"
    detections: Inside | None = None  # file of boxes and landmarks for `detector: file`
    annotators: list[str] = Field(default=["truth", "pose"])
    terms: str | None = Field(default=None, min_length=1)  # of use: a text or an address, for its card


class Net(Strict):
    """What every trained recogniser says."""

    backbone: str
    shape: str
    conv: str
    head: str
    margin: str
    augment: str
    schedule: str
    epochs: Epochs
    seed: Seed


class Scout(Net):
    holdout: float = Field(ge=0, lt=1)  # share of the identities that it never sees


class Trained(Net):
    cluster: str
    init: str  # path of a model to start from, or data/models/none
    landmark: str  # path of a landmark net, or data/models/none


class Distilled(Net):
    teacher: str
    loss: str
    mixing: str
    targets: Literal["cached", "live"]
    landmark: str


class Landmark(Strict):
    net: str
    preset: str
    schedule: str
    epochs: Epochs
    augment: str
    seed: Seed


class Foreign(Strict):
    weights: str
    preset: str


class Duplicates(Strict):
    radius: Annotated[int, Field(ge=0, lt=32)] | Literal["none"]  # bits; 32 are as many as chance has
    similarity: float = Field(gt=0, le=1)
    identity: bool


class Within(Strict):
    false_merges: Annotated[float, Field(gt=0)] | Literal["none"]  # expected by chance in a set
    precision: Annotated[float, Field(gt=0, lt=1)] | Literal["none"]
    merge: bool
    drop: bool


class Balanced(Strict):
    """Faces of every cohort that has enough, from datasets of other roles than `clustered`."""

    of: list[str] = Field(min_length=1)
    each: int = Field(default=200, ge=1)  # faces of a cohort; cohorts with fewer are left out
    confidence: float = Field(default=0.5, ge=0, lt=1)  # of the least sure attribute: above it
    seed: Seed = 0


class Overlap(Strict):
    model: str
    false_match_rate: Rate | Literal["none"]  # none: classes of objects, where nobody is looked for
    mutual_rate: MutualRate
    duplicates: Duplicates
    band: float = Field(ge=0, le=1)  # of cosines
    decisions: str  # a folder
    within: Within


class After(Strict):
    targets: list[str]
    cluster: list[str]
    evaluate: list[str]
    export: list[str]


class Clustering(Strict):
    classes: int = Field(ge=2)
    sample: int = Field(ge=1)
    seed: Seed
    gallery: int = Field(ge=1)


class Limits(Strict):
    set_aside: float = Field(ge=0, le=1)


class SizeOverlap(Strict):
    false_match_rate: float = Field(gt=0, lt=1)
    mutual_rate: float = Field(ge=0, lt=1)


class SizeEpochs(Strict):
    scout: int = Field(ge=1)
    landmark: int = Field(ge=1)
    train: int = Field(ge=1)
    distill: int = Field(ge=1)


class Size(Strict):
    epochs: SizeEpochs
    overlap: SizeOverlap
    world: Tree


class Schema(Strict):
    """The whole file. `Tree` parts are checked by their plugins."""

    size: str
    world_seed: Seed
    data: Roles
    datasets: dict[Name, Tree]
    crops: dict[Name, Tree]
    detectors: dict[Name, Tree]
    annotators: dict[Name, Tree]
    scout: Scout
    overlap: Overlap
    landmark: Landmark
    foreign: dict[Name, Foreign]
    balanced: dict[Name, Balanced]
    train: dict[Name, Trained]
    distill: dict[Name, Distilled]
    after: After
    backbones: dict[Name, dict[Name, Tree]]
    convs: dict[Name, Tree]
    heads: dict[Name, dict[Name, Tree]]
    augment: dict[Name, Tree]
    schedules: dict[Name, Tree]
    clusters: dict[Name, Tree]
    landmarks: dict[Name, dict[Name, Tree]]
    losses: dict[Name, dict[Name, Tree]]
    mixings: dict[Name, Tree]
    protocols: dict[Name, Tree]
    clustering: Clustering
    limits: Limits
    worlds: dict[Name, Tree]
    sizes: dict[Name, Size]
