"""A part: the same bytes however it is drawn, labels that fit, people who are who they should be."""

import hashlib
from dataclasses import replace
from itertools import islice

import cv2
import numpy as np
import pytest
import torch

from pipeline import records
from pipeline.synthetic import degrade, identity
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.kinds import KINDS, PROTOCOLS, named
from pipeline.synthetic.part import Order, Studio
from pipeline.synthetic.world import RACES, Sizes, World, planted

SIZES = Sizes.model_validate(
    {
        "labelled": {"identities": 5, "images": 3, "planted": 2},
        "unlabelled": {"identities": 3, "images": 2, "planted": 1},
        "validation": {"identities": 2, "images": 2},
        "test": {"identities": 4, "images": 1},
    }
)


def studio(part="labelled", world_seed=3, protocols=PROTOCOLS, **knobs):
    return Studio(world_seed, part, World(**knobs), World(), SIZES, frozenset(protocols))


def digest(samples):
    return {sample.sample_id: hashlib.sha256(sample.image).hexdigest() for sample in samples}


@pytest.fixture(scope="module")
def labelled():
    return list(studio().samples())


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize(("people", "photographs"), [(1, 1), (3, 7)])
def test_an_image_does_not_depend_on_its_batch(labelled, people, photographs):
    split = replace(studio(), people=people, photographs=photographs)
    again = list(split.samples())
    assert digest(again) == digest(labelled)
    assert [vars(sample) for sample in again] == [vars(sample) for sample in labelled]


def test_an_image_does_not_depend_on_threads(labelled, threads):
    threads(2)
    two = digest(studio().samples())
    threads(1)
    assert two == digest(studio().samples()) == digest(labelled)


def test_more_identities_and_images_leave_the_others_as_they_are(labelled):
    sizes = SIZES.model_copy(
        update={"labelled": SIZES.labelled.model_copy(update={"identities": 7, "images": 4})}
    )
    larger = digest(replace(studio(), sizes=sizes).samples())
    own = {sample.sample_id: larger[sample.sample_id] for sample in labelled if sample.sample_id < "l000003"}
    assert own == {key: value for key, value in digest(labelled).items() if key < "l000003"}


def test_no_two_images_are_alike_and_another_seed_is_another_world(labelled):
    one, other = digest(labelled), digest(islice(studio(world_seed=4).samples(), 3))
    assert len(set(one.values())) == len(one) == 15
    assert not set(one.values()) & set(other.values())


def test_landmarks_lie_in_the_box_and_the_box_in_the_image(labelled):
    for sample in labelled:
        x, y, width, height = sample.box
        points = np.reshape(sample.points68, (-1, 2))
        inside = (points >= [x - 0.01, y - 0.01]) & (points <= [x + width + 0.01, y + height + 0.01])
        side = records.decode(sample.image).shape[0]
        framed = ((points >= -0.5) & (points <= side - 0.5)).all(1)
        assert inside[framed].all()
        assert min(x, y) >= -0.5
        assert max(x + width, y + height) <= side - 0.5 + 1e-3
        assert width * height > 0.15 * side * side


def test_points5_are_the_means_of_the_68(labelled):
    for sample in labelled:
        points = np.reshape(sample.points68, (-1, 2))
        expected = [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
        np.testing.assert_allclose(np.reshape(sample.points5, (-1, 2)), expected, atol=2e-3)


def test_frontal_faces_have_their_eyes_and_mouths_in_order():
    frontal = list(studio("test", protocols=["front"]).samples())
    assert len(frontal) == 4
    for sample in frontal:
        left_eye, right_eye, nose, left_mouth, right_mouth = np.reshape(sample.points5, (-1, 2))
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_attributes_are_codes_within_their_ranges(labelled):
    for sample in labelled:
        assert sample.gender in (0, 1)
        assert sample.race in range(5)
        assert 2 <= sample.age <= 85
        assert abs(sample.yaw) <= 90
        assert abs(sample.pitch) <= 50
        assert abs(sample.roll) <= 30


def test_a_person_keeps_race_and_gender_and_name(labelled):
    facts = {}
    for sample in labelled:
        facts.setdefault(sample.identity, set()).add((sample.race, sample.gender, sample.name))
    assert all(len(values) == 1 for values in facts.values())
    assert len({name for values in facts.values() for _, _, name in values}) == 5


def test_race_shares_are_followed():
    only = dict.fromkeys(RACES, 0.0) | {"east_asian": 1.0}
    people = studio("validation", race=only).samples()
    assert {sample.race for sample in people} == {RACES.index("east_asian")}


def test_the_unlabelled_part_tells_nobody_who_is_on_it():
    samples = list(studio("unlabelled").samples())
    assert {(sample.identity, sample.name) for sample in samples} == {(None, None)}
    assert samples[0].sample_id == "u000000/000"


def test_planted_people_are_the_same_people_under_other_names(labelled):
    """The truth is in the landmarks: a person's shape in the same pose gives the same points."""
    test = list(studio("test", protocols=["front"]).samples())
    names = {sample.identity: sample.name for sample in [*labelled, *test]}
    facts = {sample.identity: (sample.race, sample.gender) for sample in [*labelled, *test]}
    truth = [pair for pair in planted(SIZES) if pair[0][0] == "l"]
    assert truth == [("l000003", "t000000"), ("l000004", "t000001")]
    for ours, theirs in truth:
        assert names[ours] != names[theirs]
        assert facts[ours] == facts[theirs]


def test_planted_people_have_the_shape_of_the_test_person_and_others_do_not():
    def shape(part, index, **knobs):
        studied = studio(part, **knobs)
        return studied._cast([index]).people.shape[0]

    shifted = dict.fromkeys(RACES, 0.0) | {"indian": 1.0}
    assert torch.equal(shape("labelled", 4), shape("test", 1))
    assert torch.equal(shape("unlabelled", 2, race=shifted), shape("test", 2))
    assert not torch.equal(shape("labelled", 0), shape("test", 0))
    assert not torch.equal(shape("labelled", 0), shape("validation", 0))


def test_png_loses_nothing_and_size_is_obeyed():
    sample = next(studio(image_size=64, quality=101).samples())
    assert sample.image[:4] == b"\x89PNG"
    assert records.decode(sample.image).shape == (64, 64, 3)


def test_stretches_of_identities_are_the_whole(labelled):
    parts = [list(studio().samples(range(start, stop))) for start, stop in ((0, 2), (2, 4), (4, 5))]
    assert [vars(sample) for part in parts for sample in part] == [vars(sample) for sample in labelled]
    assert list(studio().samples(range(0))) == []


def many(index_range=range(1500), **knobs):
    """People by their numbers alone."""
    world = World(**knobs)
    return identity.draw(Draws(list(index_range)), ["a", *SHAPES], world)


SHAPES = sorted({name for race in identity.RACES for name in race.shape} | set(identity.MALE_SHAPE))


def test_shares_of_people_are_as_the_knobs_say():
    shares = dict(zip(RACES, (0.35, 0.1, 0.25, 0.2, 0.1), strict=True))
    people = many(race=shares, male=0.3)
    found = [(people.race == code).float().mean().item() for code in range(5)]
    np.testing.assert_allclose(found, list(shares.values()), atol=0.045)
    assert abs(people.male.mean() - 0.3) < 0.045
    assert many(male=0.0).male.sum() == 0
    assert many(male=1.0).male.mean() == 1


def test_people_differ_in_shape_as_the_knob_says():
    one, half, none = (many(shape_spread=spread).shape[:, 0] for spread in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half, one / 2)
    assert none.abs().max() == 0
    still = many(shape_spread=0.0)
    group = (still.race == 2) & (still.male == 1)
    assert still.shape[group].std(0).max() < 1e-6


def test_groups_are_those_of_the_people_that_are_drawn():
    world = World(race=dict(zip(RACES, (0.4, 0.3, 0.2, 0.1, 0.0), strict=True)), male=0.7)
    race, male = identity.group(Draws(range(50)), world)
    people = many(range(50), **world.model_dump())
    assert torch.equal(race, people.race)
    assert torch.equal(male, people.male)


@pytest.fixture(scope="module")
def twins():
    """Two people, each photograph and its twin, without noise and loss."""
    drawn = studio("test", protocols=["front", "blurred"], noise=0.0, quality=101)
    return {sample.sample_id: sample for sample in drawn.samples(range(2))}


def test_a_blurred_twin_is_the_same_photograph_out_of_focus(twins):
    assert set(twins) == {f"t00000{person}/{kind}_0" for person in (0, 1) for kind in ("front", "blurred")}
    sigma = KINDS["blurred"].blur * World().image_size * degrade.CROP_SHARE / degrade.BLUR_UNIT
    for person in (0, 1):
        sharp, soft = (twins[f"t00000{person}/{kind}_0"] for kind in ("front", "blurred"))
        facts = [{k: v for k, v in vars(s).items() if k not in ("image", "sample_id")} for s in (sharp, soft)]
        assert facts[0] == facts[1]
        blurred = cv2.GaussianBlur(
            records.decode(sharp.image).astype(np.float32), (0, 0), sigma, borderType=cv2.BORDER_REPLICATE
        )
        difference = np.abs(blurred - records.decode(soft.image)).max()
        assert difference <= 1.5, "but for rounding to whole numbers, twice, and the kernel's far ends"
    other = records.decode(twins["t000001/front_0"].image).astype(float)
    assert np.abs(other - records.decode(twins["t000000/front_0"].image)).mean() > 10


def test_frames_of_a_video_share_the_scene_and_move():
    size = SIZES.test.model_copy(update={"frames": 3, "probes": 1, "stills": 1})
    drawn = replace(studio("test", protocols=["templates"]), sizes=SIZES.model_copy(update={"test": size}))
    cast = drawn._cast([0, 1])
    orders = [Order(row, row, taken) for row in (0, 1) for taken in drawn._photographs(row)]
    photos = drawn._photos(cast, orders, drawn._draws(orders))
    names = [f"{order.row} {order.photograph.name}" for order in orders]
    assert names[:5] == ["0 still_0", "0 still_1", "0 video_0_0", "0 video_0_1", "0 video_0_2"]
    for name in ("age", "exposure", "hat", "glasses", "blur", "key", "clothes"):
        values = getattr(photos, name).reshape(10, -1)
        assert torch.equal(values[2], values[3])
        assert torch.equal(values[2], values[4])
    for name in ("yaw", "pitch", "roll"):
        assert len(set(getattr(photos, name).tolist())) == 10
    assert photos.age[2] != photos.age[0]
    alone = drawn._photos(cast, orders[3:4], drawn._draws(orders[3:4]))
    for name in vars(alone):
        assert torch.equal(getattr(alone, name)[0], getattr(photos, name)[3])


def test_surveillance_has_few_pixels_and_distractors_one_photograph():
    size = SIZES.test.model_copy(update={"images": 2, "distractors": 1, "identities": 4})
    drawn = replace(
        studio("test", protocols=["surveillance", "distractors"]),
        sizes=SIZES.model_copy(update={"test": size}),
    )
    taken = [[one.name for one in drawn._photographs(index)] for index in range(4)]
    assert taken[3] == ["wild_0"]
    assert all(names[:2] == ["wild_0", "wild_1"] for names in taken[:3])
    assert sorted(len(names) for names in taken[:3]) in ([3, 3, 4], [3, 4, 4])
    cast = drawn._cast([0])
    orders = [Order(0, 0, one) for one in named("surveillance", 40)]
    photos = drawn._photos(cast, orders, drawn._draws(orders))
    assert photos.resolution.max() <= 0.45
    assert photos.yaw.abs().max() > 60, "else as the world is"
