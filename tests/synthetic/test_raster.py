"""The nearest point of a pixel is seen, in any order; small holes are closed, large ones are not."""

import numpy as np
import pytest
import torch

from pipeline.synthetic import raster


def slow(pixels, depth, size):
    """The nearest point of each pixel, by a loop; of equally near ones the last."""
    seen = np.full((size, size), -1)
    best = np.full((size, size), -np.inf)
    for point, ((x, y), z) in enumerate(zip(pixels.T, np.floor((depth + 32) * 256), strict=True)):
        column, row = int(np.floor(x)), int(np.floor(y))
        if 0 <= column < size and 0 <= row < size and z >= best[row, column]:
            seen[row, column], best[row, column] = point, z
    return seen


def test_against_a_loop_where_nothing_is_filled():
    rng = np.random.default_rng(0)
    size = 24
    grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), 0).reshape(2, -1)[:, ::1]
    pixels = np.concatenate([grid + rng.uniform(0, 1, grid.shape), rng.uniform(-5, 30, (2, 400))], 1)
    pixels = pixels.astype(np.float32)
    depth = rng.uniform(-0.3, 0.3, pixels.shape[1]).astype(np.float32)
    found = raster.visible(torch.from_numpy(pixels)[None], torch.from_numpy(depth)[None], size)
    np.testing.assert_array_equal(found[0].numpy(), slow(pixels, depth, size))


def test_the_order_of_points_does_not_matter():
    torch.manual_seed(0)
    pixels, depth = torch.rand(1, 2, 500) * 16, torch.randperm(500)[None] / 100.0
    order = torch.randperm(500)
    one = raster.visible(pixels, depth, 16)[0]
    other = raster.visible(pixels[:, :, order], depth[:, order], 16)[0]
    assert torch.equal(one >= 0, other >= 0)
    assert torch.equal(depth[0][one[one >= 0].long()], depth[0][order][other[other >= 0].long()])


def test_a_hole_of_one_pixel_is_closed_and_a_large_one_is_not():
    size = 12
    grid = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="xy")).flatten(1) + 0.5
    x, y = grid
    small = (x == 2.5) & (y == 2.5)
    large = (x > 5) & (x < 11) & (y > 5) & (y < 11)
    keep = ~(small | large)
    seen = raster.visible(grid[None][:, :, keep], torch.zeros(1, int(keep.sum())), size)[0]
    assert seen[2, 2] >= 0
    assert seen[8, 8] == -1


def test_points_beyond_the_frame_show_nothing_and_too_many_are_refused():
    far = torch.full((1, 2, 3), 1e6)
    assert (raster.visible(far, torch.zeros(1, 3), 8) == -1).all()
    with pytest.raises(ValueError, match="131072"):
        raster.visible(torch.zeros(1, 2, 1 << 17), torch.zeros(1, 1 << 17), 8)


def test_normals_of_a_plane_point_to_the_camera():
    rows = columns = 8
    x, y = torch.meshgrid(torch.arange(columns) + 0.5, torch.arange(rows) + 0.5, indexing="xy")
    points = torch.stack([x, -y, 0.5 * x]).flatten(1)[None]  # tilted about the vertical
    index = torch.arange(rows * columns).view(rows, columns)
    up, down = index[(torch.arange(8) - 1).clamp(min=0)], index[(torch.arange(8) + 1).clamp(max=7)]
    left, right = index[:, (torch.arange(8) - 1).clamp(min=0)], index[:, (torch.arange(8) + 1).clamp(max=7)]
    around = torch.stack([part.reshape(-1) for part in (up, down, left, right)], 1)
    seen = raster.visible(torch.stack([x, y]).flatten(1)[None], points[:, 2], 8)
    found = raster.surface(seen, points, around, torch.eye(3)[None])
    expected = torch.tensor([-0.5, 0.0, 1.0]) / 1.25**0.5
    torch.testing.assert_close(found.normal, expected.expand(64, 3), atol=1e-5, rtol=0)
