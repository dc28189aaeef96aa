"""How noisy the keypoints are, per camera and keypoint.

How the errors go together over time and keypoints is the matter of `calibration.people.correlated`.
"""

from __future__ import annotations

import numpy as np

from calibration.people.measurements import Measurements
from mocap.arrays import Float

_PRIOR_COUNT = 300.0
"""Errors last for tenths of a second and longer, so ten pixels of a track tell about as much as one
independent one. Factors that follow chance make residuals look smaller, by their deviations, than
the errors are, and the promised precision with them."""
_MEDIAN_OF_RAYLEIGH = 1.1774
"""Median length of a 2D normal vector of unit variance per axis."""


def noise_factors(
    measurements: Measurements, residual_px: Float[np.ndarray, "n 2"], cameras: int, keypoints: int
) -> Float[np.ndarray, "cameras keypoints"]:
    """By how much the stated standard deviations should be multiplied.

    A factor per camera times a factor per keypoint, from the medians of the residuals, so that
    outliers do not count; both are drawn to the common factor where there is little data.
    """
    m = measurements
    views = np.bincount(m.point, minlength=m.points)[m.point]
    # A point takes three degrees of freedom from the two of each view.
    free = np.sqrt(2 * views / np.maximum(2 * views - 3, 1))
    ratio = np.linalg.norm(residual_px, axis=1) / m.sigma_px * free / _MEDIAN_OF_RAYLEIGH
    ratio = np.log(np.maximum(ratio, 1e-3))
    keypoint = m.point_keypoint[m.point]
    overall = float(np.median(ratio)) if len(ratio) else 0.0
    by_camera, by_keypoint = np.full(cameras, overall), np.zeros(keypoints)
    for _ in range(3):
        by_camera = overall + _shrunk(ratio - overall - by_keypoint[keypoint], m.camera, cameras)
        by_keypoint = _shrunk(ratio - by_camera[m.camera], keypoint, keypoints)
    return np.exp(by_camera[:, None] + by_keypoint[None, :])


def _shrunk(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Median of each group, drawn towards 0 by its lack of data."""
    result = np.zeros(groups)
    for g in np.unique(group):
        own = values[group == g]
        result[g] = np.median(own) * len(own) / (len(own) + _PRIOR_COUNT)
    return result
