"""The lag of two cameras from how fast things move in their images; no calibration is needed.

A speed in the image is unsigned and in units of the thing's own size, so that two cameras which
look from different sides agree on when there is movement, if not on how much. One channel per
keypoint keeps apart which part moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter

from calibration.timing.correlation import (
    correlation_time,
    masked_correlation,
    peak_with_sigma,
)
from calibration.timing.curve import LagCurve, choose_lag
from calibration.timing.drift import WindowLag, fit_drift
from calibration.timing.results import PairLag, refusal
from calibration.timing.tracks import CameraTracks, extent
from mocap.arrays import Float

GRID_PER_FRAME = 2
SHORTEST_KERNEL_S = 0.05
LONGEST_GRID = 200_000
SIZE_WINDOW_S = 1.0
FASTEST_PER_S = 12.0
"""Sizes per second; faster is a keypoint that jumped, not one that moved."""
LEAST_SIGMA_STEPS = 0.05
CHANNELS_COUNTED = 3.0
"""Keypoints of a body move together: no more than so many count as independent witnesses."""


@dataclass(frozen=True)
class MotionSettings:
    """How lags are looked for in motion.

    Attributes:
        max_lag_s: largest lag to consider; None for all that the recordings allow.
        min_overlap_s: lags at which both saw less are not considered. In any case at least 35 %
            of what the camera that saw less has seen.
        window_s: length of the pieces that show whether the lag changes with time.
        drift_from_s: recordings of this length show a drift of clocks.
    """

    max_lag_s: float | None = None
    min_overlap_s: float = 1.0
    window_s: float = 15.0
    drift_from_s: float = 90.0


def speed_signal(
    tracks: CameraTracks, grid_s: Float[np.ndarray, " grid"], kernel_s: float
) -> Float[np.ndarray, "grid points"]:
    """Square root of the image speed of each point, in sizes of its thing per second.

    The velocity at each instant of the grid is the slope of a straight line fitted with Gaussian
    weights, which smooths, bridges dropped frames and resamples at once. The square root lets
    slow and fast movement count alike.

    Args:
        tracks: of one camera.
        grid_s: instants on the camera's clock.
        kernel_s: standard deviation of the weights; use the same for all cameras.

    Returns:
        Mean over the things; NaN where nothing is known.
    """
    points = tracks.pixels.shape[2]
    total, things = np.zeros((len(grid_s), points)), np.zeros((len(grid_s), points))
    for thing in range(tracks.pixels.shape[1]):
        pixels = tracks.pixels[:, thing]
        frames = np.flatnonzero(np.isfinite(pixels[..., 0]).any(axis=1))
        if len(frames) < 3:
            continue
        time_s = tracks.time_s[frames]
        size = _smooth_size(pixels[frames], tracks.period_s)
        near = (grid_s >= time_s[0] - kernel_s) & (grid_s <= time_s[-1] + kernel_s)
        velocity = _slope(time_s, pixels[frames] / size[:, None, None], grid_s[near], kernel_s)
        speed = np.linalg.norm(velocity, axis=-1)
        speed[speed > FASTEST_PER_S] = np.nan
        known = np.isfinite(speed)
        total[near] += np.where(known, np.sqrt(np.where(known, speed, 0.0)), 0.0)
        things[near] += known
    with np.errstate(invalid="ignore"):
        return total / np.where(things > 0, things, np.nan)


def motion_lag(
    first: CameraTracks, second: CameraTracks, settings: MotionSettings | None = None
) -> PairLag:
    """The lag of two cameras that filmed the same movement.

    Args:
        first: what the camera saw from which the lag counts.
        second: what the other saw; with the same points.
        settings: how to look for it.
    """
    settings = settings or MotionSettings()
    names = (first.name, second.name)
    if first.pixels.shape[2] != second.pixels.shape[2]:
        raise ValueError(
            f"cameras {first.name!r} and {second.name!r} have {first.pixels.shape[2]} and "
            f"{second.pixels.shape[2]} points"
        )
    for tracks in (first, second):
        if tracks.duration_s <= 0:
            return refusal(*names, "motion", f"camera {tracks.name!r} sees nobody and no board")
    step_s, kernel_s = _sampling(first, second)
    a, b = (speed_signal(t, _grid(t, step_s), kernel_s) for t in (first, second))
    for tracks, signal in ((first, a), (second, b)):
        if np.isfinite(signal).any(axis=1).sum() < 4:
            return refusal(*names, "motion", f"camera {tracks.name!r} sees too little movement")
    shift_s = float(second.time_s[0] - first.time_s[0])
    curve, seen_s = _curve(a, b, step_s, kernel_s, shift_s, settings)
    choice = choose_lag(curve)
    overlap_s = float(seen_s[choice.index]) if choice.index >= 0 else 0.0
    rivals = tuple(float(curve.lag_s[i]) for i in choice.rivals)
    if choice.refused is not None:
        best = (float(curve.lag_s[choice.index]),) if choice.index >= 0 else ()
        return refusal(
            *names,
            "motion",
            choice.refused,
            confidence=choice.confidence,
            overlap_s=overlap_s,
            rivals_s=best + rivals,
        )
    steps = round((curve.lag_s[choice.index] - shift_s) / step_s)
    reach = max(2, round(kernel_s / step_s))
    lag, sigma = peak_with_sigma(a, b, steps, reach)
    if not np.isfinite(lag):
        return refusal(
            *names, "motion", "the overlap is too short", overlap_s=overlap_s, rivals_s=rivals
        )
    sigma = float(np.hypot(sigma, LEAST_SIGMA_STEPS))
    found = PairLag(
        *(*names, "motion", lag * step_s + shift_s, sigma * step_s),
        choice.confidence,
        overlap_s,
        rivals,
    )
    if overlap_s < settings.drift_from_s:
        return found
    return fit_drift(found, _windows(a, b, first, steps, reach, step_s, shift_s, settings))


def _sampling(first: CameraTracks, second: CameraTracks) -> tuple[float, float]:
    """Step of the common grid and width of the kernel, both in seconds."""
    longest_s = max(np.ptp(first.time_s), np.ptp(second.time_s))
    step_s = min(first.period_s, second.period_s) / GRID_PER_FRAME
    step_s = max(step_s, float(longest_s) / LONGEST_GRID)
    return step_s, max(SHORTEST_KERNEL_S, first.period_s, second.period_s)


def _grid(tracks: CameraTracks, step_s: float) -> np.ndarray:
    count = int(np.floor(np.ptp(tracks.time_s) / step_s + 1e-6)) + 1
    return tracks.time_s[0] + step_s * np.arange(count)


def _curve(
    a: np.ndarray,
    b: np.ndarray,
    step_s: float,
    kernel_s: float,
    shift_s: float,
    settings: MotionSettings,
) -> tuple[LagCurve, np.ndarray]:
    """How well each lag explains the speeds, and how long both are known at each."""
    shorter = min(np.isfinite(s).any(axis=1).sum() for s in (a, b))
    least = max(settings.min_overlap_s / step_s, 0.35 * shorter)
    # A channel that is known half the time has half the samples.
    filled = float(np.mean([_filling(a), _filling(b)]))
    lags, correlation, counts = masked_correlation(a, b, least * filled)
    lag_s = lags * step_s + shift_s
    kept = np.full(len(lags), True)
    if settings.max_lag_s is not None:
        kept = np.abs(lag_s) <= settings.max_lag_s + 1e-9
    # Smoothing alone makes neighbours alike, whatever the signals.
    per_sample = max(correlation_time(a, b), 2.5 * kernel_s / step_s)
    witnesses = min(_witnesses(a), _witnesses(b), CHANNELS_COUNTED)
    explained = np.clip(correlation, 0.0, 1.0) ** 2
    curve = LagCurve(
        lag_s[kept],
        (1.0 - explained)[kept],
        (counts / per_sample * witnesses)[kept],
        max(3 * kernel_s, 4 * step_s),
    )
    return curve, counts[kept] / max(filled, 1e-9) * step_s


def _filling(signal: np.ndarray) -> float:
    known = np.isfinite(signal)
    rows, columns = known.any(axis=1), known.any(axis=0)
    return float(known[rows][:, columns].mean()) if rows.any() else 0.0


def _witnesses(signal: np.ndarray) -> float:
    """Number of channels that vary independently: K^2 over the sum of squared correlations."""
    enough = np.isfinite(signal).sum(axis=0) > 0.5 * np.isfinite(signal).any(axis=1).sum()
    chosen = signal[:, enough]
    rows = np.isfinite(chosen).all(axis=1)
    if rows.sum() < 8 or chosen.shape[1] < 2:
        return 1.0
    deviations = chosen[rows] - chosen[rows].mean(axis=0)
    norms = np.sqrt((deviations**2).sum(axis=0))
    varying = norms > 0
    if varying.sum() < 2:
        return 1.0
    unit = deviations[:, varying] / norms[varying]
    return float(varying.sum() ** 2 / ((unit.T @ unit) ** 2).sum())


def _windows(
    a: np.ndarray,
    b: np.ndarray,
    first: CameraTracks,
    steps: int,
    reach: int,
    step_s: float,
    shift_s: float,
    settings: MotionSettings,
) -> list[WindowLag]:
    """Lags of pieces of the recording, near the lag of the whole."""
    size = round(settings.window_s / step_s)
    found: list[WindowLag] = []
    for start in range(max(0, -steps), min(len(a), len(b) - steps) - size + 1, size):
        piece = a[start : start + size]
        # What the piece may meet: a little more than its own length, for lags that wandered.
        low = max(0, start + steps - 4 * reach)
        other = b[low : start + steps + size + 4 * reach]
        lag, sigma = peak_with_sigma(piece, other, start + steps - low, reach)
        if np.isfinite(lag):
            middle_s = float(first.time_s[0]) + (start + size / 2) * step_s
            lag_s = (lag + low - start) * step_s + shift_s
            found.append(WindowLag(middle_s, lag_s, float(np.hypot(sigma, 0.1)) * step_s))
    return found


def _smooth_size(pixels: np.ndarray, period_s: float) -> np.ndarray:
    """Size of a thing over its frames: a running median, because points come and go."""
    sizes = np.array([extent(frame) for frame in pixels])
    window = max(1, round(SIZE_WINDOW_S / period_s)) // 2 * 2 + 1
    smooth = median_filter(sizes, size=min(window, 2 * len(sizes) - 1), mode="nearest")
    return np.maximum(smooth, 1e-6 + 0.1 * np.median(sizes))


def _slope(
    time_s: np.ndarray, values: np.ndarray, grid_s: np.ndarray, kernel_s: float
) -> np.ndarray:
    """Slope at each instant of the grid of a line fitted with Gaussian weights.

    NaN where there are no two samples near, or none on one side.
    """
    period_s = float(np.median(np.diff(time_s)))
    nearest = np.searchsorted(time_s, grid_s)
    around = int(np.ceil(2.5 * kernel_s / period_s)) + 1
    shape = (len(grid_s), *values.shape[1:])
    s0, s1, s2 = (np.zeros(shape[:2]) for _ in range(3))
    t0, t1 = np.zeros(shape), np.zeros(shape)
    before, after = np.zeros(shape[:2], bool), np.zeros(shape[:2], bool)
    for offset in range(-around, around + 1):
        index = nearest + offset
        inside = (index >= 0) & (index < len(time_s))
        index = np.where(inside, index, 0)
        away = np.where(inside, time_s[index] - grid_s, np.inf)
        inside &= np.abs(away) <= 2.5 * kernel_s
        away = np.where(inside, away, 0.0)
        value = values[index]
        known = np.isfinite(value).all(axis=-1) & inside[:, None]
        weight = np.where(known, np.exp(-0.5 * (away / kernel_s) ** 2)[:, None], 0.0)
        value = np.where(known[..., None], value, 0.0)
        s0 += weight
        s1 += weight * away[:, None]
        s2 += weight * away[:, None] ** 2
        t0 += weight[..., None] * value
        t1 += (weight * away[:, None])[..., None] * value
        before |= known & (away <= 0)[:, None]
        after |= known & (away >= 0)[:, None]
    determinant = s0 * s2 - s1 * s1
    solid = before & after & (determinant > 1e-3 * (s0 * kernel_s) ** 2 * 0.1) & (s0 > 0.3)
    slope = (s0[..., None] * t1 - s1[..., None] * t0) / np.where(solid, determinant, 1.0)[..., None]
    return np.where(solid[..., None], slope, np.nan)
