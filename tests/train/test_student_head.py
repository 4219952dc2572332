"""A student's classifier is there only if something trains it; what it inherits; what its losses are told."""

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from pipeline import losses, model, plugin
from pipeline.contracts import LABELLED, UNLABELLED, DistillationLoss, Shapes, Strict
from pipeline.evaluate.agreement import compare
from pipeline.landmarks import fan
from tests.train.test_student import PARAMS, RUNTIME, train, world

__all__ = ["world"]


@pytest.fixture
def presets(monkeypatch):
    """Mixings without labels, and kd alone."""
    more = {
        "imitate": {"recognition": 0.0, "batch_unlabelled": 4},
        "only_mixed": {"recognition": 0.0, "labelled": 0.0, "unlabelled": 0.0, "mixed": 1.0},
    }
    monkeypatch.setitem(PARAMS, "mixings", PARAMS["mixings"] | more)
    kinds = {"kd": {"kd": {"weight": 1.0}}, "sr": {"sr": {"weight": 1.0}}}
    monkeypatch.setitem(PARAMS, "losses", PARAMS["losses"] | kinds)


@pytest.mark.parametrize(
    ("loss", "mixing", "has_head", "projects"),
    [
        ("fm", "imitate", False, True),
        ("sr", "imitate", False, True),  # the teacher's classifier, not the student's
        ("kd", "imitate", True, False),
        ("fm", "only_mixed", True, False),
        ("kd", "default", True, False),
    ],
)
def test_a_head_that_nothing_trains_is_not_saved(world, tmp_path, presets, loss, mixing, has_head, projects):
    trained = train(world, tmp_path / "f", entry={"loss": loss, "mixing": mixing})
    assert (trained.head is not None, trained.projects) == (has_head, projects)
    saved = trained.save(tmp_path / "model")
    assert (tmp_path / "model/head.pt").exists() == (tmp_path / "model/classes.json").exists() == has_head
    again = model.load(tmp_path / "model")
    assert (again.head is not None, again.spec.classes) == (has_head, 6 if has_head else 0)
    assert len(again.classes) == again.spec.classes
    faces = world[2][UNLABELLED].faces
    alike = compare(saved, model.load(world[0] / "teacher"), trained.connector, faces, RUNTIME)
    assert ("kl" in alike) == has_head


def test_it_has_seen_what_its_landmark_net_has_seen(world, tmp_path):
    described = model.ModelSpec(
        name="l", kind="landmark", backbone="fan", shape={"width": 8, "depth": 1}, size=16,
        trained_on=["shapes"], auditable=False,
    )  # fmt: skip
    net = model.build_landmark(described)
    assert isinstance(net, fan.FAN)
    model.save(tmp_path / "landmark", described, net)
    spec = train(world, tmp_path / "f", entry={"landmark": str(tmp_path / "landmark")}).spec
    assert spec.trained_on == ["elsewhere", "home", "shapes", "wild"]
    assert not spec.auditable


class Attention(DistillationLoss):
    """Distance of mean absolute maps; an own parameter, and a count of epochs in a buffer."""

    needs = frozenset({"maps", "live"})

    def __init__(self, shapes):
        super().__init__()
        self.shapes = shapes
        self.gain = torch.nn.Parameter(torch.ones(()))
        self.register_buffer("told", torch.zeros((), dtype=torch.int64))
        self.surveyed = ()

    def begin_epoch(self, epoch, survey):
        assert epoch == int(self.told)
        self.told += 1
        self.surveyed = survey(lambda outputs: outputs.embedding).shape

    def forward(self, student, teacher, batch):
        assert student.maps.keys() == teacher.maps.keys() == {"stage1", "stage2"}
        both = [adaptive_avg_pool2d(o.maps["stage1"].abs().mean(1), 2) for o in (student, teacher)]
        assert len(both[0]) == len(both[1]) == len(batch)
        assert not both[1].requires_grad
        return self.gain * (both[0] - both[1]).square().mean()


@pytest.fixture
def attention(monkeypatch):
    """The loss plugin `attention`, as if a file of that name were there."""
    built = []

    class Module:
        NEEDS = Attention.needs
        Params = Strict

        @staticmethod
        def build(params, classifier, scale, shapes=None):
            built.append(Attention(shapes))
            return built[-1]

    load = plugin.load
    monkeypatch.setattr(plugin, "load", lambda f, n: Module if n == "attention" else load(f, n))
    preset = {"attention": {"weight": 2.0}, "fm": {"weight": 1.0}}
    monkeypatch.setitem(PARAMS, "losses", PARAMS["losses"] | {"attention": preset})
    return built


def test_a_loss_gets_maps_shapes_and_epochs(world, tmp_path, attention):
    entry = {"loss": "attention", "targets": "live"}
    trained = train(world, tmp_path, entry=entry)
    (loss,) = attention
    assert loss.shapes == Shapes(
        6,
        9,
        {LABELLED: 29, UNLABELLED: 20},
        1,
        {"stage1": 4, "stage2": 6},
        {"stage1": 8, "stage2": 8},
    )
    assert {"labelled_attention", "unlabelled_attention", "labelled_fm"} <= set(trained.curves[0])
    assert int(loss.told) == 1
    assert tuple(loss.surveyed) == (29, 6)
    assert loss.gain.item() != 1.0  # trained with the rest


def test_maps_are_not_in_a_cache(world, tmp_path, attention):
    with pytest.raises(ValueError, match=r"loss 'attention' needs the teacher's .*: write targets: live"):
        train(world, tmp_path, entry={"loss": "attention"})


def test_a_loss_that_asks_for_no_shapes_is_built_without():
    built = losses.build({"fm": {"weight": 1.0}}, shapes=Shapes(1, 2, {}, 3))
    assert built.projects
    built.begin_epoch(0, lambda read: torch.zeros(1))  # nothing to prepare
