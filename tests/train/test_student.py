"""A student, from params to a saved model: what is trained on what, with which teacher."""

import contextlib
import copy

import numpy as np
import pytest
import torch

from pipeline import model
from pipeline.contracts import LABELLED, UNLABELLED
from pipeline.evaluate.agreement import compare
from pipeline.evaluate.embed import embed
from pipeline.loader import Faces
from pipeline.runtime import Runtime
from pipeline.train import student, targets
from pipeline.train.targets import CachedTeacher, LiveTeacher
from tests.train.tiny import write_faces

RUNTIME = Runtime(device="cpu", threads=1, workers=0)
ENTRY = {
    "teacher": "teacher",
    "backbone": "ir",
    "shape": "small",
    "conv": "plain",
    "head": "cosface",
    "margin": "mild",
    "augment": "flip",
    "schedule": "sgd",
    "epochs": 1,
    "loss": "all",
    "mixing": "default",
    "targets": "cached",
    "seed": 2,
}
PARAMS = {
    "backbones": {"ir": {"small": {"depth": [1, 1], "width": [4, 4, 6], "dim": 6}}},
    "convs": {"plain": {}},
    "heads": {"cosface": {"mild": {"m": 0.1, "s": 8.0}}},
    "augment": {"flip": {}, "wild": {}},
    "schedules": {"sgd": {"lr": 0.05, "batch": 8}},
    "losses": {
        "all": {"kd": {"weight": 1.0}, "fm": {"weight": 1.0}, "sr": {"weight": 1.0}},
        "fm": {"fm": {"weight": 1.0}},
    },
    "mixings": {
        "default": {"mixed": 1.0, "batch_unlabelled": 4},
        "labelled_only": {"unlabelled": 0.0, "batch_unlabelled": 0},
        "unweighted": {"unlabelled": 0.0, "batch_unlabelled": 4},
        "unlabelled_only": {"recognition": 0.0, "labelled": 0.0, "batch_unlabelled": 4},
    },
}


class Bar:
    def advance(self, steps=1):
        """Nobody looks."""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Two datasets of 16 px faces, exclusions, a teacher of other size than the student, its cache."""
    root = tmp_path_factory.mktemp("student")
    prepared = root / "prepared"
    write_faces(prepared / "crop/home")
    write_faces(prepared / "crop/wild", 3, 7, seed=1)
    used = {
        LABELLED: Faces(prepared / "crop/home", exclude=["p001/2"], needs_identity=True),
        UNLABELLED: Faces(prepared / "crop/wild", exclude=["p000/0"]),
    }
    spec = model.ModelSpec(
        name="teacher",
        shape={"depth": [1, 1], "width": [4, 8, 8], "dim": 9},
        head="cosface",
        margin={"s": 8.0},
        classes=6,
        size=16,
        trained_on=["home", "elsewhere"],
        mean=100.0,
    )
    torch.manual_seed(0)
    model.save(root / "teacher", spec, model.build(spec), model.build_head(spec), used[LABELLED].classes)
    trained = model.load(root / "teacher")
    sources = {}
    for role, name in (("labelled", "home"), ("unlabelled", "wild")):
        whole = Faces(prepared / "crop" / name)

        def rows(start, stop, whole=whole):
            return embed(trained.recogniser, whole, RUNTIME, start=start, stop=stop)

        sources[role] = targets.Source(name, whole.sample_ids, rows)
    targets.write(prepared / "targets/teacher", "teacher", 9, sources)
    roles = {
        LABELLED: student.Role("home", used[LABELLED]),
        UNLABELLED: student.Role("wild", used[UNLABELLED]),
    }
    return root, prepared, roles


def train(world, tmp_path, roles=None, entry=None, trained=None):
    root, prepared, both = world
    roles, entry = both if roles is None else roles, {**ENTRY, **(entry or {})}
    trained = trained or model.load(root / "teacher")
    spec = student.describe("student", entry, PARAMS, roles, trained.spec, 1)
    cache = prepared / "targets/teacher"
    teacher = student.teacher_of(entry, PARAMS, roles, trained, spec, cache, prepared)
    return student.distil(
        spec,
        entry,
        PARAMS,
        roles,
        teacher,
        runtime=RUNTIME,
        checkpoints=tmp_path / "fingerprint",
        log=lambda values, step: None,
        bar=lambda total, what: contextlib.nullcontext(Bar()),
        validate=None,
    )


def test_cached_and_live_targets_train_the_same_student(world, tmp_path):
    """Teacher and student are normalised differently; the last weights agree to rounding."""
    cached = train(world, tmp_path / "a")
    live = train(world, tmp_path / "b", entry={"targets": "live"})
    assert set(cached.curves[0]) == set(live.curves[0])
    assert {"mixed", "recognition", "labelled_kd", "unlabelled_sr"} <= set(cached.curves[0])
    for name, value in cached.recogniser.state_dict().items():
        assert torch.allclose(value.float(), live.recogniser.state_dict()[name].float(), atol=1e-4), name


def test_student_is_saved_without_its_connector_and_with_its_history(world, tmp_path):
    trained = train(world, tmp_path)
    trained.save(tmp_path / "model")
    again = model.load(tmp_path / "model")
    assert again.spec.trained_on == ["elsewhere", "home", "wild"]
    assert again.spec.teacher == "teacher"
    assert again.recogniser.dim == 6
    assert again.classes == [f"p{i:03d}" for i in range(6)]
    assert trained.connector.linear.weight.shape == (9, 6)
    faces = world[2][UNLABELLED].faces
    assert np.array_equal(embed(again.recogniser, faces, RUNTIME), embed(trained.recogniser, faces, RUNTIME))
    alike = compare(again, model.load(world[0] / "teacher"), trained.connector, faces, RUNTIME)
    assert set(alike) == {"cosine", "l2", "kl"}


@pytest.mark.parametrize(
    ("role", "terms"),
    [
        (LABELLED, {"recognition", "labelled_kd", "labelled_fm", "labelled_sr"}),
        (UNLABELLED, {"unlabelled_fm"}),
    ],
)
def test_an_empty_role_takes_its_terms_with_it(world, tmp_path, role, terms):
    entry = {} if role == LABELLED else {"loss": "fm"}
    trained = train(world, tmp_path, {role: world[2][role]}, entry)
    assert set(trained.curves[0]) - {"epoch", "rate", "loss"} == terms
    assert (trained.head is None) == (role == UNLABELLED)
    assert trained.spec.classes == (6 if role == LABELLED else 0)
    trained.save(tmp_path / "model")
    assert (model.load(tmp_path / "model").head is None) == (role == UNLABELLED)


def test_labelled_only_reads_no_unlabelled_faces(world, tmp_path):
    trained = train(world, tmp_path, entry={"mixing": "labelled_only"})
    assert not any(name.startswith(("unlabelled", "mixed")) for name in trained.curves[0])


def test_a_foreign_teacher_gives_embeddings_alone(world, tmp_path):
    trained = model.load(world[0] / "teacher")
    foreign = model.Model(trained.spec.model_copy(update={"auditable": False}), trained.recogniser, None, [])
    only = {UNLABELLED: world[2][UNLABELLED]}
    assert not train(world, tmp_path / "a", only, {"loss": "fm"}, foreign).spec.auditable
    with pytest.raises(ValueError, match="teacher's classifier"):
        train(world, tmp_path / "b", entry={"loss": "all"}, trained=foreign)
    with pytest.raises(ValueError, match="teacher has no classifier"):
        train(world, tmp_path / "c", entry={"loss": "fm"}, trained=foreign)


def test_other_classes_are_refused_only_where_they_are_compared(world, tmp_path):
    trained = model.load(world[0] / "teacher")
    other = model.Model(trained.spec, trained.recogniser, trained.head, trained.classes[::-1])
    with pytest.raises(ValueError, match="class 0 is 'p005'"):
        train(world, tmp_path / "a", trained=other)
    train(world, tmp_path / "b", entry={"loss": "fm", "mixing": "labelled_only"}, trained=other)


def test_cached_targets_ask_for_the_flip_alone_and_for_the_same_faces(world, tmp_path):
    with pytest.raises(ValueError, match="targets: live"):
        train(world, tmp_path, entry={"augment": "wild"})
    with pytest.raises(ValueError, match="'often' is unknown"):
        train(world, tmp_path, entry={"targets": "often"})
    with pytest.raises(ValueError, match="nothing to distil on"):
        train(world, tmp_path, roles={})
    swapped = copy.copy(world[2])
    swapped[LABELLED] = student.Role("wild", world[2][LABELLED].faces)
    with pytest.raises(ValueError, match="'home', not of 'wild'"):
        train(world, tmp_path, roles=swapped)


def test_teacher_kinds(world):
    root, prepared, roles = world
    trained = model.load(root / "teacher")
    spec = student.describe("student", ENTRY, PARAMS, roles, trained.spec, 1)
    kinds = {}
    for how in ("cached", "live"):
        entry = {**ENTRY, "targets": how}
        kinds[how] = student.teacher_of(
            entry, PARAMS, roles, trained, spec, prepared / "targets/teacher", prepared
        )
    assert isinstance(kinds["cached"], CachedTeacher)
    assert isinstance(kinds["live"], LiveTeacher)
    assert kinds["live"].change is not None


@pytest.mark.parametrize(
    ("mixing", "used"),
    [("default", [0, 1]), ("labelled_only", [0]), ("unweighted", [0]), ("unlabelled_only", [1])],
)
def test_faces_that_no_term_learns_from_are_not_trained_on(world, tmp_path, mixing, used):
    roles = world[2]
    domains = [(LABELLED, UNLABELLED)[place] for place in used]
    entry = {**ENTRY, "mixing": mixing}
    found = student.of_use(entry, PARAMS, roles)
    assert list(found) == domains
    trained = train(world, tmp_path, entry={"mixing": mixing})
    own = {roles[domain].dataset for domain in domains}
    assert set(trained.spec.trained_on) == {"home", "elsewhere"} | own  # the teacher's, and its own
    mix = student.mixing_of(entry, PARAMS, roles)
    settings = student.assemble.schedule(entry, PARAMS)
    batches = student.batches_of(trained.spec, entry, PARAMS, roles, mix, settings, 0)
    assert [stream.domain for stream in batches.streams] == domains
