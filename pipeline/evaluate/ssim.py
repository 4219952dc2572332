"""Structural similarity of two images (Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861, eq. 13).

    SSIM(x, y) = (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2))
    C1 = (0.01 L)^2   C2 = (0.03 L)^2   L = the range of values

mu, s^2, s_xy: means, variances and covariance under an 11 x 11 Gaussian window (deviation 1.5 pixels, sum 1).
The result is the mean over the windows that lie within the image, then over channels; 1 for equal images, at
most 1. The authors scale large images down first; this does not. No stage calls it yet: it is the measure for
faces that are made from a net's answers, which are held against the photographs behind them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

SIDE, DEVIATION, K1, K2 = 11, 1.5, 0.01, 0.03


def window() -> npt.NDArray[np.float64]:
    """The Gaussian along one axis, sum 1."""
    place = np.arange(SIDE) - SIDE // 2
    weight = np.exp(-(place**2) / (2 * DEVIATION**2))
    return np.asarray(weight / weight.sum())


def _blurred(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Windowed means of every place whose window lies within the image."""
    weight = window()
    for axis in (0, 1):
        values = np.lib.stride_tricks.sliding_window_view(values, SIDE, axis) @ weight
    return values


def ssim(
    first: Float[np.ndarray, "h w *c"], second: Float[np.ndarray, "h w *c"], span: float = 255.0
) -> float:
    """Mean SSIM of two images of one shape; `span` is the range L of their values."""
    if first.shape != second.shape or first.ndim not in (2, 3):
        raise ValueError(f"images {first.shape} and {second.shape}: one shape, h x w or h x w x channels")
    if min(first.shape[:2]) < SIDE:
        raise ValueError(f"images of {first.shape[0]} x {first.shape[1]}: at least {SIDE} pixels a side")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("an image has values that are not finite numbers")
    c1, c2 = (K1 * span) ** 2, (K2 * span) ** 2
    shape = (*first.shape[:2], -1)
    channels = (np.moveaxis(np.asarray(one, np.float64).reshape(shape), 2, 0) for one in (first, second))
    found = []
    for x, y in zip(*channels, strict=True):
        mx, my = _blurred(x), _blurred(y)
        xx, yy, xy = (
            _blurred(a * b) - ma * mb for a, b, ma, mb in ((x, x, mx, mx), (y, y, my, my), (x, y, mx, my))
        )
        top, bottom = (2 * mx * my + c1) * (2 * xy + c2), (mx**2 + my**2 + c1) * (xx + yy + c2)
        found.append(float((top / bottom).mean()))
    return float(np.mean(found))
