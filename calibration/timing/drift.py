"""Whether the lag of two cameras changes while they film: the drift of their clocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.timing.results import PairLag

LEAST_WINDOWS = 4
TUNING = 2.0
"""Windows that are this many standard deviations off the line lose weight."""


@dataclass(frozen=True)
class WindowLag:
    """The lag of one piece of a recording.

    Attributes:
        time_s: middle of the piece, on the first camera's clock.
        lag_s: positive when the second camera is late.
        sigma_s: standard deviation.
    """

    time_s: float
    lag_s: float
    sigma_s: float


def fit_drift(whole: PairLag, windows: Sequence[WindowLag]) -> PairLag:
    """Fits lag = lag_s + drift t to the lags of the pieces (Cauchy weights).

    Args:
        whole: the lag of the recording as a whole.
        windows: lags of its pieces.

    Returns:
        `whole` with drift, and with the lag at the zero of the first camera's clock; or as it
        was, with a note, where the pieces do not tell.
    """
    if len(windows) < LEAST_WINDOWS:
        return replace(whole, notes=(*whole.notes, "too few pieces to see a drift of clocks"))
    time_s = np.array([w.time_s for w in windows])
    lag_s = np.array([w.lag_s for w in windows])
    sigma_s = np.array([w.sigma_s for w in windows])
    middle_s = float(time_s.mean())
    design = np.column_stack([np.ones(len(windows)), time_s - middle_s])
    # The start does not follow single windows: medians of slopes between them (Theil and Sen).
    i, j = np.triu_indices(len(windows), 1)
    slope = float(np.median((lag_s[j] - lag_s[i]) / (time_s[j] - time_s[i])))
    line = np.array([np.median(lag_s - slope * (time_s - middle_s)), slope])
    weight = np.ones(len(windows))
    for _ in range(30):
        normalised = (lag_s - design @ line) / sigma_s
        scale = max(1.0, float(np.median(np.abs(normalised)) / 0.6745))
        weight = 1.0 / (1.0 + (normalised / (TUNING * scale)) ** 2)
        rows = np.sqrt(weight) / sigma_s
        line = np.linalg.lstsq(design * rows[:, None], lag_s * rows, rcond=None)[0]
    normalised = (lag_s - design @ line) / sigma_s
    kept = weight > 0.2
    if kept.sum() < LEAST_WINDOWS:
        return replace(whole, notes=(*whole.notes, "pieces disagree: no drift of clocks is solved"))
    chi2 = float((weight * normalised**2).sum() / max(1.0, weight.sum() - 2))
    rows = np.sqrt(weight) / sigma_s
    covariance = np.linalg.inv((design * rows[:, None]).T @ (design * rows[:, None]))
    covariance *= max(1.0, chi2)
    at_zero = np.array([1.0, -middle_s])
    return replace(
        whole,
        lag_s=float(at_zero @ line),
        sigma_s=math.sqrt(float(at_zero @ covariance @ at_zero)),
        drift_ppm=1e6 * float(line[1]),
        drift_sigma_ppm=1e6 * math.sqrt(float(covariance[1, 1])),
    )
