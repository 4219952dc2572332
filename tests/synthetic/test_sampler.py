"""Photographs follow the world's knobs."""

import numpy as np
import pytest
import torch

from pipeline.synthetic import sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.world import World

MODES = ("open", "close", "jaw_side", *sampler.MIMIC)
COUNT = 2000


def photos(own_age=None, **knobs):
    own = torch.zeros(COUNT) if own_age is None else own_age
    return sampler.draw(Draws(range(COUNT)), World(**knobs), MODES, torch.zeros(COUNT), own)


def test_home_is_wide_and_within_bounds():
    home = photos()
    assert home.yaw.abs().max() <= 90
    assert home.pitch.abs().max() <= 50
    assert (home.pitch.abs() > 30).float().mean() > 0.07
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


@pytest.mark.parametrize("spread", [0.0, 0.3, 1.0])
def test_shares_of_age_are_kept_whatever_one_person_s_spread(spread):
    own = torch.from_numpy(np.random.default_rng(0).standard_normal(COUNT, dtype=np.float32))
    shares = {"young": 0.1, "adult": 0.4, "old": 0.5}
    age = photos(own, age=shares, age_spread=spread).age
    found = torch.stack([age < 20, (age >= 20) & (age < 50), age >= 50]).float().mean(1)
    assert (found - torch.tensor(list(shares.values()))).abs().max() < 0.035


def test_one_person_s_ages_spread_as_the_knob_says():
    spreads = [photos(age_spread=spread).age.std() for spread in (0.0, 0.1, 0.4, 1.0)]
    assert spreads[0] == 0
    assert spreads == sorted(spreads)
    one, other = (photos(torch.full((COUNT,), own), age_spread=0.05).age for own in (-1.0, 1.0))
    assert one.quantile(0.95) < other.quantile(0.05)


def test_an_age_group_of_no_share_does_not_occur():
    assert photos(age={"young": 0.0, "adult": 1.0, "old": 0.0}).age.min() >= 20
    assert photos(age={"young": 0.5, "adult": 0.0, "old": 0.5}).age.sub(35).abs().min() >= 15


def test_no_photograph_is_sharper_than_the_floor():
    soft = photos(blur_floor=1.5)
    assert soft.blur.min() == 1.5
    assert soft.blur.max() == photos().blur.max() > 2


def test_spreads_of_the_pose_are_as_the_knobs_say():
    pose = photos(profiles=0.0, yaw_spread=10.0, nods=0.0, pitch_spread=5.0, roll_spread=3.0)
    for values, spread in ((pose.yaw, 10), (pose.pitch, 5), (pose.roll, 3)):
        assert abs(values.std() - spread) < 0.06 * spread
    wide = photos(profiles=0.5, yaw_spread=0.0, nods=0.5, pitch_spread=0.0)
    assert abs((wide.yaw != 0).float().mean() - 0.5) < 0.04
    assert abs((wide.pitch.abs() > 30).float().mean() - 0.2) < 0.04


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
