"""Colours of single pixels against the formulas in numpy's float64, and what must hold of any picture."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.synthetic import brows, eyes, light, look, mouth, paint, sampler, shade, skin
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.raster import Fragments
from pipeline.synthetic.renderer import renderer
from pipeline.synthetic.rows import records
from pipeline.synthetic.world import World

COUNT = 6


@pytest.fixture(scope="module")
def table():
    """What formulas of pixels read of six photographs."""
    return records_of()


def records_of(age=None, **person):
    draw, who = renderer(96), torch.arange(COUNT)
    cast, draws = draw.cast(Draws(range(COUNT)), World()), Draws(range(50, 50 + COUNT))
    photos = sampler.draw(
        draws, World(), draw.expression_names, cast.people.wears_glasses, cast.people.own_age
    )
    if age is not None:
        photos.age[:] = age
    for name, value in person.items():
        getattr(cast.people, name)[:] = value
    people = cast.people.take(who)
    return look.of(people, photos, cast.hair, photos.expression[:, 0], 3).table


def places(rng, count=200):
    """Anywhere on a face."""
    x, y = rng.uniform(-6, 6, count), rng.uniform(-8, 8, count)
    columns = [x, y, x / 6, *rng.uniform(0, 1, (5, count)), *rng.normal(0, 1, (4, count))]
    return [paint.Place(*(float(value) for value in row)) for row in np.transpose(columns)]


def smooth(value, start, end):
    t = np.clip((value - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def test_a_step_is_a_cubic_between_its_ends():
    for value in np.linspace(-1, 2, 31):
        assert paint.step(value, -0.5, 1.2) == pytest.approx(smooth(value, -0.5, 1.2), abs=1e-12)


def slow_skin(place, of):
    red = (place.flush * of["blood"] + of["rough"] * 0.05 * place.coarse) * of["pale"]
    tone = 1 + of["rough"] * (0.022 * place.coarse + 0.012 * place.medium + 0.012 * place.pores)
    tone *= np.maximum(1 - place.wrinkle * of["lined"], 0.35)
    tone *= 1 - smooth(place.fine + 0.5 * place.medium, 1.7, 2.2) * of["spotted"]
    colour = of["skin"] * tone * (1 - red * np.array([0.03, 0.26, 0.24]))
    middle = np.exp(-(((place.y - 0.2) / 2.4) ** 2)) * place.front
    colour *= 1 - smooth(place.fine, 1.0, 1.5) * middle * of["freckles"] * np.array([0.25, 0.38, 0.42])
    for x, y, radius in of["moles"] if place.front > 0.05 else []:
        distance = (place.x - x) ** 2 + (place.y - y) ** 2
        if distance < 9 * radius**2:
            spot = np.exp(-distance / (1.4 * radius**2)) * place.front
            colour *= 1 - 0.8 * spot * np.array([0.7, 0.85, 0.9])
    return colour


def test_skin_against_numpy(table):
    for row, place in enumerate(places(np.random.default_rng(0))):
        of = table[row % COUNT]
        if row % 3 == 0 and of["moles"][0, 2] > 0:  # on a mole
            place = place._replace(x=float(of["moles"][0, 0]) + 0.03, y=float(of["moles"][0, 1]))
        np.testing.assert_allclose(skin.bare(place, of), slow_skin(place, of), atol=1e-5)


def test_light_against_numpy(table):
    rng = np.random.default_rng(1)
    for row in range(100):
        of, colour, gloss = table[row % COUNT], rng.uniform(0, 1, 3), rng.uniform(0, 2)
        normal, wrap = rng.normal(size=3), np.array([0.42, 0.3, 0.25])
        normal *= np.sign(normal[2]) / np.linalg.norm(normal)
        diffuse = np.maximum((normal @ of["to_key"] + wrap) / (1 + wrap), 0)
        second = max(0.85 * normal @ of["to_fill"] + 0.15, 0)
        shine = max(normal @ of["to_half"], 0) ** 8
        total = (0.78 + 0.22 * normal[1]) * of["ambient"] + diffuse * of["key_colour"]
        total = total + second * of["fill_colour"]
        wanted = colour * total + shine**2 * (0.35 + 0.65 * shine) * gloss * of["gloss"]
        found = light.lit(tuple(colour), gloss, tuple(wrap), *normal, of)
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_closed_lids_meet_and_wide_open_ones_do_not():
    for x in np.linspace(-1, 1, 9):
        assert np.ptp(eyes.lids(0.45, 0.0, x)) == 0
        assert np.ptp(eyes.lids(0.45, 1.0, x)) == pytest.approx(
            0.45 * (1.12 * (1 - x * x) ** 0.75 * (1 - 0.12 * x) + 0.62 * (1 - x * x)), abs=1e-9
        )


def test_teeth_show_in_an_open_mouth_alone(table):
    closed, opened = table[0].copy(), table[0].copy()
    closed["opening"], opened["opening"] = 0.0, 1.5
    inside = places(np.random.default_rng(2), 1)[0]._replace(x=0.0, y=-4.05, front=1.0)
    dark, teeth = (mouth.paint(inside, of, (0.5, 0.4, 0.3))[0] for of in (closed, opened))
    assert max(dark) < 0.3
    assert min(teeth) > 0.6


def test_brows_and_beards_grow_where_they_should(table):
    there = places(np.random.default_rng(3))
    for of in table:
        amounts = [(brows.brow(place, of), brows.beard(place, of)) for place in there]
        assert np.all((np.array(amounts) >= 0) & (np.array(amounts) <= [0.97, 0.95]))
        assert brows.brow(there[0]._replace(x=0.0), of) == 0  # none between the brows
        height = 4.2 + 0.18 * of["brow"][1] + 0.38  # about the middle of the arch
        assert brows.brow(there[0]._replace(x=3.2, y=float(height), front=1.0, pores=0.0), of) > 0.1


def painted(pieces, table, row):
    """Colours of pieces, one pixel each of a picture; the rest of it is left alone."""
    side = int(len(pieces.pixel) ** 0.5) + 2
    image = np.full((side, side, 3), np.nan, np.float32)
    pixel = np.arange(len(pieces.pixel)) + 5
    shade.shade(image, replace(pieces, pixel=pixel), table, row, renderer(96).tables.layout)
    colours = image.reshape(-1, 3)
    assert np.isnan(colours[:5]).all()
    assert np.isnan(colours[5 + len(pixel) :]).all()
    return colours[5 : 5 + len(pixel)]


def shaded(table, row=0):
    """Mean colour of a frontal patch of every quad of the head."""
    layout = renderer(96).tables.layout
    quad = np.r_[layout.quads["head"]]
    middle, normal = np.full_like(quad, 128), np.tile(np.float32([[0], [0], [1]]), len(quad))
    return painted(Fragments(quad, quad, middle, middle, normal), table, row)


def test_more_melanin_is_darker():
    pale, dark = (records_of(age=30.0, melanin=value) for value in (0.1, 0.9))
    assert all((shaded(pale, row).mean(0) > shaded(dark, row).mean(0)).all() for row in range(COUNT))


def test_a_pixel_does_not_depend_on_the_others(table):
    layout = renderer(96).tables.layout
    quad = np.arange(0, layout.corners.shape[1], 7)
    place = quad % 256
    normal = np.stack([place - 128.0, place * 0.5, place + 1.0]).astype(np.float32)
    normal /= np.linalg.norm(normal, axis=0)
    whole = painted(Fragments(quad, quad, place, place, normal), table, 1)
    assert np.isfinite(whole).all()
    for part in (slice(0, 900), slice(900, None)):
        pieces = Fragments(
            quad[part], quad[part], place[part], place[part], np.ascontiguousarray(normal[:, part])
        )
        assert np.array_equal(painted(pieces, table, 1), whole[part])


def test_records_hold_every_table():
    found = records({"a": torch.tensor([1.0, 2.0]), "b": torch.arange(6).view(2, 3)})
    assert found[1]["a"] == 2
    assert found[1]["b"].tolist() == [3, 4, 5]
    assert records({"a": torch.zeros(1), "b": torch.zeros(1, 3).long()}).dtype is found.dtype
