"""Places of corners to a few hundredths of a pixel, by fitting a picture of the corner.

The usual refinement (gradients orthogonal to the ray from the corner) sees only a few pixels: a
wider window would take in the markers, and where the print or the exposure lets the light squares
grow, the dark corners part and there is nothing left in the middle to look at. Here the whole
surrounding is explained by a model of what was printed, with the blur, the growth of the light
squares and the shading as unknowns, so that wide windows help; pixels which the model cannot
explain (a finger, a reflection) lose their weight. On real footage that halves the error. The
model's covariance says how far to trust each corner, and its blur how sharp the picture is.

The brightness at a distance (n1, n2) from the two edges, each positive on one side, is

    a + b (H((n1 - d) / s1) H((n2 - d) / s2) + c H((-n1 - d) / s1) H((-n2 - d) / s2)) + g . x

with the blurred step H(x) = (1 + erf(x)) / 2; c is 1 where four squares meet and 0 at the corner
of a marker. Solved by Levenberg and Marquardt with Huber's weights and weak priors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.corner_kernel import PARAMETERS, fit_kernel
from mocap.arrays import Bool, Float, UInt8


@dataclass(frozen=True)
class CornerWindow:
    """Which pixels around a corner belong to the model; lengths in squares.

    Attributes:
        before: how far it reaches against the two axes.
        after: how far it reaches along them.
        blank: how far from an edge something else is printed.
        saddle: whether four squares meet, or a marker's corner stands alone with its inside along
            both axes.
        most_px: how far it reaches in any case.
        least_px: how far it always reaches, whatever is printed there.
    """

    before: float
    after: float
    blank: float
    saddle: bool
    most_px: float = 14.0
    least_px: float = 2.5


@dataclass(frozen=True)
class CornerFit:
    """Fitted corners.

    Attributes:
        pixels: places; NaN where the fit failed.
        sigma_px: standard deviation per axis as far as the picture tells; NaN as above.
        blur_px: larger one of the blurs of the two edges (standard deviation times sqrt 2).
        contrast: brightness between dark and light squares, positive where the squares that meet
            along the sum of both axes are lighter; grey levels.
        misfit: scale of the residuals in parts of the contrast.
        ok: where all is plausible.
    """

    pixels: Float[np.ndarray, "corners 2"]
    sigma_px: Float[np.ndarray, " corners"]
    blur_px: Float[np.ndarray, " corners"]
    contrast: Float[np.ndarray, " corners"]
    misfit: Float[np.ndarray, " corners"]
    ok: Bool[np.ndarray, " corners"]


LEAST_CONTRAST = 8.0
MOST_MISFIT = 0.2
NOISE_ALLOWED = 4.0
"""Residuals of this scale in grey levels are no misfit, however small the contrast is."""
MOST_SIGMA_PX = 0.5
MOST_MOVE_PX = 2.0
MOST_MOVE_SQUARES = 0.12


def fit_corners(
    gray: UInt8[np.ndarray, "rows columns"],
    pixels: Float[np.ndarray, "corners 2"],
    axes_px: Float[np.ndarray, "corners 2 2"],
    window: CornerWindow,
) -> CornerFit:
    """Refines corners.

    Args:
        gray: the image.
        pixels: where they were found, right to a few pixels.
        axes_px: for each, how many pixels one square along the board's x (first row) and y
            (second row) is.
        window: what is printed around a corner.
    """
    count = len(pixels)
    found = np.full((count, PARAMETERS), np.nan)
    sigma = np.full(count, np.nan)
    scale = np.full(count, np.nan)
    shape = np.array([window.before, window.after, window.blank, window.least_px, window.most_px])
    gray = np.ascontiguousarray(gray)
    for i in range(count):
        if np.isfinite(pixels[i]).all() and np.isfinite(axes_px[i]).all():
            sigma[i], scale[i] = fit_kernel(
                gray, pixels[i], axes_px[i], shape, 1.0 if window.saddle else 0.0, found[i]
            )
    contrast = np.abs(found[:, 7])
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.linalg.norm(found[:, :2] - pixels, axis=-1)
        square = np.linalg.norm(axes_px, axis=-1).min(axis=-1)
        misfit = scale / contrast
        ok = (
            (contrast >= LEAST_CONTRAST)
            & ((misfit <= MOST_MISFIT) | (scale <= NOISE_ALLOWED))
            & (sigma <= MOST_SIGMA_PX)
            & (moved <= np.maximum(MOST_MOVE_PX, MOST_MOVE_SQUARES * square))
        )
    return CornerFit(
        np.where(ok[:, None], found[:, :2], np.nan),
        np.where(ok, sigma, np.nan),
        np.exp(found[:, 4:6]).max(axis=-1),
        found[:, 7],
        misfit,
        ok,
    )
