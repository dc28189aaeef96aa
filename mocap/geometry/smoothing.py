"""Smoothing of one keypoint's path: a Kalman smoother with the bandwidth of a Butterworth filter.

The model is a point whose acceleration is white noise of density q, measured with a covariance of
its own in every frame. With even sampling and a constant covariance R, the Rauch-Tung-Striebel
smoother (AIAA Journal, 1965) has the frequency response 1 / (1 + (f / fc)^4) with
(2 pi fc)^4 = q / (R dt), which is that of the zero-phase second-order Butterworth filter used in
biomechanics. So q is chosen by a cut-off frequency. Unlike that filter it weighs each measurement
by its covariance, copes with uneven times and gaps, and says how sure the result is.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from mocap.arrays import Bool, Float

INITIAL_SPEED_M_S = 5.0
OUTLIER_CHI2 = 25.0
"""Squared Mahalanobis distance from which on a measurement is trusted less."""


def process_noise_density(
    covariance: Float[np.ndarray, "frames 3 3"],
    time_s: Float[np.ndarray, " frames"],
    cutoff_hz: float,
) -> float:
    """Density q, in m^2/s^3, which makes the smoother cut off at a frequency.

    Args:
        covariance: of the measurements, square metres; NaN where there is none.
        time_s: of all frames.
        cutoff_hz: where the amplitude has fallen to one half.
    """
    variance = np.trace(covariance, axis1=1, axis2=2) / 3
    typical = float(np.nanmedian(variance))
    step = float(np.median(np.diff(time_s)))
    return typical * step * (2 * np.pi * cutoff_hz) ** 4


@njit(cache=True, nogil=True)
def _solve_positive(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solves a x = b for a symmetric positive matrix (n, n) and b (n, m), by Cholesky.

    By hand, because compiling the call of a library takes seconds.
    """
    n, m = b.shape
    lower = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = a[i, j]
            for k in range(j):
                total -= lower[i, k] * lower[j, k]
            lower[i, j] = np.sqrt(total) if i == j else total / lower[j, j]
    x = b.copy()
    for c in range(m):
        for i in range(n):
            for k in range(i):
                x[i, c] -= lower[i, k] * x[k, c]
            x[i, c] /= lower[i, i]
        for i in range(n - 1, -1, -1):
            for k in range(i + 1, n):
                x[i, c] -= lower[k, i] * x[k, c]
            x[i, c] /= lower[i, i]
    return x


@njit(cache=True, nogil=True)
def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of two small matrices."""
    n, m = a.shape[0], b.shape[1]
    out = np.zeros((n, m))
    for i in range(n):
        for k in range(a.shape[1]):
            for j in range(m):
                out[i, j] += a[i, k] * b[k, j]
    return out


@njit(cache=True, nogil=True)
def smooth_track(
    points: np.ndarray, covariance: np.ndarray, time_s: np.ndarray, density: float
) -> tuple[np.ndarray, np.ndarray]:
    """Smooths one keypoint over frames without a gap longer than is to be filled.

    Args:
        points: (T, 3) metres; NaN where there is no measurement. The first frame has one.
        covariance: (T, 3, 3) square metres.
        time_s: (T) strictly increasing.
        density: of the acceleration noise, m^2/s^3.

    Returns:
        Points (T, 3) and covariance (T, 3, 3) in every frame.
    """
    n = len(time_s)
    identity = np.eye(6)
    # Vectors are columns: everything is a matrix, and one product serves all.
    mean, cov = np.zeros((n, 6, 1)), np.zeros((n, 6, 6))
    predicted_mean, predicted_cov = np.zeros((n, 6, 1)), np.zeros((n, 6, 6))
    step_matrix = np.zeros((n, 6, 6))
    m, p = np.zeros((6, 1)), np.zeros((6, 6))
    for i in range(3):
        m[i, 0] = points[0, i]
        for j in range(3):
            p[i, j] = covariance[0, i, j]
        p[3 + i, 3 + i] = INITIAL_SPEED_M_S**2
    mean[0], cov[0] = m, p
    residual = np.zeros((3, 1))
    for t in range(1, n):
        dt = time_s[t] - time_s[t - 1]
        f = identity.copy()
        q = np.zeros((6, 6))
        for i in range(3):
            f[i, 3 + i] = dt
            q[i, i] = density * dt**3 / 3
            q[i, 3 + i] = q[3 + i, i] = density * dt**2 / 2
            q[3 + i, 3 + i] = density * dt
        step_matrix[t] = f
        m = _product(f, m)
        p = _product(_product(f, p), f.T) + q
        predicted_mean[t], predicted_cov[t] = m, p
        if np.isfinite(points[t, 0]):
            for i in range(3):
                residual[i, 0] = points[t, i] - m[i, 0]
            r = covariance[t].copy()
            s = p[:3, :3] + r
            distance = _product(residual.T, _solve_positive(s, residual))[0, 0]
            if distance > OUTLIER_CHI2:
                r *= distance / OUTLIER_CHI2
                s = p[:3, :3] + r
            gain = _solve_positive(s, p[:3, :]).T
            m = m + _product(gain, residual)
            # Joseph's form keeps the covariance symmetric and positive.
            keep = identity.copy()
            keep[:, :3] -= gain
            p = _product(_product(keep, p), keep.T) + _product(_product(gain, r), gain.T)
        mean[t], cov[t] = m, p
    for t in range(n - 2, -1, -1):
        forth = _product(step_matrix[t + 1], cov[t])
        back = _solve_positive(predicted_cov[t + 1], forth).T
        mean[t] += _product(back, mean[t + 1] - predicted_mean[t + 1])
        cov[t] += _product(_product(back, cov[t + 1] - predicted_cov[t + 1]), back.T)
    return mean[:, :3, 0].copy(), cov[:, :3, :3].copy()


def smooth_track_dense(
    points: Float[np.ndarray, "frames 3"],
    covariance: Float[np.ndarray, "frames 3 3"],
    time_s: Float[np.ndarray, " frames"],
    density: float,
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 3 3"]]:
    """The same as one least-squares problem over all frames: the oracle of `smooth_track`.

    It does not treat outliers. For short tracks only: its cost grows with the cube of the frames.
    """
    n = len(time_s)
    information, vector = np.zeros((6 * n, 6 * n)), np.zeros(6 * n)
    information[3:6, 3:6] += np.eye(3) / INITIAL_SPEED_M_S**2
    for t in range(n):
        rows = slice(6 * t, 6 * t + 3)
        if np.isfinite(points[t, 0]):
            weight = np.linalg.inv(covariance[t])
            information[rows, rows] += weight
            vector[rows] += weight @ points[t]
        if t:
            dt = time_s[t] - time_s[t - 1]
            block = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) * density
            weight = np.kron(np.linalg.inv(block), np.eye(3))
            step = np.kron(np.array([[1, dt], [0, 1]]), np.eye(3))
            difference = np.hstack([-step, np.eye(6)])
            span = slice(6 * t - 6, 6 * t + 6)
            information[span, span] += difference.T @ weight @ difference
    spread = np.linalg.inv(information)
    mean = (spread @ vector).reshape(n, 6)[:, :3]
    blocks = [spread[6 * t : 6 * t + 3, 6 * t : 6 * t + 3] for t in range(n)]
    return mean, np.array(blocks)


def segments_within_gap(
    measured: Bool[np.ndarray, " frames"], time_s: Float[np.ndarray, " frames"], max_gap_s: float
) -> list[tuple[int, int]]:
    """Stretches [first, last] that begin and end with a measurement and have no longer gap.

    Args:
        measured: which frames have a measurement.
        time_s: of all frames.
        max_gap_s: longest time between two measurements of one stretch.
    """
    frames = np.flatnonzero(measured)
    if len(frames) == 0:
        return []
    breaks = np.flatnonzero(np.diff(time_s[frames]) > max_gap_s)
    first = np.concatenate([[0], breaks + 1])
    last = np.concatenate([breaks, [len(frames) - 1]])
    return [(int(frames[a]), int(frames[b])) for a, b in zip(first, last, strict=True)]
