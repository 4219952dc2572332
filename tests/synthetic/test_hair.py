"""Hair's thickness against the formulas in float64, hairlines against numpy."""

import math

import numpy as np
import pytest
import torch

from pipeline.synthetic import hair, look, sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.renderer import renderer
from pipeline.synthetic.template import AXIS
from pipeline.synthetic.world import World

COUNT = 24


@pytest.fixture(scope="module")
def looks():
    draw = renderer(96)
    cast, draws = draw.cast(Draws(range(COUNT)), World()), Draws(range(50, 50 + COUNT))
    cast.people.bald[::3] = 1.0
    photos = sampler.draw(
        draws, World(hats=0.3), draw.expression_names, cast.people.wears_glasses, cast.people.own_age
    )
    people = cast.people.take(torch.arange(COUNT))
    return look.of(people, photos, cast.hair, photos.expression[:, 0], 3).each


def smooth(value, start, end):
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def slow(shell, worn, photos):
    """Centimetres of hair at the shell's vertices, as the module's text says."""
    y, azimuth, style = shell.y.double().numpy(), shell.azimuth.double().numpy(), worn.style
    phase, away = float(photos["hair"][5]), np.abs(azimuth)
    front = smooth(y, 6.5, 9.5) * (1 - smooth(away, 0.5, 1.4))
    thick = worn.sides + smooth(y, 3, 10) * (worn.top - worn.sides) + front * worn.front
    strand = np.clip(((azimuth + math.pi) * hair.STRANDS / (2 * math.pi)).astype(int), 0, hair.STRANDS - 1)
    taper = style.body + (1 - style.body) * smooth(y - worn.edge[strand], -0.2, 2.4)
    if style.long:
        taper = 1 + (taper - 1) * (1 - smooth(away, 1.15, 1.5))
    thick = thick * taper + 0.12
    if worn.bald_above < hair.NO_CAP:
        thick = thick * (0.2 + 0.8 * smooth(worn.bald_above - y, 0, 3))
    beat, turn = np.sin(y * 1.7 + azimuth * 4), azimuth * 9 + y * 0.9
    rough = (
        (0.08 + 0.22 * worn.curl) * beat * (np.sin(turn) * math.cos(phase) + np.cos(turn) * math.sin(phase))
    )
    thick = thick * (1 + rough + np.sin(azimuth * 23) * 0.06 * (1 - worn.curl))
    return thick * (0.35 if photos["hat"] > 0 else 1.0)


def hung(shell, worn, photos, points):
    """Long hair falls straight from its widest place down, in waves if it is curly."""
    y, azimuth = shell.y.double().numpy(), shell.azimuth.double().numpy()
    x, z = points[0], points[2] - AXIS
    around = np.sqrt(x**2 + z**2)
    widest = np.maximum.accumulate(around.reshape(shell.shape), 0).reshape(-1)
    fall = widest * (1 - 0.012 * np.clip(-y - 1, 0, None))
    fall += 0.25 * worn.curl * np.sin(y * 1.6 + azimuth * 5 + float(photos["hair"][5]))
    stretch = np.clip(fall / around - 1, -0.3, None) * smooth(np.abs(azimuth), 0.95, 1.2) * smooth(-y, -3, 0)
    return np.stack([x * (1 + stretch), points[1], z * (1 + stretch) + AXIS])


def test_the_shell_against_the_formulas(looks):
    tables = renderer(96).tables
    shell, head, seen = tables.hair, tables.mean.numpy(), set()
    for each in looks:
        if each.hair.shell:
            wanted = head[:, shell.base] + shell.outwards * slow(shell, each.hair, each.photos)
            if each.hair.style.long:
                wanted = hung(shell, each.hair, each.photos, wanted)
            np.testing.assert_allclose(shell.fill(head, each.hair, each.photos), wanted, atol=1e-3)
            seen.add((bool(each.photos["hat"] > 0), each.hair.style.long, each.hair.bald_above < hair.NO_CAP))
    assert len(seen) > 3


def test_a_slope_is_numpys_gradient():
    edge = np.random.default_rng(0).normal(size=640)
    np.testing.assert_array_equal(hair._slope(edge), np.gradient(edge))
