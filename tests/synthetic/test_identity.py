"""Who a person is shows in the person, not in the pixels as such nor in what is worn."""

import cv2
import numpy as np
import pytest
import torch

from pipeline import geometry, records
from pipeline.synthetic import sampler
from pipeline.synthetic.draws import Draws
from pipeline.synthetic.identity import draw
from pipeline.synthetic.part import Studio
from pipeline.synthetic.renderer import renderer
from pipeline.synthetic.styles import STYLES
from pipeline.synthetic.world import PARTS, Sizes, World

PEOPLE, IMAGES, SIDE = 40, 4, 32


@pytest.fixture(scope="module", params=[{}, {"profiles": 0.0, "nods": 0.0}], ids=["home", "frontal"])
def pixels(request):
    """(people, images, values) of aligned grey faces, each of zero mean and unit length."""
    sizes = Sizes.model_validate({part: {"identities": PEOPLE, "images": IMAGES} for part in PARTS})
    world, faces = World(image_size=64, **request.param), []
    for sample in Studio(0, "labelled", world, world, sizes).samples():
        image, _ = geometry.aligned(records.decode(sample.image), np.reshape(sample.points5, (5, 2)), 64)
        grey = cv2.resize(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        face = grey.astype(np.float64).ravel()
        face -= face.mean()
        faces.append(face / np.linalg.norm(face))
    return np.reshape(faces, (PEOPLE, IMAGES, -1))


def test_raw_pixels_hardly_tell_people_apart(pixels):
    same = [(a @ b) for person in pixels for i, a in enumerate(person) for b in person[i + 1 :]]
    rng = np.random.default_rng(0)
    others = []
    while len(others) < len(same):
        one, other = rng.integers(0, PEOPLE, 2)
        if one != other:
            others.append(pixels[one, rng.integers(IMAGES)] @ pixels[other, rng.integers(IMAGES)])
    scores, truth = np.array(same + others), np.repeat([1, 0], len(same))
    order = np.argsort(-scores)
    correct = np.cumsum(truth[order]) + np.cumsum(1 - truth[order][::-1])[::-1] - (1 - truth[order])
    # of the best threshold, chosen on these pairs: 53.5 % at home, 55.6 % where no pose hides a leak
    assert correct.max() / len(truth) < 0.60


def test_hair_and_glasses_change_from_day_to_day():
    count = 400
    people = draw(Draws(range(count)), renderer(64).shape_names, World())
    several = torch.tensor([len(set(row.tolist())) for row in people.styles])
    assert (several > 1).float().mean() > 0.7
    assert set(people.styles.unique().tolist()) == set(range(len(STYLES)))
    names = renderer(64).expression_names
    photos = [
        sampler.draw(
            Draws([n * 1000 + k for n in range(count)]), World(), names, people.wears_glasses, people.own_age
        )
        for k in (0, 1)
    ]
    wearing = torch.stack([photo.glasses for photo in photos])
    assert 0.05 < wearing.mean() < 0.35
    assert (wearing[0] != wearing[1])[people.wears_glasses > 0].float().mean() > 0.3
    assert (photos[0].frame - photos[1].frame).abs().mean() > 0.2
