"""A teacher's outputs: cached equal live, caches of other faces refused, eval mode, no gradient."""

import json

import numpy as np
import pytest
import torch

from pipeline.augment import Unchanged
from pipeline.contracts import LABELLED, UNLABELLED
from pipeline.heads import cosface
from pipeline.loader import Faces
from pipeline.train import targets
from pipeline.train.batches import Batches, Stream
from tests.train.tiny import Net, write_faces


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """30 labelled and 21 unlabelled faces of which some are excluded, and their streams."""
    folder = tmp_path_factory.mktemp("targets")
    paths = {LABELLED: write_faces(folder / "l"), UNLABELLED: write_faces(folder / "u", 3, 7, seed=1)}
    used = {
        LABELLED: Faces(paths[LABELLED], exclude=["p000/1", "p003/0"], needs_identity=True),
        UNLABELLED: Faces(paths[UNLABELLED], exclude=["p001/3"]),
    }
    return paths, used


def batches(used):
    streams = [
        Stream(used[d], size, 1, Unchanged(flip=True), domain=d)
        for d, size in ((LABELLED, 8), (UNLABELLED, 4))
    ]
    return Batches(*streams, seed=1)


def outputs_of(net, faces):
    """Slow: every row one by one, plain and mirrored."""
    rows = []
    for i in range(len(faces)):
        image = (faces.images(np.array([i])).permute(0, 3, 1, 2).float() - 127.5) / 127.5
        with torch.no_grad():
            rows.append([net(v).embedding[0].numpy() for v in (image, image.flip(3))])
    return np.asarray(rows, np.float32)


def teachers(world, tmp_path, dim=8):
    paths, used = world
    torch.manual_seed(0)
    net = Net(dim).eval()
    whole = {d: Faces(path) for d, path in paths.items()}
    arrays = {d: outputs_of(net, faces) for d, faces in whole.items()}
    sources = {
        targets.ROLES[d]: targets.Source(f"set{d}", faces.sample_ids, lambda a, b, d=d: arrays[d][a:b])
        for d, faces in whole.items()
    }
    targets.write(tmp_path / "t", "teacher", dim, sources, chunk=7)
    read = {
        d: targets.Table(
            targets.read(tmp_path / "t", targets.ROLES[d], f"set{d}", whole[d].sample_ids), used[d].rows
        )
        for d in whole
    }
    return targets.CachedTeacher(read, dim), targets.LiveTeacher(net, dim), whole


def test_cached_equals_live(world, tmp_path):
    cached, live, _ = teachers(world, tmp_path)
    seen = {"mirrored": 0, "plain": 0}
    for _, batch in batches(world[1]).run(0, 6):
        assert torch.allclose(cached.embed(batch), live.embed(batch), atol=1e-5)
        seen["mirrored"] += int(batch.mirrored.sum())
        seen["plain"] += int((~batch.mirrored).sum())
    assert min(seen.values()) > 10


def test_mirrored_and_plain_are_told_apart(world, tmp_path):
    cached, _, _ = teachers(world, tmp_path)
    _, batch = next(batches(world[1]).run(0, 1))
    other = cached.embed(batch).clone()
    object.__setattr__(batch, "mirrored", ~batch.mirrored)
    assert not torch.allclose(cached.embed(batch), other, atol=1e-3)


def test_live_teacher_is_in_eval_mode_whatever_happens(world):
    net = Net(8)
    live = targets.LiveTeacher(net.train(), 8)
    net.train()
    _, batch = next(batches(world[1]).run(0, 1))
    state = {name: value.clone() for name, value in net.state_dict().items()}
    first = live.embed(batch)
    assert not first.requires_grad
    assert torch.equal(first, live.embed(batch))  # no dropout, no batch statistics
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert not any(p.requires_grad for p in net.parameters())
    alone = live.embed(batch.select(slice(2, 3)))
    assert torch.allclose(alone, first[2:3], atol=1e-6)


def test_live_teacher_sees_its_own_normalisation(world):
    _, batch = next(batches(world[1]).run(0, 1))
    theirs = ((120.0, 110.0, 100.0), (60.0, 50.0, 70.0))
    net = Net(8)
    live = targets.LiveTeacher(net, 8, change=targets.renormalisation((127.5, 127.5), theirs))
    pixels = batch.image * 127.5 + 127.5
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in theirs)
    with torch.no_grad():
        expected = net((pixels - mean) / std).embedding
    assert torch.allclose(live.embed(batch), expected, atol=1e-5)
    assert targets.renormalisation((127.5, 127.5), (127.5, 127.5)) is None


def test_logits_are_the_scaled_cosines_of_the_frozen_head():
    head = cosface.CosFace(6, 5, 0.35, 11.0)
    teacher = targets.Teacher(6, head, list("abcde"))
    x = torch.randn(4, 6)
    expected = [
        [11.0 * float(torch.dot(a, w) / a.norm() / w.norm()) for w in head.weight.detach()] for a in x
    ]
    found = teacher.logits(x.requires_grad_())
    assert torch.allclose(found, torch.tensor(expected), atol=1e-4)
    assert not found.requires_grad
    assert teacher.scale == 11.0
    assert not head.weight.requires_grad


def test_foreign_teacher_has_no_logits():
    teacher = targets.Teacher(6)
    assert teacher.classifier is None
    assert teacher.scale is None
    with pytest.raises(ValueError, match="no classifier"):
        teacher.logits(torch.zeros(1, 6))


@pytest.mark.parametrize(
    ("student", "said"),
    [
        (["a", "c", "b"], "class 1 is 'b'"),
        (["a", "b"], "class 2 is 'c'.*'no class'"),
        (list("abcd"), "class 3"),
    ],
)
def test_other_classes_are_refused(student, said):
    teacher = targets.Teacher(6, cosface.CosFace(6, 3, 0.1, 1.0), ["a", "b", "c"])
    teacher.same_classes(["a", "b", "c"])
    with pytest.raises(ValueError, match=said):
        teacher.same_classes(student)


def test_caches_of_other_faces_are_refused_by_name(world, tmp_path):
    _, _, whole = teachers(world, tmp_path)
    ids = whole[LABELLED].sample_ids
    with pytest.raises(ValueError, match=r"'set0', not of 'casia'"):
        targets.read(tmp_path / "t", "labelled", "casia", ids)
    for other in (ids[:-1], [*ids[1:], ids[0]], ["x", *ids[1:]]):
        with pytest.raises(ValueError, match="run the targets stage again"):
            targets.read(tmp_path / "t", "labelled", "set0", other)
    with pytest.raises(ValueError, match="no landmarked targets"):
        targets.read(tmp_path / "t", "landmarked", "set0", ids)
    np.save(tmp_path / "t/labelled.npy", np.zeros((2, 2, 8), np.float32))
    with pytest.raises(ValueError, match=r"labelled\.npy has shape"):
        targets.read(tmp_path / "t", "labelled", "set0", ids)


def test_empty_role_and_wrong_size(tmp_path):
    sources = {"unlabelled": targets.Source("none", [], lambda a, b: np.zeros((b - a, 2, 4), np.float32))}
    targets.write(tmp_path / "t", "teacher", 4, sources)
    found = targets.read(tmp_path / "t", "unlabelled", "none", [])
    assert found.shape == (0, 2, 4)
    table = targets.Table(found, np.zeros(0, np.int64))
    with pytest.raises(ValueError, match=r"expected \(n, 2, 5\)"):
        targets.CachedTeacher({UNLABELLED: table}, 5)


def test_a_failure_leaves_nothing_half_written(tmp_path):
    def embed(start, stop):
        values = np.zeros((stop - start, 2, 4), np.float32)
        values[-1] = np.nan if start else 0.0
        return values

    with pytest.raises(FloatingPointError, match="row 9"):
        targets.write(
            tmp_path / "t", "teacher", 4, {"labelled": targets.Source("s", [*"abcdefghij"], embed)}, chunk=5
        )
    assert list(tmp_path.iterdir()) == []


def test_about_names_teacher_and_faces(world, tmp_path):
    teachers(world, tmp_path)
    about = json.loads((tmp_path / "t/targets.json").read_text())
    assert (about["teacher"], about["dim"], about["labelled"]["rows"]) == ("teacher", 8, 30)
    assert targets.fingerprint(["ab", "c"]) != targets.fingerprint(["a", "bc"])
