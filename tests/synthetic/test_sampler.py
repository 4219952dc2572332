"""Photographs follow the world's knobs."""

import pytest
import torch

from pipeline.synthetic import sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.world import World

MODES = ("open", "close", "jaw_side", *sampler.MIMIC)
COUNT = 2000


def photos(**knobs):
    return sampler.draw(Draws(range(COUNT)), World(**knobs), MODES, torch.zeros(COUNT))


def test_home_is_wide_and_within_bounds():
    home = photos()
    assert home.yaw.abs().max() <= 90
    assert home.pitch.abs().max() <= 50
    assert (home.pitch.abs() > 30).float().mean() > 0.06
    assert 2 <= home.age.min() < 5
    assert 80 < home.age.max() <= 85
    assert abs((home.age < 20).float().mean() - 0.2) < 0.03
    assert abs((home.age >= 50).float().mean() - 0.2) < 0.03
    assert (home.expression >= 0).all(0)[:2].all()


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("blur", lambda photos: (photos.blur > 0).float().mean()),
        ("low_resolution", lambda photos: (photos.resolution < 1).float().mean()),
        ("occlusion", lambda photos: photos.occluder.mean()),
        ("hats", lambda photos: photos.hat.mean()),
        ("masks", lambda photos: photos.mask.mean()),
        ("grey", lambda photos: (photos.saturation == 0).float().mean()),
    ],
)
def test_shares_are_followed(knob, value):
    assert value(photos(**{knob: 0.0})) == 0
    assert value(photos(**{knob: 1.0})) == 1
    assert abs(value(photos(**{knob: 0.3})) - 0.3) < 0.04


def test_a_knob_changes_nothing_else():
    home, dark = photos(), photos(light=0.5)
    torch.testing.assert_close(dark.exposure, home.exposure * 0.5)
    assert torch.equal(dark.yaw, home.yaw)
    assert torch.equal(dark.noise, home.noise)


def test_no_spread_is_frontal():
    still = photos(profiles=0.0, yaw_spread=0.0, nods=0.0, pitch_spread=0.0, roll_spread=0.0)
    assert still.yaw.abs().max() == still.pitch.abs().max() == still.roll.abs().max() == 0


def test_clear_takes_away_what_hides_a_face():
    clear = sampler.clear(photos(hats=1.0, masks=1.0, occlusion=1.0, blur=1.0, low_resolution=1.0))
    assert clear.hat.max() == clear.mask.max() == clear.occluder.max() == clear.blur.max() == 0
    assert clear.resolution.min() == 1
