"""What training does to an image. A plugin has ONLY_FLIP, `Params` and `build(params) -> Augment`.

ONLY_FLIP = True promises that an image is seen as it is or mirrored, nothing else, so that a teacher's
outputs can be computed once. The flip itself is drawn and done a batch at a time by the batches.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]  # (h, w, 3) RGB


class Augment(Protocol):
    """Changes one image in a way that (image, seed) determines."""

    @property
    def flip(self) -> bool:
        """Whether half of the images are mirrored."""
        ...

    @property
    def only_flip(self) -> bool:
        """Whether `image` gives back what it is given."""
        ...

    def image(self, rgb: Image, seed: int) -> Image: ...


class Unchanged:
    """Leaves images as they are, but for the mirror."""

    only_flip = True

    def __init__(self, flip: bool) -> None:
        self.flip = flip

    def image(self, rgb: Image, seed: int) -> Image:
        return rgb
