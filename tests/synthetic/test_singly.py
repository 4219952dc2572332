"""What is drawn of a person or a photograph is the same, to the bit, whatever is drawn with it."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from pipeline.synthetic import camera, identity, look, sampler, skin
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.renderer import one_thread
from pipeline.synthetic.seeds import seed_of
from pipeline.synthetic.singly import below, powers, product, singly
from pipeline.synthetic.tables import tables
from pipeline.synthetic.world import World

ROWS = 240
SPLITS = (1, 2, 3, 4, 7, 80)
WORLD = World(occlusion=0.5, blur=0.5, low_resolution=0.5)


def test_functions_are_those_of_float64():
    values = torch.linspace(0, 5, 101)
    torch.testing.assert_close(singly(math.exp, values), values.exp())
    torch.testing.assert_close(powers(values.view(1, -1), 1.5), values.pow(1.5)[None])
    torch.testing.assert_close(singly(below, values - 2.5), torch.special.ndtr(values - 2.5))
    rows, matrix = torch.randn(5, 7), torch.randn(7, 3)
    torch.testing.assert_close(product(rows, matrix), rows @ matrix)


def drawn(split):
    """All that pictures follow from, of every row, drawn in parts of `split` rows."""
    names, expressions = list(tables().shape), list(tables().expression)
    parts = []
    for start in range(0, ROWS, split):
        draws = Draws([seed_of(0, "one", row) for row in range(start, min(start + split, ROWS))])
        people = identity.draw(draws, names, WORLD)
        taken = Draws([seed_of(0, "other", row) for row in range(start, min(start + split, ROWS))])
        photos = sampler.draw(taken, WORLD, expressions, people.wears_glasses, people.own_age)
        looks = look.of(people, photos, skin.hair_colour(people), photos.expression[:, 0], 3)
        turned = camera.rotation(photos.yaw, photos.pitch, photos.roll)
        points = people.shape.repeat(1, 3)[:, :204].reshape(-1, 3, 68)
        framed = camera.frame(points, photos, 120)
        table = {name: looks.table[name] for name in looks.table.dtype.names}
        numbers = {"turned": turned, "scale": framed.scale, "origin": framed.origin}
        own = {"child": [each.child for each in looks.each], "old": [each.old for each in looks.each]}
        parts.append(vars(people) | {f"photo.{f.name}": getattr(photos, f.name) for f in fields(photos)})
        parts[-1] |= {f"table.{name}": values for name, values in table.items()} | numbers | own
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


@pytest.fixture(scope="module")
def together():
    with one_thread():
        return drawn(ROWS)


@pytest.mark.parametrize("split", SPLITS)
def test_numbers_do_not_depend_on_what_is_drawn_with_them(together, split):
    with one_thread():
        apart = drawn(split)
    for name, values in together.items():
        assert np.array_equal(values, apart[name]), name
