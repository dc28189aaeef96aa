"""Whether a lens model fits: residuals that point the same way in view after view.

Noise of the corners changes from view to view; what a lens model cannot express does not: at the
same place of the image it always pushes the same way. Whether the views' residual fields agree
more than chance allows is tested by flipping the sign of whole views, which keeps any correlation
within a view as it is.

A grossly wrong lens can bend the residuals of every view in another way, as the pose of the board
takes up part of them. It is told by a richer lens that fits the same views clearly better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from calibration.lens.views import BoardViews
from mocap.arrays import Float, Int

COLUMNS = 12
FLIPS = 999
SIGNIFICANT = 0.01
LEAST_SHARE = 0.25
"""Systematic residual, as a share of the noise, below which a lens is good enough."""
LEAST_PX = 0.1
LEAST_EXPLAINED_PX = 0.1
"""The same for what a richer lens explains: its many parameters also take up what moves the points
of a view together, as a rolling shutter does."""
_MIN_VIEWS = 5
CLEAR_GAIN = 50.0
"""Fall of the sum of squares that a dozen more parameters do not reach by chance."""
CLEAR_IN_VIEWS = 2.5
"""By how many standard errors, from view to view, a richer lens has to gain."""


@dataclass(frozen=True)
class LensMisfit:
    """Outcome of the test.

    Attributes:
        found: whether the lens model does not fit.
        systematic_px: root mean square length of the residual that is no noise: what all views
            share, or what a richer lens explains, whichever is more.
        explained_px: root mean square length of what a richer lens explains; NaN where none was
            there to compare with.
        noise_px: root mean square length of all residuals.
        p_value: how often chance alone would make the views agree so well; NaN with too few
            views to tell.
        mean_px: mean residual (measured less predicted) per cell of the image; NaN without
            points.
        points: number of points per cell.
    """

    found: bool
    systematic_px: float
    explained_px: float
    noise_px: float
    p_value: float
    mean_px: Float[np.ndarray, "rows columns 2"]
    points: Int[np.ndarray, "rows columns"]


def find_misfit(
    views: BoardViews,
    residual_px: Float[np.ndarray, "n 2"],
    richest_px: Float[np.ndarray, "n 2"] | None = None,
    *,
    seed: int = 0,
) -> LensMisfit:
    """Tests the residuals of a fit.

    Args:
        views: where the points were seen, and how exactly.
        residual_px: measured less predicted.
        richest_px: the same under the best lens of any model.
        seed: of the random signs.
    """
    width, height = views.size
    rows = max(1, round(COLUMNS * height / width))
    column = np.clip((views.pixels[:, 0] / width * COLUMNS).astype(int), 0, COLUMNS - 1)
    row = np.clip((views.pixels[:, 1] / height * rows).astype(int), 0, rows - 1)
    cell = row * COLUMNS + column
    cells = rows * COLUMNS
    weight = 1 / views.sigma_px**2
    place = cell * len(views) + views.view
    shape = (cells, len(views))

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, values, minlength=cells * len(views)).reshape(shape)

    pulls = np.stack([summed(weight * residual_px[:, axis]) for axis in (0, 1)])
    mass = summed(weight).sum(axis=1)
    seen = mass > 0
    count = np.bincount(cell, minlength=cells)
    mean = np.full((cells, 2), np.nan)
    mean[seen] = (pulls.sum(axis=2)[:, seen] / mass[seen]).T
    pulls = pulls[:, seen] / np.sqrt(mass[seen])[None, :, None]
    own = float(np.sum(pulls**2))
    together = float(np.sum(pulls.sum(axis=2) ** 2))
    total = float(mass.sum())
    noise = float(np.sqrt(np.sum(weight * np.sum(residual_px**2, axis=-1)) / total))
    systematic = float(np.sqrt(max(together - own, 0.0) / total))
    p_value = float("nan")
    if len(views) >= _MIN_VIEWS:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], (len(views), FLIPS))
        flipped = pulls.reshape(-1, len(views)) @ signs
        p_value = (1 + int(np.sum(np.sum(flipped**2, axis=0) >= together))) / (FLIPS + 1)
    # Below 1 / FLIPS no test of so few views can get: then the size alone decides.
    found = p_value <= max(SIGNIFICANT, 2.0 ** (2 - len(views))) and systematic > max(
        LEAST_SHARE * noise, LEAST_PX
    )
    explained, clear = float("nan"), False
    if richest_px is not None:
        explained, clear = _explained(views, residual_px, richest_px)
        rest = math.sqrt(max(noise**2 - explained**2, 0.0))
        found = found or (clear and explained > max(LEAST_SHARE * rest, LEAST_EXPLAINED_PX))
        systematic = max(systematic, explained) if found else systematic
    return LensMisfit(
        bool(found),
        systematic,
        explained,
        noise,
        p_value,
        mean.reshape(rows, COLUMNS, 2),
        count.reshape(rows, COLUMNS),
    )


def _explained(
    views: BoardViews,
    residual_px: Float[np.ndarray, "n 2"],
    richest_px: Float[np.ndarray, "n 2"],
) -> tuple[float, bool]:
    """Root mean square length of what the richer lens explains, and whether that is beyond
    chance."""
    weight = 1 / views.sigma_px**2
    gain = np.add.reduceat(
        weight * (np.sum(residual_px**2, axis=-1) - np.sum(richest_px**2, axis=-1)), views.first
    )
    spread = float(gain.std(ddof=1)) / math.sqrt(len(gain)) if len(gain) > 1 else math.inf
    explained = math.sqrt(max(float(gain.sum()), 0.0) / float(weight.sum()))
    return explained, bool(gain.sum() > CLEAR_GAIN and gain.mean() > CLEAR_IN_VIEWS * spread)
