"""How noisy the keypoints are, and how many of their errors are independent.

The errors of a detector are not white: they last from frame to frame, hit a whole limb at once,
and every keypoint sits a little beside the place it is named for. An adjustment that takes each
pixel for a fresh measurement reports a precision it does not have. Here the noise is estimated
per camera and keypoint, and the loss of information is measured by how much the scores (the
derivative of the log likelihood by the unknowns of the rig) of whole clusters vary: a cluster
being a span of time, and a part of the body. Two-way clustering follows Cameron, Gelbach and
Miller (Journal of Business and Economic Statistics, 2011).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from calibration.least_squares import Linearization
from calibration.people.measurements import Measurements
from mocap.arrays import Float, Int
from mocap.model import Skeleton

_MIN_BLOCKS, _MAX_BLOCKS = 6, 30
_BLOCK_S = 0.5
_PRIOR_COUNT = 30.0
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


def design_effect(
    linear: Linearization,
    weight: Float[np.ndarray, " measurements"],
    covariance: Float[np.ndarray, "rig rig"],
    measurements: Measurements,
    skeleton: Skeleton,
) -> float:
    """By how much the covariance of the rig is larger than if all pixels were independent.

    Args:
        linear: at the solution; the pixels come first, two rows each.
        weight: robust weights.
        covariance: of the rig's unknowns, which come first, for independent pixels.
        measurements: the pixels.
        skeleton: names of the keypoints.

    Returns:
        The factor, at least 1. The number of independent frames is the number of frames divided
        by it.
    """
    m = measurements
    n, rig = len(m), len(covariance)
    rows = np.repeat(weight[:n], 2) * linear.residual[: 2 * n]
    jacobian = sparse.csr_matrix(linear.jacobian)
    score = jacobian[: 2 * n, :rig].toarray() * rows[:, None]
    time = time_blocks(m.instants_s)[m.point_instant[m.point]]
    part = part_clusters(skeleton)[m.point_keypoint[m.point]]
    part = part + (part.max() + 1) * m.point_person[m.point]
    both = time * (part.max() + 1) + part
    by_time, by_part, by_both = (_variation(score, c, covariance) for c in (time, part, both))
    return max(1.0, by_time, by_part, by_time + by_part - by_both)


def time_blocks(instants_s: Float[np.ndarray, " instants"]) -> Int[np.ndarray, " instants"]:
    """Spans of time that are long compared with how long a detector's error lasts."""
    span = float(np.ptp(instants_s)) if len(instants_s) else 0.0
    blocks = int(np.clip(span / _BLOCK_S, _MIN_BLOCKS, _MAX_BLOCKS))
    if span <= 0:
        return np.zeros(len(instants_s), np.int64)
    place = (instants_s - instants_s.min()) / span * blocks
    return np.minimum(place.astype(np.int64), blocks - 1)


def part_clusters(skeleton: Skeleton) -> Int[np.ndarray, " keypoints"]:
    """Number of the body part of each keypoint; left and right, head and feet are one each."""
    words: list[str] = []
    for name in skeleton.keypoints:
        plain = name.removeprefix("left_").removeprefix("right_")
        if plain in ("nose", "ear", "eye", "head"):
            plain = "head"
        if "toe" in plain or "heel" in plain:
            plain = "foot"
        words.append(plain)
    order = {word: i for i, word in enumerate(dict.fromkeys(words))}
    return np.array([order[word] for word in words])


def _variation(score: np.ndarray, cluster: np.ndarray, covariance: np.ndarray) -> float:
    """Mean over all directions of the clusters' score variance, by what it should be."""
    clusters, number = np.unique(cluster, return_inverse=True)
    count = len(clusters)
    if count < 2:
        return 1.0
    rows = np.repeat(number, 2)
    gather = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(count, len(rows))
    )
    sums = np.asarray(gather @ score)
    sums = sums - sums.mean(axis=0)
    total = float(np.einsum("ci,ij,cj->", sums, covariance, sums))
    return total / len(covariance) * count / (count - 1)
