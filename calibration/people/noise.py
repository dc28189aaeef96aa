"""How noisy the keypoints are, per camera and keypoint.

A keypoint whose residuals are large may be a noisy one, or one whose few long-lasting errors turned
out large this time. To believe the latter noisy takes from it the weight that its errors deserve,
and makes residuals look smaller, by their deviations, than errors are, and the promised precision
with them. So factors are drawn together by the share of their differences that chance explains
(empirical Bayes; Morris, "Parametric Empirical Bayes Inference", JASA 1983), chance being what
errors that go together in time leave of the number of frames.

How the errors go together is the matter of `calibration.people.correlated`.
"""

from __future__ import annotations

import numpy as np

from calibration.people.measurements import Measurements
from calibration.people.track_table import TrackTable
from mocap.arrays import Float, Int

_MEDIAN_OF_RAYLEIGH = 1.1774
"""Median length of a 2D normal vector of unit variance per axis."""
_MEDIAN_LOSS = 1 / np.log(2) ** 2
"""Variance of the median of squared lengths of such vectors to that of their mean, if independent;
what goes together moves both alike."""
_CLIP = 4.0
"""In standard deviations, beyond which a residual tells nothing about how long errors last."""


def noise_factors(
    measurements: Measurements, residual_px: Float[np.ndarray, "n 2"], cameras: int, keypoints: int
) -> Float[np.ndarray, "cameras keypoints"]:
    """By how much the stated standard deviations should be multiplied.

    A factor per camera times a factor per keypoint, from the medians of the residuals, so that
    outliers do not count.
    """
    m = measurements
    views = np.bincount(m.point, minlength=m.points)[m.point]
    # A point takes three degrees of freedom from the two of each view.
    free = np.sqrt(2 * views / np.maximum(2 * views - 3, 1))
    whitened = residual_px / m.sigma_px[:, None]
    length = np.linalg.norm(whitened, axis=1)
    ratio = np.log(np.maximum(length * free / _MEDIAN_OF_RAYLEIGH, 1e-3))
    keypoint = m.point_keypoint[m.point]
    overall = float(np.median(ratio)) if len(ratio) else 0.0
    usual = max(float(np.median(length)) / _MEDIAN_OF_RAYLEIGH, 1e-9)
    clipped = whitened * np.minimum(1.0, _CLIP * usual / np.maximum(length, 1e-12))[:, None]
    persistence = TrackTable(m).persistence(clipped)
    chance = [chance_variance(m, persistence, group) for group in (m.camera, keypoint)]
    by_camera, by_keypoint = np.full(cameras, overall), np.zeros(keypoints)
    for _ in range(3):
        rest = ratio - overall - by_keypoint[keypoint]
        by_camera = overall + _shrunk(rest, m.camera, chance[0], cameras)
        by_keypoint = _shrunk(ratio - by_camera[m.camera], keypoint, chance[1], keypoints)
    return np.exp(by_camera[:, None] + by_keypoint[None, :])


def chance_variance(
    m: Measurements,
    persistence: Float[np.ndarray, "instants instants"],
    group: Int[np.ndarray, " n"],
) -> Float[np.ndarray, " groups"]:
    """Variance that chance gives the logarithm of the deviation of each group of pixels.

    The mean square of n normal errors with correlations rho varies by 2 sum(rho^2) / n^2 of its
    square, and the logarithm of its root by a quarter of that. A median varies more, by what is
    new at each instant.

    Args:
        m: the pixels.
        persistence: correlation of the residuals of a keypoint between instants.
        group: of each pixel, from 0; residuals of a group's different keypoints are independent.
    """
    views = np.bincount(m.point, minlength=m.points)[m.point]
    # What a pixel holds of the residuals that are independent: its point takes three away.
    held = np.maximum(2 * views - 3, 1) / views
    keypoint = (
        m.point_keypoint[m.point] + (int(m.point_keypoint.max()) + 1) * (m.point_person[m.point])
    )
    names, track = np.unique(np.stack([group, keypoint]), axis=1, return_inverse=True)
    seen = np.zeros((names.shape[1], len(m.instants_s)))
    np.add.at(seen, (track.ravel(), m.point_instant[m.point]), held)
    # Residuals of two instants go together as far as both have them.
    root = np.sqrt(seen)
    together = np.sum((root @ persistence**2) * root, axis=1)
    together += (_MEDIAN_LOSS - 1) * seen.sum(axis=1)
    count = np.bincount(names[0], seen.sum(axis=1))
    return 0.5 * np.bincount(names[0], together) / np.maximum(count, 1e-9) ** 2


def _shrunk(
    values: np.ndarray, group: np.ndarray, chance: Float[np.ndarray, " groups"], groups: int
) -> np.ndarray:
    """Median of each group, drawn towards 0 by the part of the differences that is chance."""
    result = np.zeros(groups)
    there = np.unique(group)
    middle = np.array([np.median(values[group == g]) for g in there])
    own = chance[there]
    real = max(float(np.var(middle, ddof=1) - own.mean()), 0.0) if len(there) > 1 else 0.0
    result[there] = middle * real / np.maximum(real + own, 1e-300)
    return result
