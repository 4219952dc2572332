"""The nearest sample wins, quads leave no holes, normals point to the camera."""

import numpy as np
import pytest

from pipeline.synthetic import raster


def quad_of(seen):
    return np.where(seen < 0, -1, (seen >> raster.QUAD_SHIFT) & raster.QUADS)


def shown(screen, corners, size, quads=None, hollow=None, trim=raster.WHOLE):
    """What a frame shows of some quads."""
    seen, count = raster.empty(size), corners.shape[1]
    quads = np.arange(count) if quads is None else quads
    hollow = np.zeros(count, bool) if hollow is None else hollow
    raster.draw(seen, screen, corners, hollow, quads, trim)
    return seen


def points(pixels, depth):
    """Quads so small that each is one sample."""
    place = np.concatenate([pixels, depth[None]]).astype(np.float32)
    return place, np.tile(np.arange(len(depth)), (4, 1))


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
    found = quad_of(shown(*points(pixels, depth), size))
    np.testing.assert_array_equal(found, slow(pixels, depth, size))


def by_numpy(screen, corners, size):
    """Samples of quads in float64, as the module's text says, and a dictionary of the nearest."""
    best = {}
    for quad, around in enumerate(corners.T.tolist()):
        a, b, c, d = (screen[:, vertex] for vertex in around)

        def cuts(one, other):
            return int(np.clip(np.ceil(1.05 * max(np.abs(one[:2]).max(), np.abs(other[:2]).max())), 1, 96))

        columns, lines = cuts(b - a, d - c), cuts(c - a, d - b)
        for line in range(lines):
            for column in range(columns):
                s, t = (column + 0.5) / columns, (line + 0.5) / lines
                x, y, z = (a * (1 - s) + b * s) * (1 - t) + (c * (1 - s) + d * s) * t
                pixel = (int(np.floor(y)), int(np.floor(x)))
                if min(pixel) >= 0 and max(pixel) < size:
                    best[pixel] = max(best.get(pixel, (-np.inf, -1)), (np.floor((z + 64) * 4096), quad))
    found = -np.ones((size, size), int)
    for pixel, (_, quad) in best.items():
        found[pixel] = quad
    return found


def test_quads_against_a_slow_sampler():
    """Pixels at the very edge of a sample may differ in float32: one in a hundred may."""
    rng = np.random.default_rng(1)
    vertices = np.concatenate([rng.uniform(-4, 44, (2, 60)), rng.uniform(-8, 8, (1, 60))])
    corners = rng.integers(0, 60, (4, 40))
    found = quad_of(shown(vertices.astype(np.float32), corners, 40))
    assert (found == by_numpy(vertices, corners, 40)).mean() > 0.99


def test_a_hole_of_one_pixel_is_closed_and_a_large_one_is_not():
    size = 12
    x, y = np.stack(np.meshgrid(np.arange(size), np.arange(size))).reshape(2, -1) + 0.5
    keep = ~(((x == 2.5) & (y == 2.5)) | ((x > 5) & (x < 11) & (y > 5) & (y < 11)))
    seen = shown(*points(np.stack([x, y])[:, keep], np.zeros(int(keep.sum()))), size)
    assert seen[2, 2] == -1
    seen = raster.closed(seen)
    assert seen[2, 2] >= 0
    assert seen[8, 8] == -1


def test_what_is_beyond_the_frame_shows_nothing():
    far = np.array([[1e6, -1e6, 4.0], [1e6, 4.0, -1.0]])
    assert (shown(*points(far, np.zeros(3)), 8) == -1).all()


def test_a_trimmed_surface_ends_at_its_tips_and_its_top():
    """One quad of 8 x 8 texels, heights 0.5 .. 7.5 downwards on two strands."""
    screen, corners = plane(0.0, tilt=0.0, side=2, scale=8.0)
    row, column = (axis.reshape(-1) for axis in np.indices((8, 8)))
    tips = np.array([2, 5], np.float32)
    trim = raster.Trim((row + 0.5).astype(np.float32), (column >= 4).astype(np.int32), tips, 7.0, 0, 8)
    seen = shown(screen, corners, 40, trim=trim) >= 0
    assert seen[12:28, 12:20].any(1).nonzero()[0].tolist() == list(range(4, 14))
    assert seen[12:28, 20:28].any(1).nonzero()[0].tolist() == list(range(10, 14))


def plane(turn, tilt=0.5, side=6, scale=7.3):
    """A grid of side x side vertices on the screen, turned by `turn` radians, with its quads."""
    u, v = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="xy")
    x = (u * np.cos(turn) - v * np.sin(turn)) * scale + 20
    y = (u * np.sin(turn) + v * np.cos(turn)) * scale + 20
    index = np.arange(side * side).reshape(side, side)
    corners = [index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]]
    screen = np.stack([x, y, tilt * x]).reshape(3, -1).astype(np.float32)
    return screen, np.stack([corner.reshape(-1) for corner in corners])


@pytest.mark.parametrize("turn", [0.0, 0.3, np.pi / 4, 1.2])
@pytest.mark.parametrize("scale", [3.0, 7.3, 14.0])
def test_a_surface_has_no_holes(turn, scale):
    screen, corners = plane(turn, scale=scale)
    seen = raster.closed(shown(screen, corners, 40))
    centre = np.arange(40) + 0.5 - 20
    u = centre[None] * np.cos(turn) + centre[:, None] * np.sin(turn)
    v = centre[:, None] * np.cos(turn) - centre[None] * np.sin(turn)
    inside = (np.abs(u) < scale - 1) & (np.abs(v) < scale - 1)
    assert (seen[inside] >= 0).all()
    outside = (np.abs(u) > scale + 1.5) | (np.abs(v) > scale + 1.5)
    assert (seen[outside] < 0).all()


def test_hollow_quads_show_their_outside_alone():
    screen, corners = plane(0.0)
    hollow = np.ones(corners.shape[1], bool)
    behind = screen * np.float32([[-1], [1], [1]]) + np.float32([[40], [0], [0]])
    assert (shown(screen, corners, 40, hollow=hollow) >= 0).any()
    assert not (shown(behind, corners, 40, hollow=hollow) >= 0).any()
    assert (shown(behind, corners, 40) >= 0).any()


def test_normals_are_of_unit_length_and_towards_the_camera():
    screen, corners = plane(0.0)
    normals = np.tile(np.float32([[1], [0], [-2]]), 36)
    found = raster.fragments(shown(screen, corners, 40), corners, normals).normal
    np.testing.assert_allclose(found, np.tile([[-1], [0], [2]], found.shape[1]) / 5**0.5, atol=1e-6)


def test_fragments_against_interpolation_in_float64():
    screen, corners = plane(0.3)
    normals = np.random.default_rng(0).standard_normal((3, 36)).astype(np.float32)
    normals[2] = np.abs(normals[2]) + 1
    seen = shown(screen, corners, 40)
    found = raster.fragments(seen, corners, normals)
    np.testing.assert_array_equal(found.pixel, np.flatnonzero(seen >= 0))
    s, t = (found.s + 0.5) / 256, (found.t + 0.5) / 256
    a, b, c, d = (normals.astype(np.float64)[:, corner[found.quad]] for corner in corners)
    wanted = (a * (1 - s) + b * s) * (1 - t) + (c * (1 - s) + d * s) * t
    np.testing.assert_allclose(found.normal, wanted / np.linalg.norm(wanted, axis=0), rtol=0, atol=1e-6)
