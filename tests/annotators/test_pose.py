import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.annotators import pose

MODELS = {5: pose.MODEL5, 68: np.array(list(pose.MODEL68.values()), float)}


def turn(yaw, pitch, roll):
    """R = roll yaw pitch from three plain rotations; x right, y up, z to the camera."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def photograph(model, angles, zoom=1.7, place=(90, 70), metres=1.0):
    """Pixels of the generic face, seen from `metres`, turned by `angles`."""
    seen = []
    for x, y, z in model - model.mean(0):
        u, v, w = turn(*angles) @ [x, -y, z]
        nearer = metres * 1000 / (metres * 1000 - w)
        seen.append([place[0] + zoom * u * nearer, place[1] - zoom * v * nearer])
    return np.array(seen)


def estimate(points, count, **changes):
    settings = {"distance": 20.0, "noise": 0.08, "tilt": 20.0} | changes
    angles, residual = pose.estimate(points[None], MODELS[count], **settings)
    return angles[0], residual[0]


def test_rotations_are_the_product_of_three():
    angles = np.random.default_rng(0).uniform(-80, 80, (20, 3))
    found = pose.rotations(np.radians(angles))
    np.testing.assert_allclose(found, [turn(*row) for row in angles], atol=1e-12)


@pytest.mark.parametrize("count", [5, 68])
@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (40, 0, 0), (-70, 10, 5), (15, 25, -20), (-30, -35, 10), (60, -20, 0)]
)
def test_the_generic_face_is_found_as_it_was_turned(count, angles):
    """Without the prior to a degree and a half, with it within four."""
    points = photograph(MODELS[count], angles)
    assert np.abs(estimate(points, count, tilt=1e6)[0] - angles).max() < 1.5
    found, residual = estimate(points, count)
    assert np.abs(found - angles).max() < 4
    assert residual < 0.06


@pytest.mark.parametrize("seed", range(10))
def test_without_the_prior_it_is_opencv_s_solution(seed):
    """solvePnP's minimum, refined, of a face that is not the generic one."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform([-50, -25, -20], [50, 25, 20])
    points = photograph(MODELS[68] + rng.normal(0, 2, (12, 3)), angles)
    model = MODELS[68] - MODELS[68].mean(0)
    model = model / np.sqrt((model[:, :2] ** 2).sum(1).mean()) * [1, 1, -1]  # y down, z away
    scaled = pose.sized(points)
    camera = np.diag([20.0, 20.0, 1.0])
    _, rotation, shift = cv2.solvePnP(model, scaled, camera, None, flags=cv2.SOLVEPNP_SQPNP)
    rotation, _ = cv2.solvePnPRefineLM(model, scaled, camera, None, rotation, shift)
    r = np.diag([1, -1, -1]) @ cv2.Rodrigues(rotation)[0] @ np.diag([1, -1, -1])
    expected = np.degrees([np.arcsin(-r[2, 0]), np.arctan2(-r[2, 1], r[2, 2]), np.arctan2(-r[1, 0], r[0, 0])])
    # solvePnP may move along the line of sight, here the size alone changes: a little perspective apart
    np.testing.assert_allclose(estimate(points, 68, tilt=1e6)[0], expected, atol=2.0)


@pytest.mark.parametrize("count", [5, 68])
def test_place_size_and_company_do_not_matter(count):
    faces = [photograph(MODELS[count], (a, a / 3, -a / 5)) for a in range(-60, 61, 20)]
    alone = [estimate(points * 7 - 300, count)[0] for points in faces]
    together = pose.estimate(np.stack(faces[::-1]), MODELS[count], 20.0, 0.08, 20.0)[0][::-1]
    np.testing.assert_allclose(alone, together, atol=1e-6)


def test_a_mirrored_face_looks_the_other_way():
    points = photograph(pose.MODEL5, (35, 12, 7))
    mirrored = (points * [-1, 1])[[1, 0, 2, 4, 3]]
    np.testing.assert_allclose(estimate(mirrored, 5)[0], estimate(points, 5)[0] * [-1, 1, -1], atol=1e-4)


def test_a_profile_keeps_pitch_and_roll_within_reason():
    """At 90 degrees both are one rotation: landmarks a little off must not send them far away."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = photograph(pose.MODEL5, (88, 0, 0)) + rng.normal(0, 2, (5, 2))
        yaw, pitch, roll = estimate(points, 5)[0]
        assert 70 < yaw < 110
        assert max(abs(pitch), abs(roll)) < 25


def test_the_annotator_prefers_68_and_says_when_it_does_not_know(frame):
    many = np.zeros((68, 2))
    many[list(pose.MODEL68)] = photograph(MODELS[68], (50, 0, 0))
    five = photograph(pose.MODEL5, (-50, 0, 0)).ravel().tolist()
    found = pose.build(pose.Params()).annotate(
        frame(
            points68=[many.ravel().tolist(), None, None, None, None],
            points5=[five, five, None, [5.0] * 10, [float("nan")] * 10],
        )
    )
    assert found["yaw"].tolist() == [1, 0, -1, -1, -1]
    assert found["pitch"].tolist() == [2, 2, -1, -1, -1]
    assert found["gender"].tolist() == [-1] * 5
    assert (found["yaw_confidence"][:2] > 0.9).all()
    assert found["yaw_confidence"][2:].tolist() == [0, 0, 0]
    assert np.isnan(found["roll_degrees"][2:]).all()


def test_points_that_are_no_face_are_doubted(frame):
    scattered = np.random.default_rng(1).uniform(0, 100, (50, 10)).tolist()
    found = pose.build(pose.Params()).annotate(frame(points5=scattered))
    assert (found["yaw_confidence"] < 0.5).mean() > 0.8
    assert found[["yaw_degrees", "pitch_degrees", "roll_degrees"]].abs().max(axis=None) <= 180


def test_no_faces(frame):
    assert pose.build(pose.Params()).annotate(frame(points5=[])).empty


@pytest.mark.parametrize("name", ["distance", "noise", "tilt", "spread"])
def test_params_that_make_no_camera_are_refused(name):
    for value in (0.0, -1.0, 1e9, float("nan")):
        with pytest.raises(ValidationError, match=name):
            pose.Params(**{name: value})
    nearest = pose.Params(distance=2.0).distance
    for model in MODELS.values():
        reach = np.linalg.norm(model - model.mean(0), axis=1).max()
        assert reach < nearest * np.sqrt(model[:, :2].var(0).sum()), "no landmark turns into the camera"
