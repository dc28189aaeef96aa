"""Clocks that run at different rates: whether the footage proves it, and how it is told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from mocap.arrays import Float

CONFIDENCE = 0.99
"""Drifts are taken over when they differ from none with this confidence."""
USUAL_SIGMA = 1e-3
"""Of a drift beforehand: clocks of cameras differ by some 1e-4, a frame rate that is rounded to 30
from 29.97 by 1e-3."""


def drift_is_proven(
    drift: Float[np.ndarray, " solved"], covariance: Float[np.ndarray, "solved solved"]
) -> bool:
    """Whether solved drifts are together more than chance.

    Args:
        drift: of each clock whose rate was solved, as a fraction.
        covariance: of them.
    """
    if not len(drift):
        return False
    distance = float(drift @ np.linalg.solve(covariance, drift))
    return distance > float(chi2.ppf(CONFIDENCE, len(drift)))


def drift_notes(
    names: Sequence[str],
    drift_ppm: Float[np.ndarray, " cameras"],
    sigma_ppm: Float[np.ndarray, " cameras"],
) -> tuple[str, ...]:
    """What solved drifts mean, in words; the first camera's clock is the session's.

    Args:
        names: of the cameras.
        drift_ppm: NaN where it was not solved.
        sigma_ppm: standard deviations.
    """
    return tuple(
        f"the clock of {name} runs {abs(ppm):.0f} +- {sigma:.0f} ppm "
        f"{'fast' if ppm > 0 else 'slow'} against that of {names[0]}: "
        f"{abs(ppm) * 60 / 1000:.1f} ms per minute"
        for name, ppm, sigma in zip(names, drift_ppm, sigma_ppm, strict=True)
        if np.isfinite(ppm) and abs(ppm) > 3 * sigma
    )


def no_drift_note(names: Sequence[str], sigma: Float[np.ndarray, " solved"], span_s: float) -> str:
    """Why drifts that were asked for are none.

    Args:
        names: of the cameras.
        sigma: standard deviations of the drifts that were tried, as fractions.
        span_s: length of the footage.
    """
    worst = float(np.max(sigma, initial=0.0))
    return (
        f"no drift of the clocks of {', '.join(names)} is proven, so they are taken to run alike; "
        f"{span_s:.0f} s of this footage tell drifts to +- {1e6 * worst:.0f} ppm "
        f"({1000 * worst * span_s:.1f} ms over its length)"
    )
