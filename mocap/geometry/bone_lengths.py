"""Bones of constant length: how long they are, and positions which keep to it.

A projection of the smoothed positions onto the constraint, with their covariance as the metric, is
the constrained estimate of Simon and Chia (Kalman filtering with state equality constraints, IEEE
Transactions on Aerospace and Electronic Systems 38, 2002). Here the constraint is soft: the length
is one more measurement, with the uncertainty that is left of it.
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float, Int
from mocap.compiled import kernel

ROUNDS = 4
MIN_FRAMES = 10
SIDE_SIGMA_M = 0.004
"""Standard deviation of the difference between a left bone and the right one."""
LENGTH_SIGMA_M = 0.004
"""Below this no length is known from a detector: how its keypoints lie in the body."""


def measure_lengths(
    points: Float[np.ndarray, "frames keypoints 3"],
    covariance: Float[np.ndarray, "frames keypoints 3 3"],
    bones: Int[np.ndarray, "bones 2"],
    twin: Int[np.ndarray, " bones"],
) -> tuple[Float[np.ndarray, " bones"], Float[np.ndarray, " bones"]]:
    """Lengths of one person's bones over a session, robustly, and the same on both sides.

    Args:
        points: metres; NaN for missing.
        covariance: square metres.
        bones: keypoints at their ends.
        twin: for each bone that of the other side; itself if there is none.

    Returns:
        Lengths and their standard deviations, metres; NaN for bones seen in fewer than
        `MIN_FRAMES` frames.
    """
    a, b = bones[:, 0], bones[:, 1]
    along = points[:, b] - points[:, a]
    length = np.linalg.norm(along, axis=2)
    unit = along / np.maximum(length, 1e-9)[..., None]
    noise = covariance[:, a] + covariance[:, b]
    variance = np.einsum("tbi,tbij,tbj->tb", unit, noise, unit)
    # Noise across a bone makes it look longer, by this much on average.
    across = np.trace(noise, axis1=2, axis2=3) - variance
    length = length - np.minimum(across / (2 * np.maximum(length, 1e-9)), 0.2 * length)
    lengths, sigma = np.full(len(bones), np.nan), np.full(len(bones), np.nan)
    for i in range(len(bones)):
        known = np.isfinite(length[:, i]) & np.isfinite(variance[:, i])
        if known.sum() < MIN_FRAMES:
            continue
        values = length[known, i]
        weight = 1 / (variance[known, i] + LENGTH_SIGMA_M**2)
        middle = _weighted_median(values, weight)
        spread = 1.4826 * _weighted_median(np.abs(values - middle), weight)
        lengths[i] = middle
        # Errors of neighbouring frames are alike: a tenth of the frames counts.
        sigma[i] = np.hypot(LENGTH_SIGMA_M, spread / np.sqrt(max(0.1 * known.sum(), 1.0)))
    return _alike_on_both_sides(lengths, sigma, twin)


def _alike_on_both_sides(
    lengths: np.ndarray, sigma: np.ndarray, twin: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Posterior when a bone and its twin differ by `SIDE_SIGMA_M`."""
    made, sigma_made = lengths.copy(), sigma.copy()
    for i, j in enumerate(twin):
        if i == j or not np.isfinite(lengths[i] + lengths[j]):
            continue
        other = sigma[j] ** 2 + SIDE_SIGMA_M**2
        gain = sigma[i] ** 2 / (sigma[i] ** 2 + other)
        made[i] = lengths[i] + gain * (lengths[j] - lengths[i])
        sigma_made[i] = sigma[i] * np.sqrt(1 - gain)
    return made, sigma_made


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


@kernel
def impose_lengths(
    points: np.ndarray,
    covariance: np.ndarray,
    bones: np.ndarray,
    lengths: np.ndarray,
    sigma_m: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Moves keypoints, by as much as they are unsure, so that bones get their lengths.

    The most likely positions of each frame under Gaussian positions, independent of each other,
    and measured lengths; Gauss-Newton.

    Args:
        points: (T, K, 3) metres; NaN for missing.
        covariance: (T, K, 3, 3) square metres.
        bones: (B, 2) keypoints at the ends.
        lengths: (B) metres; NaN for a bone that is left as it is.
        sigma_m: (B) standard deviations of the lengths.

    Returns:
        Points and covariance of the same shapes. Keypoints without a bone stay bit for bit.
    """
    made, spread = points.copy(), covariance.copy()
    count = len(bones)
    unit = np.zeros((count, 3))
    chosen = np.zeros(count, np.int64)
    system = np.zeros((count, count))
    error = np.zeros(count)
    # Products of covariance and derivative at either end of each bone.
    gain = np.zeros((count, 2, 3))
    for t in range(len(points)):
        n = 0
        for b in range(count):
            both = np.isfinite(points[t, bones[b, 0], 0]) and np.isfinite(points[t, bones[b, 1], 0])
            if both and np.isfinite(lengths[b]):
                chosen[n] = b
                n += 1
        if n == 0:
            continue
        for _ in range(ROUNDS):
            for i in range(n):
                u, v = bones[chosen[i], 0], bones[chosen[i], 1]
                norm = 0.0
                for d in range(3):
                    unit[i, d] = made[t, v, d] - made[t, u, d]
                    norm += unit[i, d] ** 2
                norm = max(np.sqrt(norm), 1e-6)
                # Of the linearised length at the unconstrained positions.
                error[i] = lengths[chosen[i]] - norm
                for d in range(3):
                    unit[i, d] /= norm
                    moved = made[t, v, d] - points[t, v, d] - made[t, u, d] + points[t, u, d]
                    error[i] += unit[i, d] * moved
                for d in range(3):
                    gain[i, 0, d] = gain[i, 1, d] = 0.0
                    for e in range(3):
                        gain[i, 0, d] -= covariance[t, u, d, e] * unit[i, e]
                        gain[i, 1, d] += covariance[t, v, d, e] * unit[i, e]
            _fill_system(system, n, chosen, bones, unit, gain, sigma_m)
            _factor(system, n)
            _solve_factored(system, n, error)
            for i in range(n):
                for end in range(2):
                    for d in range(3):
                        made[t, bones[chosen[i], end], d] = points[t, bones[chosen[i], end], d]
            for i in range(n):
                for end in range(2):
                    for d in range(3):
                        made[t, bones[chosen[i], end], d] += gain[i, end, d] * error[i]
        _reduce_covariance(spread[t], system, n, chosen, bones, gain)
    return made, spread


@kernel
def _fill_system(
    system: np.ndarray,
    n: int,
    chosen: np.ndarray,
    bones: np.ndarray,
    unit: np.ndarray,
    gain: np.ndarray,
    sigma_m: np.ndarray,
) -> None:
    """Covariance (n, n) of the lengths as measured and as the positions have them."""
    for i in range(n):
        for j in range(i + 1):
            total = 0.0
            for p in range(2):
                for q in range(2):
                    if bones[chosen[i], p] == bones[chosen[j], q]:
                        sign = 1.0 if p == 1 else -1.0
                        for d in range(3):
                            total += sign * unit[i, d] * gain[j, q, d]
            system[i, j] = total
        system[i, i] += sigma_m[chosen[i]] ** 2


@kernel
def _factor(system: np.ndarray, n: int) -> None:
    """Cholesky factor in place, in the lower triangle."""
    for i in range(n):
        for j in range(i + 1):
            total = system[i, j]
            for k in range(j):
                total -= system[i, k] * system[j, k]
            system[i, j] = np.sqrt(total) if i == j else total / system[j, j]


@kernel
def _solve_factored(system: np.ndarray, n: int, vector: np.ndarray) -> None:
    """Solves in place, given the factor."""
    for i in range(n):
        for k in range(i):
            vector[i] -= system[i, k] * vector[k]
        vector[i] /= system[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            vector[i] -= system[k, i] * vector[k]
        vector[i] /= system[i, i]


@kernel
def _reduce_covariance(
    spread: np.ndarray,
    system: np.ndarray,
    n: int,
    chosen: np.ndarray,
    bones: np.ndarray,
    gain: np.ndarray,
) -> None:
    """Takes off each keypoint's covariance (K, 3, 3) what the lengths have told."""
    right = np.zeros(n)
    for k in range(len(spread)):
        touched = False
        for i in range(n):
            touched |= bones[chosen[i], 0] == k or bones[chosen[i], 1] == k
        if not touched:
            continue
        rows = np.zeros((3, n))
        for i in range(n):
            for end in range(2):
                if bones[chosen[i], end] == k:
                    for d in range(3):
                        rows[d, i] += gain[i, end, d]
        # With L of the factor: rows S^-1 rows^T = (L^-1 rows^T)^T (L^-1 rows^T).
        for d in range(3):
            for i in range(n):
                right[i] = rows[d, i]
                for m in range(i):
                    right[i] -= system[i, m] * right[m]
                right[i] /= system[i, i]
            rows[d, :] = right
        for d in range(3):
            for e in range(3):
                for i in range(n):
                    spread[k, d, e] -= rows[d, i] * rows[e, i]
