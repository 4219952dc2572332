"""The nearest sample wins, quads leave no holes, normals point to the camera."""

import numpy as np
import pytest
import torch

from pipeline.synthetic import raster


def samples(pixels, depth):
    count = len(depth)
    half = torch.full((count,), 0.5)
    position = torch.stack([*torch.as_tensor(pixels), torch.as_tensor(depth)])
    return raster.Samples(torch.arange(count), half, half, position)


def quad_of(seen):
    return torch.where(seen < 0, -1, (seen >> raster.QUAD_SHIFT) & 0xFFFFFF)


def slow(pixels, depth, size):
    """The nearest point of each pixel, one after the other; of equals the later one."""
    seen, best = -np.ones((size, size), int), np.full((size, size), -np.inf)
    for point, (x, y, z) in enumerate(zip(*pixels, np.floor((depth + 64) * 4096), strict=True)):
        column, row = int(np.floor(x)), int(np.floor(y))
        if 0 <= column < size and 0 <= row < size and z >= best[row, column]:
            seen[row, column], best[row, column] = point, z
    return seen


def test_against_a_loop_where_nothing_is_filled():
    rng = np.random.default_rng(0)
    size = 24
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), 0).reshape(2, -1)
    pixels = np.concatenate([grid + rng.uniform(0, 1, grid.shape), rng.uniform(-5, 30, (2, 400))], 1)
    pixels = pixels.astype(np.float32)
    depth = rng.uniform(-0.3, 0.3, pixels.shape[1]).astype(np.float32)
    found = quad_of(raster.visible(samples(pixels, depth), size))
    np.testing.assert_array_equal(found.numpy(), slow(pixels, depth, size))


def test_a_hole_of_one_pixel_is_closed_and_a_large_one_is_not():
    size = 12
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="xy")).flatten(1) + 0.5
    x, y = grid
    keep = ~(((x == 2.5) & (y == 2.5)) | ((x > 5) & (x < 11) & (y > 5) & (y < 11)))
    seen = raster.visible(samples(grid[:, keep], torch.zeros(int(keep.sum()))), size)
    assert seen[2, 2] >= 0
    assert seen[8, 8] == -1


def test_what_is_beyond_the_frame_shows_nothing():
    far = torch.full((2, 3), 1e6)
    assert (raster.visible(samples(far, torch.zeros(3)), 8) == -1).all()


def plane(turn, tilt=0.5, side=6, scale=7.3):
    """A grid of side x side vertices on the screen, turned by `turn` radians, with its quads."""
    u, v = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="xy")
    x = (u * np.cos(turn) - v * np.sin(turn)) * scale + 20
    y = (u * np.sin(turn) + v * np.cos(turn)) * scale + 20
    index = torch.arange(side * side).view(side, side)
    corners = [index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]]
    screen = torch.stack([x, y, tilt * x]).flatten(1)
    return screen, torch.stack([corner.reshape(-1) for corner in corners])


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi / 4, 1.2])
@pytest.mark.parametrize("scale", [3.0, 7.3, 14.0])
def test_a_surface_has_no_holes(turn, scale):
    screen, corners = plane(turn, scale=scale)
    quads = torch.arange(corners.shape[1])
    seen = raster.visible(
        raster.sample(screen, corners, torch.zeros(corners.shape[1], dtype=bool), quads, 40), 40
    )
    centre = torch.arange(40) + 0.5 - 20
    u = centre[None] * np.cos(turn) + centre[:, None] * np.sin(turn)
    v = centre[:, None] * np.cos(turn) - centre[None] * np.sin(turn)
    inside = (u.abs() < scale - 1) & (v.abs() < scale - 1)
    assert (seen[inside] >= 0).all()
    outside = (u.abs() > scale + 1.5) | (v.abs() > scale + 1.5)
    assert (seen[outside] < 0).all()


def test_hollow_quads_show_their_outside_alone():
    screen, corners = plane(0.0)
    quads, hollow = torch.arange(corners.shape[1]), torch.ones(corners.shape[1], dtype=bool)
    behind = screen * torch.tensor([[-1.0], [1.0], [1.0]]) + torch.tensor([[40.0], [0.0], [0.0]])
    assert len(raster.sample(screen, corners, hollow, quads, 40).quad)
    assert not len(raster.sample(behind, corners, hollow, quads, 40).quad)
    assert len(raster.sample(behind, corners, ~hollow, quads, 40).quad)


def test_normals_are_of_unit_length_and_towards_the_camera():
    screen, corners = plane(0.0)
    quads = torch.arange(corners.shape[1])
    seen = raster.visible(raster.sample(screen, corners, torch.zeros(25, dtype=bool), quads, 40), 40)
    normals = torch.tensor([[1.0], [0.0], [-2.0]]).repeat(1, 36)
    found = raster.fragments(seen, corners, normals).normal
    torch.testing.assert_close(found, torch.tensor([[-1.0], [0.0], [2.0]]).div(5**0.5).expand_as(found))
