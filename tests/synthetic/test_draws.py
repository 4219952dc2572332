"""Numbers of a row depend on its seed alone."""

import numpy as np
import pytest
import torch

from pipeline.synthetic.draws import COLUMNS, Draws
from pipeline.synthetic.seeds import seed_of


def numbers(seeds):
    draws = Draws(seeds)
    first = torch.stack([draws.uniform(-1, 3), draws.normal(), draws.chance(0.5)], 1)
    return torch.cat([first, draws.uniforms(4), draws.normals(3)], 1)


def test_a_row_does_not_depend_on_the_others():
    together = numbers([1, 2, 3])
    for row, seed in enumerate((1, 2, 3)):
        assert torch.equal(together[row : row + 1], numbers([seed]))
    assert len(torch.unique(together[:, 0])) == 3


def test_columns_against_numpy():
    generator = np.random.Generator(np.random.PCG64(8))
    uniform = generator.random(COLUMNS, dtype=np.float32)
    normal = generator.standard_normal(COLUMNS, dtype=np.float32)
    draws = Draws([8])
    assert draws.uniform(2, 4).item() == pytest.approx(2 + 2 * uniform[0], abs=1e-6)
    np.testing.assert_array_equal(draws.normals(5)[0], normal[:5])
    np.testing.assert_array_equal(draws.uniforms(2)[0], uniform[1:3])


def test_choice_follows_its_shares_and_never_picks_what_has_none():
    draws = Draws(range(4000))
    picked = draws.choice(torch.tensor([0.2, 0.0, 0.8]).expand(4000, -1))
    shares = torch.bincount(picked, minlength=3) / 4000
    assert shares[1] == 0
    assert abs(shares[0] - 0.2) < 0.03


def test_asking_for_too_much_is_an_error():
    draws = Draws([0])
    draws.normals(COLUMNS)
    with pytest.raises(IndexError, match="normal"):
        draws.normal()


def test_seeds_tell_their_parts_apart():
    assert seed_of(1, "a", 2) == seed_of(1, "a", 2)
    parts = [(1, 23), (12, 3), ("1", "2", "3"), (1, 2), (2, 1), ("person", 1), ("photograph", 1)]
    assert len({seed_of(*each) for each in parts}) == len(parts)
    assert 0 <= seed_of("x") < 2**64
