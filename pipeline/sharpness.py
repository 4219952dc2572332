"""How blurred a face is: the variance of its Laplacian.

    v = mean (L - mean L)^2,   L = grey * [[0, 1, 0], [1, -4, 1], [0, 1, 0]], mirrored at the edge

grey is 0.299 R + 0.587 G + 0.114 B of a crop, 0 to 255. Low is blurred or plain, high is sharp or noisy
(Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, https://doi.org/10.1109/ICPR.2000.903548).
v changes with the size of a crop, so that only crops of one size can be compared.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8


def variance(image: UInt8[np.ndarray, "h w 3"]) -> float:
    """v of an RGB image."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
