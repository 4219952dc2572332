"""Labels are what is drawn: projections, markers at landmarks, visibility against rays, closed eyes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pipeline.synthetic import camera, eyes, figure, labels, look, raster, sampler, tables
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.renderer import renderer
from pipeline.synthetic.world import World

COUNT, SIZE = 10, 96
MIRRORED = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
MIRRORED += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]
MIRRORED += [64, 63, 62, 61, 60, 67, 66, 65]


def photographs(size, count):
    """Photographs of five people, as numbers and as shots."""
    draw, draws = renderer(size), Draws(range(100, 100 + count))
    cast = draw.cast(Draws(range(5)), World())
    who = torch.arange(count) % 5
    photos = sampler.draw(
        draws, World(hats=0.4, occlusion=0.0), draw.expression_names, torch.ones(count), torch.zeros(count)
    )
    return draw, cast, who, photos, draw.photograph(cast, who, photos, draws)


@pytest.fixture(scope="module")
def drawn():
    return photographs(SIZE, COUNT)


def figures(drawn):
    draw, cast, who, photos, _ = drawn
    people, opening = cast.people.take(who), photos.expression[:, 0]
    looks = look.of(people, photos, cast.hair[who], opening, 3).each
    heads = [cast.heads[row] for row in who.tolist()]
    return looks, figure.draw(draw.tables, heads, people, photos, looks, draw.frame)


def test_landmarks_are_projections_of_points_of_the_drawn_surface(drawn):
    draw, _, _, photos, shots = drawn
    _, found = figures(drawn)
    for row, (each, shot) in enumerate(zip(found, shots, strict=True)):
        marks = each.marks.double()
        zoom, roll, shift = (getattr(photos, name)[row].double() for name in ("zoom", "roll", "shift"))
        scale = draw.frame / camera.FRAME * zoom
        flat = marks[:2] * torch.tensor([[1.0], [-1.0]]) * camera.DISTANCE / (camera.DISTANCE - marks[2])
        five = [flat[:, 36:42].mean(1), flat[:, 42:48].mean(1), flat[:, 30], flat[:, 48], flat[:, 54]]
        roll = torch.deg2rad(roll)
        up = torch.stack([torch.sin(roll), -torch.cos(roll)]) * camera.LIFT
        middle = draw.frame * (0.5 + shift)
        expected = (
            ((flat - (torch.stack(five).mean(0) + up)[:, None]) * scale + middle[:, None])
            * draw.size
            / draw.frame
        )
        stored = torch.tensor(shot.points68).double().view(68, 2).t() + 0.5
        assert (stored - expected).abs().max() < 0.1
        head = each.turned[:, draw.tables.layout.vertices["head"]]
        nearest = torch.cdist(each.marks.t(), torch.from_numpy(head).t()).amin(1)
        assert nearest.max() < 0.5  # cm: they lie on the mesh


def marker(draw, pieces, place):
    """The stored picture of a frame that is black but within a grid cell of a place of the head."""
    rows, columns = tables.ROWS - 1, tables.COLUMNS
    span, picture = draw.tables.layout.quads["head"], np.zeros(draw.frame**2, np.float32)
    quad, s, t = pieces.quad, pieces.s, pieces.t
    assert span.stop - span.start == rows * columns
    row, column = np.divmod(quad - span.start, columns)
    away = np.abs(column + (s + 0.5) / 256 - place[1] % columns)
    across = np.minimum(away, columns - away)
    near = np.hypot(row + (t + 0.5) / 256 - place[0], across) < 1
    picture[pieces.pixel[near & (quad >= span.start) & (quad < span.stop)]] = 1
    return cv2.resize(picture.reshape(draw.frame, -1), (draw.size, draw.size), interpolation=cv2.INTER_AREA)


def test_markers_painted_on_the_skin_at_landmarks_show_at_their_labels():
    """A marker a landmark, painted through the texture, shrunk as photographs are: its centre is stored."""
    several = photographs(254, 5)  # no multiple of four: the frame is not 1.25 times as large
    draw, cast, who, photos, shots = several
    looks, found = figures(several)
    x, y = eyes.landmarks(cast.people.take(who), photos)
    where = draw.tables.landmarks[:, None].repeat(1, len(shots), 1)
    where[:, :, list(eyes.MOVING)] = draw.tables.chart.find(x.reshape(-1), y.reshape(-1)).view(2, *x.shape)
    off = []
    for row, (each, seen_as, shot) in enumerate(zip(found, looks, shots, strict=True)):
        pieces = draw._drawn(each, seen_as).pieces
        for index in np.flatnonzero(shot.visible68):
            picture = marker(draw, pieces, where[:, row, index].double().numpy())
            if picture.sum() > 4:  # else it is edge on
                centre = [
                    (np.indices(picture.shape)[axis] * picture).sum() / picture.sum() for axis in (1, 0)
                ]
                off.append(np.reshape(shot.points68, (-1, 2))[index] - centre)
    assert len(off) > 100
    assert np.abs(np.mean(off, 0)).max() < 0.1  # no shift, of half a pixel for one
    assert np.quantile(np.abs(off), 0.9) < 0.6  # of some an edge hides a part


def rays(each, draw, corners, shell_kept):
    """Of every landmark: is anything between it and the camera? By brute force over triangles."""
    eye = np.array([0, 0, camera.DISTANCE])
    vertices = each.turned.T.astype(np.float64)
    kept = corners[:, shell_kept].T
    triangles = np.concatenate([vertices[kept[:, [0, 1, 2]]], vertices[kept[:, [3, 2, 1]]]])
    first = triangles[:, 0]
    one, other = triangles[:, 1] - first, triangles[:, 2] - first
    hidden = np.zeros(68, bool)
    for index, mark in enumerate(each.marks.t().double().numpy()):
        way = mark - eye
        cross = np.cross(way, other)
        size = (one * cross).sum(1)
        size = np.where(np.abs(size) < 1e-12, 1e-12, size)
        u = ((eye - first) * cross).sum(1) / size
        second = np.cross(eye - first, one)
        v, t = second @ way / size, (other * second).sum(1) / size
        hit = (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
        hidden[index] = (hit & ((1 - t) * np.linalg.norm(way) > 0.6)).any()
    return ~hidden


def test_visibility_agrees_with_rays(drawn):
    draw, _, _, _, shots = drawn
    _, found = figures(drawn)
    layout, agree = draw.tables.layout, []
    for each, shot in zip(found, shots, strict=True):
        worn = [name for name in each.shown if name not in ("hair", "hat")]  # shells with holes in them
        bare = figure.Figure(each.turned, each.screen, worn, each.marks, each.spots)
        quads = np.concatenate([np.r_[layout.quads[name]] for name in bare.shown])
        seen = raster.empty(draw.frame)
        raster.draw(seen, bare.screen, layout.corners, layout.hollow, quads)
        spots, depth = bare.spots.numpy(), bare.marks[2].numpy()
        ours = labels.visible(spots, depth, raster.closed(seen), layout.quads["head"])
        inside = ((bare.spots > 0) & (bare.spots < draw.frame)).all(0).numpy()
        agree.append((ours == rays(bare, draw, layout.corners, quads))[inside])
        assert np.asarray(shot.visible68)[~inside].sum() == 0
    assert np.concatenate(agree).mean() > 0.95


def still(draw, count=1, **changes):
    photos = sampler.clear(
        sampler.draw(
            Draws(range(count)), World(), draw.expression_names, torch.zeros(count), torch.zeros(count)
        )
    )
    zero = torch.zeros(count)
    calm = dict(yaw=zero, pitch=zero, roll=zero, age=zero + 30, glasses=zero, sunglasses=zero, noise=zero)
    return replace(photos, **(calm | {name: zero + value for name, value in changes.items()}))


def shot(**changes):
    draw = renderer(128)
    cast = draw.cast(Draws([3]), World())
    return draw.photograph(cast, torch.tensor([0]), still(draw, **changes), Draws([5]))[0]


def test_lids_meet_when_eyes_close():
    opened, closed = (np.reshape(shot(eye_open=value).points68, (-1, 2)) for value in (1.0, 0.0))
    gaps = [
        points[[40, 41, 46, 47], 1].mean() - points[[37, 38, 43, 44], 1].mean() for points in (opened, closed)
    ]
    assert gaps[0] > 1.5
    assert abs(gaps[1]) < 0.3


@pytest.mark.parametrize(("thing", "points"), [("mask", range(48, 68)), ("sunglasses", range(37, 39))])
def test_things_hide_landmarks(thing, points):
    plain = np.array(shot().visible68)
    worn = np.array(shot(**{thing: 1.0, "glasses": float(thing == "sunglasses")}).visible68)
    assert plain[list(points)].all()
    assert not worn[list(points)].any()
    assert worn[8] != (thing == "mask")  # the chin


def test_in_profile_the_far_side_is_hidden():
    left, right = np.array(shot(yaw=80.0).visible68), np.array(shot(yaw=-80.0).visible68)
    assert not left[[45, 44, 16, 15, 14]].any()  # looking to image right hides the other eye
    assert not right[[36, 37, 0, 1, 2]].any()
    assert left[[36, 1]].any()
    assert right[[45, 15]].any()


def test_faces_are_mirrored_by_mirrored_numbers():
    """A symmetric person who looks left and right: the same points but for the mirror."""
    draw = renderer(SIZE)
    cast = draw.cast(Draws([3]), World())
    cast = replace(cast, heads=draw.tables.mean[None].clone())
    found = []
    for yaw in (35.0, -35.0):
        photos = still(draw, yaw=yaw)
        photos = replace(photos, shift=torch.zeros(1, 2), expression=photos.expression * 0)
        found.append(
            np.reshape(draw.photograph(cast, torch.tensor([0]), photos, Draws([1]))[0].points68, (-1, 2))
        )
    mirrored = found[1][MIRRORED] * [-1, 1] + [SIZE - 1, 0]
    np.testing.assert_allclose(found[0], mirrored, atol=0.05)


@pytest.mark.parametrize("size", [32, 64, 112, 256])
def test_no_size_has_holes(size):
    draw = renderer(size)
    cast = draw.cast(Draws([0, 1]), World())
    who = torch.arange(2)
    people, photos = cast.people.take(who), still(draw, 2, yaw=20.0)
    looks = look.of(people, photos, cast.hair, photos.expression[:, 0], 3).each
    for each, seen_as in zip(
        figure.draw(draw.tables, list(cast.heads), people, photos, looks, draw.frame), looks, strict=True
    ):
        seen = figure.rasterise(draw.tables, each, seen_as, draw.frame)
        inner = each.spots[:, [27, 28, 29, 30, 33, 51, 57]].round().long()
        low, high = inner.amin(1), inner.amax(1)
        margin = size // 32
        assert (seen[low[1] : high[1], low[0] - margin : high[0] + margin] >= 0).all()
