"""No augmentation gives back what it is given, and never mirrors."""

import numpy as np
import pytest

from pipeline.augment import none


@pytest.mark.parametrize("image", [np.zeros((1, 1, 3), np.uint8), np.full((5, 7, 3), 255, np.uint8)])
def test_nothing_changes(image):
    augment = none.build(none.Params())
    assert augment.image(image, 3).tobytes() == image.tobytes()
    assert (augment.flip, augment.only_flip, none.ONLY_FLIP) == (False, True, True)


def test_it_takes_no_params():
    with pytest.raises(ValueError, match="flip"):
        none.Params(flip=True)
