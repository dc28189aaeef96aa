"""Choosing a lag from a curve that says how well each one explains the data.

Every method ends here. For each lag there is the share of the variance which it leaves
unexplained, u = 1 - r^2 for a correlation r, and the number n of independent samples behind it.
For Gaussian noise of unknown size the log likelihood of a lag is then -n/2 log u up to a constant.
Whether a lag may be trusted is a question about the other lags: one that explains nearly as much
is a rival (periodic motion has many), and the best of many lags explains a little by chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mocap.arrays import Float, Int

EVIDENCE_NATS = 5.0
"""By how much the best lag must beat what the best of as many lags reaches by chance."""
RIVAL_NATS = 4.0
"""Lags whose log likelihood is less than this behind are rivals."""
RIVAL_RATIO = 1.18
"""Lags that leave less than this times as much unexplained are rivals, however long the
recording: the views differ in more than noise."""
TEMPERATURE = 2.0
"""Divides log likelihoods before they are made probabilities: a caution, because the noise of
two views is not quite independent."""
LEAST_CONFIDENCE = 0.9


@dataclass(frozen=True)
class LagCurve:
    """How well each lag explains the data.

    Attributes:
        lag_s: evenly spaced, ascending.
        unexplained: share of the variance, in (0, 1]; NaN where the overlap is too short.
        samples: independent samples.
        width_s: lags nearer than this to each other are the same peak.
    """

    lag_s: Float[np.ndarray, " lags"]
    unexplained: Float[np.ndarray, " lags"]
    samples: Float[np.ndarray, " lags"]
    width_s: float


@dataclass(frozen=True)
class Choice:
    """The best lag of a curve.

    Attributes:
        index: of the best lag in the curve; -1 where there is none.
        confidence: probability that it is the true one and not another of the curve.
        rivals: indices of other peaks that explain about as much, best first.
        refused: why it is not to be trusted; None where it is.
        evident: whether it explains more than the best of as many lags does by chance.
    """

    index: int
    confidence: float
    rivals: Int[np.ndarray, " rivals"]
    refused: str | None
    evident: bool = True


def choose_lag(curve: LagCurve) -> Choice:
    """Finds the best lag of a curve, and says whether it may be trusted."""
    known = np.isfinite(curve.unexplained)
    none = np.zeros(0, np.int64)
    if not known.any():
        return Choice(-1, 0.0, none, "the overlap is too short", False)
    share = np.where(known, np.clip(curve.unexplained, 1e-12, 1.0), 1.0)
    likelihood = -0.5 * curve.samples * np.log(share)
    likelihood[~known] = -np.inf
    peaks = _peaks(likelihood, curve)
    best = int(peaks[0])
    others = peaks[1:]
    tried = max(1.0, np.count_nonzero(known) * float(np.median(np.diff(curve.lag_s))))
    tried_lags = max(2.0, tried / curve.width_s) if len(curve.lag_s) > 1 else 1.0
    chance = np.log(tried_lags)
    evidence = float(likelihood[best] - chance)
    behind = likelihood[best] - likelihood[others]
    confidence = 1.0 / (
        1.0
        + np.exp(-np.clip(behind, 0, 500) / TEMPERATURE).sum()
        + np.exp(-np.clip(evidence, -500, 500) / TEMPERATURE)
    )
    strong = likelihood[others] > chance + EVIDENCE_NATS
    near = share[others] < RIVAL_RATIO * share[best]
    rivals = others[(behind < RIVAL_NATS) | (near & strong)]
    if evidence < EVIDENCE_NATS:
        reason = "hardly anything that both see changes together (a still scene, or no common view)"
        return Choice(best, float(confidence), rivals, reason, False)
    if len(rivals):
        reason = f"{1 + len(rivals)} lags explain the data about equally well"
        if _evenly_spaced(curve.lag_s[np.append(best, rivals)], curve.width_s):
            reason += " (periodic motion)"
        return Choice(best, float(min(confidence, 0.5)), rivals, reason)
    if confidence < LEAST_CONFIDENCE:
        return Choice(best, float(confidence), rivals, "other lags are not unlikely enough")
    return Choice(best, float(confidence), rivals, None)


def _peaks(likelihood: np.ndarray, curve: LagCurve) -> np.ndarray:
    """Indices of the peaks, highest first; each hides the lags within the width around it."""
    padded = np.concatenate([[-np.inf], likelihood, [-np.inf]])
    top = (likelihood >= padded[:-2]) & (likelihood >= padded[2:]) & np.isfinite(likelihood)
    chosen: list[int] = []
    for i in np.flatnonzero(top)[np.argsort(-likelihood[top], kind="stable")]:
        if all(abs(curve.lag_s[i] - curve.lag_s[j]) >= curve.width_s for j in chosen):
            chosen.append(int(i))
    return np.array(chosen, np.int64)


def _evenly_spaced(lags_s: np.ndarray, tolerance_s: float) -> bool:
    if len(lags_s) < 3:
        return False
    steps = np.diff(np.sort(lags_s))
    return bool(np.all(np.abs(steps / steps.min() - np.round(steps / steps.min())) < 0.2)) and bool(
        steps.min() > tolerance_s
    )


def refine_peak(values: Float[np.ndarray, " odd"]) -> float:
    """Place of the maximum of a parabola through evenly spaced values around a peak.

    Args:
        values: an odd number, at least 3, with the peak near the middle one.

    Returns:
        Distance from the middle in steps; limited to the span of the values.
    """
    half = len(values) // 2
    x = np.arange(-half, half + 1, dtype=np.float64)
    curvature, slope, _ = np.polyfit(x, values, 2)
    if not curvature < 0:
        return 0.0
    return float(np.clip(-0.5 * slope / curvature, -half, half))
