"""What of models would fail hours later, in the middle of a run, is told before anything runs."""

import pytest

from pipeline import losses, plugin
from pipeline.train import mixing
from tests.test_params import headless, spoil

__all__ = ["spoil"]
NOTHING = {"recognition": 0.0, "labelled": 0.0, "unlabelled": 0.0, "mixed": 0.0, "batch_unlabelled": 0}


def start(values, **changes):
    """`alone` starts from the teacher, whose architecture it takes but for `changes`."""
    same = {key: values["train"]["teacher"][key] for key in ("backbone", "shape", "conv")}
    values["train"]["alone"].update(same, init="data/models/teacher", **changes)


def dynamic(values, conv, stages):
    values["convs"][conv]["last_stages"] = stages
    values["train"]["teacher"]["conv"] = conv


def chain(values, loss, mixing, second="kd"):
    """`second` learns by kd from `student`, which learns by `loss` and `mixing`."""
    headless(values, second, "unlabelled_only")
    values["distill"]["student"].update(loss=loss, mixing=mixing)


CASES = {  # change -> all problems: path -> what, what would be right
    "a mixing that weighs nothing": (
        lambda v: v["mixings"].update(nothing=NOTHING),
        {
            "mixings.nothing": "recognition, labelled, unlabelled and mixed are all 0: there is nothing "
            "to learn from | give one of them a weight above 0"
        },
    ),
    "a start from another shape": (
        lambda v: start(v, shape="student"),
        {
            "train.alone.init": "'teacher' is another architecture: shape teacher and not student | "
            "give both the same shape, or write data/models/none"
        },
    ),
    "a start from another net altogether": (
        lambda v: v["train"]["teacher"].update(init="data/models/student", backbone="mobilefacenet"),
        {
            "train.teacher.init": "'student' is another architecture: backbone ir and not mobilefacenet, "
            "shape student and not teacher, conv plain and not dynamic_group | "
            "give both the same backbone and shape and conv, or write data/models/none"
        },
    ),
    "a start from a net without heatmaps": (
        lambda v: start(v, landmark="data/models/landmark"),
        {
            "train.alone.init": "'teacher' is another architecture: landmark data/models/none and not "
            "data/models/landmark | give both the same landmark, or write data/models/none"
        },
    ),
    "a teacher that has no classifier, by sr": (
        lambda v: chain(v, "sr", "unlabelled_only"),
        {
            "distill.second.loss": "kd is impossible: the teacher 'student' has no classifier, as nothing "
            "trains one | use a loss of fm alone"
        },
    ),
    "sr from a teacher that has no classifier": (
        lambda v: chain(v, "srrl", "unlabelled_only", "sr"),
        {
            "distill.second.loss": "sr is impossible: the teacher 'student' has no classifier, as nothing "
            "trains one | use a loss of fm alone"
        },
    ),
    "clusters that one epoch never sees": (
        lambda v: v["train"]["teacher"].update(epochs=1),
        {
            "train.teacher.cluster": "cluster 'kmeans' sets in after 1 of 1 epochs: never | "
            "lower clusters.kmeans.start, train longer, or choose cluster none"
        },
    ),
    "clusters that the size never sees": (
        lambda v: (v["clusters"]["kmeans"].update(start=0.9), v["sizes"]["demo"]["epochs"].update(train=9)),
        {
            "train.teacher.cluster": "cluster 'kmeans' sets in after 9 of 9 epochs: never | "
            "lower clusters.kmeans.start, train longer, or choose cluster none"
        },
    ),
    "clusters after all epochs": (
        lambda v: v["clusters"]["kmeans"].update(start=1.0),
        {"clusters.kmeans.start": "Input should be less than 1, got 1.0 | a number of 0 or more and below 1"},
    ),
}
CASES |= {
    f"clusters of {conv} in no stage": (
        lambda v, conv=conv: dynamic(v, conv, 0),
        {
            "train.teacher.cluster": f"cluster 'kmeans' needs routing vectors, and conv {conv} has none with "
            f"last_stages 0 | set convs.{conv}.last_stages to 1 or more, or choose cluster none"
        },
    )
    for conv in ("dynamic", "dynamic_group")
}


@pytest.mark.parametrize("case", CASES)
def test_what_fails_later_is_told_alone(spoil, case):
    change, told = CASES[case]
    assert spoil(change) == told


POSSIBLE = {
    "weights of any one kind": lambda v: v["mixings"].update(
        {name: NOTHING | {name: 1.0, "batch_unlabelled": 1} for name in NOTHING if name[:5] != "batch"}
    ),
    "a start from the same net under another head": lambda v: start(v, head="arcface", margin="paper"),
    "a start from the same net with dropout": lambda v: (
        v["backbones"]["ir"].update(other=v["backbones"]["ir"]["teacher"] | {"dropout": 0.1}),
        start(v, shape="other"),
    ),
    "a teacher whose classifier kd trains": lambda v: chain(v, "kd", "unlabelled_only"),
    "a teacher whose classifier labels train": lambda v: chain(v, "sr", "unlabelled"),
    "one dynamic stage": lambda v: dynamic(v, "dynamic", 1),
    "no dynamic stage and no clusters": lambda v: (
        dynamic(v, "dynamic", 0),
        v["train"]["teacher"].update(cluster="none"),
    ),
    "clusters from the first epoch of one": lambda v: (
        v["clusters"]["kmeans"].update(start=0.0),
        v["train"]["teacher"].update(epochs=1),
    ),
    "clusters in the second epoch of two": lambda v: v["train"]["teacher"].update(epochs=2),
    "size smoke": lambda v: v.update(size="smoke"),
}


@pytest.mark.parametrize("case", POSSIBLE)
def test_what_is_possible_is_not_refused(spoil, case):
    assert spoil(POSSIBLE[case]) == {}


@pytest.mark.parametrize("name", plugin.names("losses"))
def test_losses_read_what_check_goes_by(name):
    """Whether a classifier is trained hangs on what is read, as declared for `check` and as built."""
    import torch

    built = losses.build({name: {"weight": 1.0}}, torch.eye(3), 1.0)
    assert built.needs == losses.needs({name: {"weight": 1.0}})
    mix = mixing.Params(**NOTHING | {"unlabelled": 1.0})
    assert mixing.trains_head(mix, built.needs) == (name == "kd")
