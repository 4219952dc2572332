"""Sign conventions: yaw to image right, pitch up, roll clockwise in the image."""

import math

import numpy as np
import pytest
import torch

from pipeline.synthetic import camera

ANGLES = [(0, 0, 0), (30, 0, 0), (-75, 20, 10), (40, -35, -25), (90, 10, 5)]


def reference(yaw, pitch, roll):
    """Three plain rotations, multiplied in float64."""
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    turn = [[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]]
    nod = [[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]]
    tilt = [[math.cos(r), math.sin(r), 0], [-math.sin(r), math.cos(r), 0], [0, 0, 1]]
    return np.array(tilt) @ np.array(turn) @ np.array(nod)


@pytest.mark.parametrize("angles", ANGLES)
def test_rotation_is_the_product_of_three(angles):
    matrix = camera.rotation(*(torch.tensor([float(angle)]) for angle in angles))[0].double().numpy()
    np.testing.assert_allclose(matrix, reference(*angles), atol=1e-6)


def test_turn_keeps_its_centre_and_multiplies_the_rest():
    torch.manual_seed(0)
    matrix = camera.rotation(*torch.tensor([[20.0, -60.0], [5.0, 10.0], [0.0, 30.0]]))
    points = torch.randn(2, 3, 7) * 10
    centre = torch.tensor(camera.CENTRE)[None, :, None]
    body, stiff = matrix.flip(0), torch.tensor([1.0, 1.0, 0.0, 0.0, 0.3, 0.6, 0.9])
    wanted = matrix @ (points - centre) * stiff + body @ (points - centre) * (1 - stiff)
    torch.testing.assert_close(camera.turn(matrix, points, body, stiff), wanted, atol=1e-4, rtol=0)


def test_pixels_are_those_of_a_pinhole():
    points = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(1)) * 10
    scale, origin = torch.tensor([3.0, 4.0]), torch.tensor([[50.0, 60.0], [0.0, 1.0]])
    x, y, z = points.double().unbind(1)
    factor = scale[:, None] * camera.DISTANCE / (camera.DISTANCE - z)
    wanted = torch.stack([origin[:, :1] + x * factor, origin[:, 1:] - y * factor, z], 1)
    found = camera.Frame(scale, origin).pixels(points)
    torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=0)


def test_signs_in_the_image():
    """A nose before the centre, a crown above it: where do they move?"""
    points = torch.tensor([[[0.0, 0.0], [0.0, 10.0], [8.0, -2.0]]])
    frame = camera.Frame(torch.ones(1), torch.zeros(1, 2))

    def pixels(yaw=0.0, pitch=0.0, roll=0.0):
        matrix = camera.rotation(*(torch.tensor([angle]) for angle in (yaw, pitch, roll)))
        return frame.pixels(camera.turn(matrix, points, matrix, torch.ones(2)))[0]

    rest = pixels()
    assert pixels(yaw=20.0)[0, 0] > rest[0, 0] + 1  # right
    assert pixels(pitch=20.0)[1, 0] < rest[1, 0] - 1  # up: y grows downwards
    assert pixels(roll=20.0)[0, 1] > rest[0, 1] + 1  # clockwise: the crown goes right


def test_five_of_68():
    points = torch.randn(2, 3, 68)
    five = camera.five(points)
    assert five.shape == (2, 3, 5)
    torch.testing.assert_close(five[:, :, 0], points[:, :, 36:42].mean(2))
    torch.testing.assert_close(five[:, :, 4], points[:, :, 54])
