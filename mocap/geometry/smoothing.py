"""Smoothing of one keypoint's path: a Kalman smoother with the bandwidth of a Butterworth filter.

The model is a point whose acceleration is white noise of density q, measured with a covariance of
its own in every frame. With even sampling and a constant covariance R, the Rauch-Tung-Striebel
smoother (AIAA Journal, 1965) has the frequency response 1 / (1 + (f / fc)^4) with
(2 pi fc)^4 = q / (R dt), which is that of the zero-phase second-order Butterworth filter used in
biomechanics. So q is chosen by a cut-off frequency. Unlike that filter it weighs each measurement
by its covariance, copes with uneven times and gaps, and says how sure the result is.

Three things are added to the linear smoother. Measurements that disagree with those before *and*
after them are trusted less (iteratively reweighted least squares with the weights of Student's t).
Where the path would need more acceleration than a limit, the density is lowered there until it
does not. And the covariance is corrected by what the residuals say: see `noise_share`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Bool, Float
from mocap.compiled import kernel

INITIAL_SPEED_M_S = 5.0
OUTLIER_CHI2 = 25.0
"""Squared Mahalanobis distance from which on a measurement is trusted less in the first pass, in
which only the past is known."""
STUDENT_DOF = 8.0
"""Degrees of freedom of the noise in the passes after it: 95 % as efficient as least squares when
the noise is Gaussian."""
REWEIGHTINGS = 2
CHI2_MEDIAN = 2.366
"""Median of the chi-squared distribution with three degrees of freedom."""
LIMIT_ROUNDS = 12
MOTION_LAG_S = 0.2


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


@kernel
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


@kernel
def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Product of two small matrices."""
    n, m = a.shape[0], b.shape[1]
    out = np.zeros((n, m))
    for i in range(n):
        for k in range(a.shape[1]):
            for j in range(m):
                out[i, j] += a[i, k] * b[k, j]
    return out


@kernel
def smooth_track(
    points: np.ndarray,
    covariance: np.ndarray,
    time_s: np.ndarray,
    density: np.ndarray,
    gate: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Smooths one keypoint over frames without a gap longer than is to be filled.

    Args:
        points: (T, 3) metres; NaN where there is no measurement. The first frame has one.
        covariance: (T, 3, 3) square metres.
        time_s: (T) strictly increasing.
        density: (T) of the acceleration noise between each frame and the one before, m^2/s^3.
        gate: squared Mahalanobis distance to the prediction from which on the covariance of a
            measurement is raised; infinite for never.

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
            q[i, i] = density[t] * dt**3 / 3
            q[i, 3 + i] = q[3 + i, i] = density[t] * dt**2 / 2
            q[3 + i, 3 + i] = density[t] * dt
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
            if distance > gate:
                r *= distance / gate
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
    density: Float[np.ndarray, " frames"],
) -> tuple[Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 3 3"]]:
    """The same as one least-squares problem over all frames: the oracle of `smooth_track`.

    It has no gate. For short tracks only: its cost grows with the cube of the frames.
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
            block = np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]) * density[t]
            weight = np.kron(np.linalg.inv(block), np.eye(3))
            step = np.kron(np.array([[1, dt], [0, 1]]), np.eye(3))
            difference = np.hstack([-step, np.eye(6)])
            span = slice(6 * t - 6, 6 * t + 6)
            information[span, span] += difference.T @ weight @ difference
    spread = np.linalg.inv(information)
    mean = (spread @ vector).reshape(n, 6)[:, :3]
    blocks = [spread[6 * t : 6 * t + 3, 6 * t : 6 * t + 3] for t in range(n)]
    return mean, np.array(blocks)


@kernel
def squared_distances(
    points: np.ndarray, covariance: np.ndarray, smooth: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Squared Mahalanobis distances of measurements to what all the others say of their place.

    The residual of a measurement which the smoother used has covariance R - P (R of the
    measurement, P of the smoothed point); with it, the distance equals the one to the smoothed
    point without this measurement, of covariance R + P'.

    Args:
        points: (T, 3) metres; NaN for none.
        covariance: (T, 3, 3) R as it was used.
        smooth: (T, 3) metres.
        spread: (T, 3, 3) P.

    Returns:
        (T) distances; NaN where nothing was measured.
    """
    out = np.full(len(points), np.nan)
    residual = np.zeros((3, 1))
    for t in range(len(points)):
        if np.isfinite(points[t, 0]):
            for i in range(3):
                residual[i, 0] = points[t, i] - smooth[t, i]
            # A single measurement far from all others is met exactly: R - P is then zero.
            s = covariance[t] - 0.999 * spread[t]
            out[t] = _product(residual.T, _solve_positive(s, residual))[0, 0]
    return out


def smooth_robustly(
    points: Float[np.ndarray, "frames 3"],
    covariance: Float[np.ndarray, "frames 3 3"],
    time_s: Float[np.ndarray, " frames"],
    density: Float[np.ndarray, " frames"],
    max_acceleration_m_s2: float,
) -> tuple[
    Float[np.ndarray, "frames 3"], Float[np.ndarray, "frames 3 3"], Float[np.ndarray, " frames"]
]:
    """Smooths one keypoint, distrusts outliers, and keeps to a limit of acceleration.

    Args:
        points: metres; NaN where nothing was measured. The first frame is measured.
        covariance: of the points, square metres.
        time_s: strictly increasing.
        density: as in `smooth_track`.
        max_acceleration_m_s2: limit.

    Returns:
        Points, covariance, and each measurement's squared distance (`squared_distances`) by its
        covariance as it was given; NaN where nothing was measured.
    """
    smooth, spread = smooth_track(points, covariance, time_s, density, OUTLIER_CHI2)
    distance = squared_distances(points, covariance, smooth, spread)
    weight = np.ones(len(points))
    for _ in range(REWEIGHTINGS):
        if not (distance > STUDENT_DOF + 3).any():
            break
        # Expectation step for the t distribution; normal measurements keep their weight.
        weight = np.minimum((STUDENT_DOF + 3) / (STUDENT_DOF + np.nan_to_num(distance)), 1.0)
        raised = covariance / weight[:, None, None]
        smooth, spread = smooth_track(points, raised, time_s, density, np.inf)
        distance = squared_distances(points, raised, smooth, spread) / weight
    raised = covariance / weight[:, None, None]
    for _ in range(LIMIT_ROUNDS):
        excess = _acceleration(smooth, time_s) / max_acceleration_m_s2
        if not (excess > 1).any():
            break
        # Two steps meet in a frame. Neighbours share the work, or it only moves there.
        wide = np.maximum(excess, np.maximum(np.roll(excess, 1), np.roll(excess, -1)))
        factor = np.where(wide > 1, 1.2 * wide, 1.0) ** -2.0
        density = density * np.minimum(factor, np.concatenate([[1.0], factor[:-1]]))
        smooth, spread = smooth_track(points, raised, time_s, density, np.inf)
    return smooth, spread, distance


def _acceleration(points: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Magnitude of the acceleration in every frame, m/s^2; 0 in the first and the last."""
    out = np.zeros(len(points))
    if len(points) > 2:
        step = np.diff(time_s)
        speed = np.diff(points, axis=0) / step[:, None]
        change = np.diff(speed, axis=0) / (0.5 * (step[1:] + step[:-1]))[:, None]
        out[1:-1] = np.linalg.norm(change, axis=1)
    return out


def motion_density(
    points: Float[np.ndarray, "frames 3"], time_s: Float[np.ndarray, " frames"]
) -> float:
    """Density of the acceleration noise that a path shows, m^2/s^3.

    Args:
        points: a smoothed path; NaN where it is open.
        time_s: of the frames.

    Returns:
        Mean square change of velocity within `MOTION_LAG_S`, per axis and second; 0 when the path
        is too short to tell.
    """
    speed = np.diff(points, axis=0) / np.diff(time_s)[:, None]
    lag = max(1, round(MOTION_LAG_S / float(np.median(np.diff(time_s)))))
    change = speed[lag:] - speed[:-lag]
    elapsed = (time_s[1:][lag:] - time_s[1:][:-lag])[:, None]
    rate = change**2 / elapsed
    return float(np.nanmean(rate)) if np.isfinite(rate).any() else 0.0


@dataclass(frozen=True)
class NoiseGain:
    """What becomes of white noise in the smoother, when the motion is slower than its cut-off.

    The covariance of the smoother counts on motion up to the cut-off frequency and is h R with
    h the mean over frequencies of the response H. Noise alone leaves the mean of H^2 in the result
    and that of (1 - H)^2 in the residuals.

    Attributes:
        passed: variance that noise leaves in the result, by the covariance of the smoother.
        residual: variance of the residuals, by R less the covariance of the smoother.
    """

    passed: float
    residual: float

    @classmethod
    def of(cls, cutoff_hz: float, rate_hz: float) -> NoiseGain:
        """For a cut-off frequency and a frame rate."""
        frequency = (np.arange(256) + 0.5) / 512 * rate_hz
        response = 1 / (1 + (frequency / cutoff_hz) ** 4)
        h, square = float(response.mean()), float((response**2).mean())
        return cls(square / h, (1 - 2 * h + square) / (1 - h))


def noise_share(distance: Float[np.ndarray, " frames"], gain: NoiseGain) -> float:
    """Which share of the measurements' stated variance their residuals confirm.

    Noise that is independent from frame to frame shows in the residuals, and smoothing reduces
    it. What lasts (a detector that places an elbow 2 cm too high for a second) does neither: when
    the residuals are smaller than the stated covariance lets expect, the rest of it must be taken
    for lasting. More than 1 means noise that is larger than stated, or motion above the cut-off.

    Args:
        distance: squared distances of the measurements; NaN for none.
        gain: of the smoother.

    Returns:
        The median distance by what it should be; 1 where there are fewer than ten.
    """
    known = distance[np.isfinite(distance)]
    if len(known) < 10:
        return 1.0
    return float(np.median(known)) / (CHI2_MEDIAN * gain.residual)


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
