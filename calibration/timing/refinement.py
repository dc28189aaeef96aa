"""The lag to a small part of a frame, with its standard deviation, from a lag that is near.

Lag and epipolar matrix are adjusted together, by reweighted least squares of epipolar errors.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from calibration.timing.drift import WindowLag
from calibration.timing.paired_views import Pairs, Views, pairs_at
from calibration.timing.two_view import (
    EpipolarMatrix,
    epipolar_error,
    robust_scale,
    robust_weights,
)

STEPS = 30
WIDENING = 10.0
"""By how much errors are forgiven at first: fast movement, which tells most about the lag, has
large errors until the lag is right, and must not be taken for outliers."""
BLOCK_S = 0.5
LEAST_BLOCKS = 12
LEAST_INSTANTS = 8
INDEPENDENT_S = 0.2
"""Errors of detectors nearer in time than this are alike."""
FLOOR_FRAMES = 0.01
"""Standard deviation that no lag goes below: blur and shutters are not modelled."""
SPARSE_FLOOR_FRAMES = 0.05
"""The same where frames are so far apart that a cubic does not quite follow the movement."""


def refine_lag(
    views: Views, lag_s: float, reach_s: float, rng: np.random.Generator
) -> tuple[float, float, EpipolarMatrix] | None:
    """Lag and matrix together by reweighted least squares, and the lag's standard deviation.

    Returns:
        None where the lag runs away from where it began.
    """
    best = lag_s
    _, model = pairs_at(views, lag_s, rng)
    if model is None:
        return None
    sigma_s = np.nan
    for iteration in range(STEPS):
        pairs, _ = pairs_at(replace(views, known=model), best, rng)
        if len(pairs.points) < 20:
            return None
        error, divisor = epipolar_error(model.matrix, pairs.points)
        widening = max(1.0, WIDENING * 0.6**iteration)
        weight = robust_weights(error, widening)
        J = _jacobian(model, pairs, error, divisor, free=views.known is None)
        H = (J * weight[:, None]).T @ J
        step = -_inverse(H) @ (J.T @ (weight * error))
        sigma_s = _lag_sigma(views, pairs, J, weight, error)
        best += float(np.clip(step[-1], -0.5 * reach_s, 0.5 * reach_s))
        if views.known is None:
            turn = step[:-1] * min(1.0, 0.2 / max(float(np.linalg.norm(step[:-1])), 1e-12))
            model = model.moved(turn)
        if abs(best - lag_s) > 4 * reach_s:
            return None
        if widening == 1.0 and abs(step[-1]) < 1e-5 * reach_s + 1e-7:
            break
    floor = FLOOR_FRAMES if views.smooth else SPARSE_FLOOR_FRAMES
    floor_s = floor * min(views.first.period_s, views.second.period_s)
    return best, float(np.hypot(sigma_s, floor_s)), model


def _jacobian(
    model: EpipolarMatrix, pairs: Pairs, error: np.ndarray, divisor: np.ndarray, *, free: bool
) -> np.ndarray:
    """Derivative of the epipolar errors by the matrix's parameters (if free) and the lag.

    The divisor depends on the lag, too. Without that term the noise in the velocity, which is
    that of the point, would pull the lag to the middle between frames.
    """
    x, y = pairs.points.first, pairs.points.second
    lines = x @ model.matrix.T
    by_lag = (pairs.velocity * lines[:, :2]).sum(axis=1) / divisor
    by_lag -= 0.5 * error * pairs.variance_slope * (lines[:, :2] ** 2).sum(axis=1) / divisor**2
    if not free:
        return by_lag[:, None]
    rows = (y[:, :, None] * x[:, None, :]).reshape(len(x), 9)
    by_matrix = rows @ model.tangents().reshape(-1, 9).T / divisor[:, None]
    return np.column_stack([by_matrix, by_lag])


def _lag_sigma(
    views: Views, pairs: Pairs, J: np.ndarray, weight: np.ndarray, error: np.ndarray
) -> float:
    """The larger of two estimates: with few blocks the first is an accident.

    The sandwich form with one group per block of time holds however the errors of a block hang
    together; the plain form takes points of one frame as independent and frames as alike for
    `INDEPENDENT_S`.
    """
    H = (J * weight[:, None]).T @ J
    inverse = _inverse(H)
    seen = views.first.time_s[pairs.instant]
    span_s = float(np.ptp(seen)) + views.first.period_s
    block_s = max(min(BLOCK_S, span_s / LEAST_BLOCKS), 2 * views.first.period_s)
    _, block = np.unique(np.floor(seen / block_s), return_inverse=True)
    blocks = int(block.max()) + 1
    gradient = np.zeros((blocks, J.shape[1]))
    np.add.at(gradient, block, J * (weight * error)[:, None])
    sandwich = (inverse @ (gradient.T @ gradient) @ inverse)[-1, -1]
    sandwich *= blocks / max(1.0, blocks - J.shape[1])
    alike = max(1.0, INDEPENDENT_S / views.first.period_s)
    plain = robust_scale(error) ** 2 * inverse[-1, -1] * alike
    return float(np.sqrt(max(sandwich, plain, 0.0)))


def _inverse(H: np.ndarray) -> np.ndarray:
    """Inverse of a normal matrix whose unknowns have different units."""
    scale = np.sqrt(np.diag(H)) + 1e-300
    return np.linalg.pinv(H / np.outer(scale, scale), rcond=1e-10) / np.outer(scale, scale)


def window_lags(
    views: Views, model: EpipolarMatrix, lag_s: float, window_s: float, seed: int
) -> list[WindowLag]:
    """Lags of pieces of the recording with the matrix of the whole."""
    found: list[WindowLag] = []
    rng = np.random.default_rng(seed)
    pieces = replace(views, known=model)
    time_s = views.first.time_s
    for start_s in np.arange(time_s[0], time_s[-1] - window_s, window_s):
        inside = (time_s >= start_s) & (time_s < start_s + window_s)
        if inside.sum() < LEAST_INSTANTS:
            continue
        piece = replace(views.first, time_s=time_s[inside], pixels=views.first.pixels[inside])
        refined = refine_lag(replace(pieces, first=piece), lag_s, 4 * views.first.period_s, rng)
        if refined is not None and np.isfinite(refined[1]):
            found.append(WindowLag(float(start_s + window_s / 2), refined[0], refined[1]))
    return found
