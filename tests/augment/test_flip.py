"""The mirror: drawn by the batches, done by the loader; the image itself stays; mirrored twice is nothing."""

import numpy as np
import pytest

from pipeline import files, records
from pipeline.augment import flip
from pipeline.loader import Faces
from pipeline.train.batches import Batches, Stream


def faces(folder, width, cache_gb):
    random = np.random.default_rng(width)
    pictures = random.integers(0, 256, (6, 3, width, 3), np.uint8)
    with files.writing_dir(folder) as aside:
        writer = records.Writer(aside)
        for row, picture in enumerate(pictures):
            writer.add(records.Sample(str(row), records.encode(picture, 101)))
        writer.close({})
    return pictures, Faces(folder, cache_gb=cache_gb)


def test_the_image_itself_is_left_to_the_loader():
    augment = flip.build(flip.Params())
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert augment.image(image, 1) is image
    assert (augment.flip, augment.only_flip, flip.ONLY_FLIP) == (True, True, True)


@pytest.mark.parametrize("cache_gb", [0.0, 1.0])
@pytest.mark.parametrize("width", [1, 2, 5])
def test_mirrored_images_against_a_loop(tmp_path, width, cache_gb):
    pictures, found = faces(tmp_path / "faces", width, cache_gb)
    chosen = np.array([True, False, True, False])
    done = found.images(np.array([5, 5, 0, 1]), chosen).numpy()
    for place, position in enumerate((5, 5, 0, 1)):
        for x in range(width):
            source = width - 1 - x if chosen[place] else x
            np.testing.assert_array_equal(done[place, :, x], pictures[position, :, source])
    np.testing.assert_array_equal(found.images(np.arange(6)).numpy(), pictures)  # memory is untouched


def test_a_batch_says_which_images_were_mirrored(tmp_path):
    pictures, found = faces(tmp_path / "faces", 4, 1.0)
    batches = Batches(None, Stream(found, 6, 0, flip.build(flip.Params()), domain=1))
    seen = set()
    for step in range(10):
        raw = batches.raw(step)
        for image, row, mirrored in zip(raw["image"].numpy(), raw["row"], raw["mirrored"], strict=True):
            picture = pictures[int(row)]
            np.testing.assert_array_equal(image, picture[:, ::-1] if mirrored else picture)
            seen.add(bool(mirrored))
    assert seen == {True, False}
