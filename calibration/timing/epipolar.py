"""The lag of two cameras from geometry: only at the true one do rays of the same point meet.

For every lag the points of the second camera are interpolated to the instants of the first, and
the epipolar errors of what then belongs together are taken, with the known relative pose or with
one fitted for this lag. A fitted one is judged by points from other stretches of time than it was
fitted to: an error on what it was made from proves nothing. This tells apart lags which speed
alone cannot, and finds the lag to a small part of a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from calibration.timing.curve import LagCurve, choose_lag
from calibration.timing.drift import fit_drift
from calibration.timing.paired_views import Pairs, Views, pairs_at, prepare_views, thinned
from calibration.timing.refinement import (
    BLOCK_S,
    INDEPENDENT_S,
    LEAST_INSTANTS,
    refine_lag,
    window_lags,
)
from calibration.timing.results import PairLag, refusal
from calibration.timing.tracks import CameraTracks
from calibration.timing.two_view import EpipolarMatrix, epipolar_error, fit_epipolar
from mocap.arrays import Bool, Float
from mocap.model import Camera, Intrinsics

MOST_LAGS = 400
CONTROL_LAGS = 24
WITNESSES = 2.0
TRIMMED_SHARE = 0.7
"""Share of the smallest errors which count: the others may be exchanged sides and mismatches."""
COMPETING = 5.0
"""Lags with so many times the least mean square error are looked at again."""
MISFIT = 0.4
"""A fitted pose whose mean square error is less than this share of the given one's is believed."""
TOO_SHORT = "the recordings are too short, or share no time"


@dataclass(frozen=True)
class EpipolarSettings:
    """How lags are looked for by geometry.

    Attributes:
        max_lag_s: largest lag to consider; None for all that the recordings allow.
        min_overlap_s: lags at which both saw less are not considered. In any case at least 35 %
            of what the camera that saw less has seen.
        near_s: lags to look around, such as those which motion leaves; empty for all.
        around_s: how far to look around them.
        window_s: length of the pieces that show whether the lag changes with time.
        drift_from_s: recordings of this length show a drift of clocks.
        seed: of the random subsets.
    """

    max_lag_s: float | None = None
    min_overlap_s: float = 1.0
    near_s: tuple[float, ...] = ()
    around_s: float = 0.25
    window_s: float = 15.0
    drift_from_s: float = 90.0
    seed: int = 0


def epipolar_lag(
    first: CameraTracks,
    second: CameraTracks,
    cameras: tuple[Camera, Camera] | None = None,
    lenses: tuple[Intrinsics, Intrinsics] | None = None,
    settings: EpipolarSettings | None = None,
) -> PairLag:
    """The lag of two cameras at which their views fit together best.

    Args:
        first: what the camera saw from which the lag counts.
        second: what the other saw; with the same points.
        cameras: calibrated cameras whose relative pose is to be trusted; None to fit it.
        lenses: their lenses, where the pose is to be fitted. With neither, lenses are taken to
            be without distortion, and a fundamental matrix is fitted.
        settings: how to look for it.
    """
    settings = settings or EpipolarSettings()
    views = prepare_views(first, second, cameras, lenses)
    found = _searched(views, settings)
    given, square = found.lag, found.square
    if cameras is None or found.ambiguous:
        return given
    # A pose that is a little wrong pulls the lag to where it hurts least, or hides it.
    near = settings
    if given.accepted:
        around_s = 4 * max(first.period_s, second.period_s)
        near = replace(settings, near_s=(given.lag_s,), around_s=around_s)
    freed = _searched(replace(views, known=None), near)
    fitted, fitted_square = freed.lag, freed.square
    if not fitted.accepted or (given.accepted and fitted_square > MISFIT * square):
        return given
    before = f" instead of {views.unit_px * square**0.5:.2f} px" if given.accepted else ""
    note = (
        f"the given pose of {first.name!r} relative to {second.name!r} does not fit: with a "
        f"fitted one the error on held-back points is "
        f"{views.unit_px * fitted_square**0.5:.2f} px{before}, and the lag is taken from that"
    )
    return replace(fitted, notes=(*fitted.notes, note), rivals_s=given.rivals_s)


@dataclass(frozen=True)
class _Found:
    """A lag, its mean square error, and whether several lags fit about equally well."""

    lag: PairLag
    square: float = float("nan")
    ambiguous: bool = False


def _searched(views: Views, settings: EpipolarSettings) -> _Found:
    """The best lag with the pose that is known or one fitted."""
    names = (views.first.name, views.second.name)
    lags_s, step_s = _candidates(views, settings)
    least = _least_overlap_s(views, settings)
    if not len(lags_s):
        return _Found(refusal(*names, "epipolar", TOO_SHORT))
    rng = np.random.default_rng(settings.seed)
    square, seen_s = np.full(len(lags_s), np.nan), np.zeros(len(lags_s))
    models: list[EpipolarMatrix | None] = [None] * len(lags_s)
    start: tuple[EpipolarMatrix, ...] = ()
    for n, lag_s in enumerate(lags_s):
        pairs, models[n] = pairs_at(views, float(lag_s), rng, start)
        instants = np.unique(pairs.instant)
        seen_s[n] = len(instants) * views.first.period_s
        if len(instants) < LEAST_INSTANTS or seen_s[n] < least:
            continue
        square[n] = _held_back_square(views, pairs, rng, start)
        model = models[n]
        start = () if model is None or views.known is not None else (model,)
    if views.known is None and np.isfinite(square).any():
        # The pose is the same whatever the lag: what fits best somewhere is tried everywhere
        # that might compete, so that no lag wins because the fit of another was caught.
        best = int(np.nanargmin(square))
        model = models[best]
        start = () if model is None else (model,)
        for n in np.flatnonzero(square < COMPETING * square[best]):
            pairs, _ = pairs_at(views, float(lags_s[n]), rng, start)
            square[n] = np.fmin(square[n], _held_back_square(views, pairs, rng, start))
    known = np.isfinite(square)
    if not known.any():
        reason, overlap_s = "both see the same points for too short a time", float(max(seen_s))
        return _Found(refusal(*names, "epipolar", reason, overlap_s=overlap_s))
    usual = float(np.median(square[known]))
    independent_s = max(INDEPENDENT_S, views.first.period_s, views.second.period_s)
    curve = LagCurve(
        lags_s, square / usual, seen_s / independent_s * WITNESSES, max(0.12, 3 * step_s)
    )
    choice = choose_lag(curve)
    overlap_s = float(seen_s[choice.index])
    rivals = tuple(float(lags_s[i]) for i in choice.rivals)
    if choice.refused is not None:
        refused = refusal(
            *names,
            "epipolar",
            choice.refused,
            confidence=choice.confidence,
            overlap_s=overlap_s,
            rivals_s=(float(lags_s[choice.index]), *rivals),
        )
        return _Found(refused, ambiguous=choice.evident and len(rivals) > 0)
    refined = refine_lag(views, float(lags_s[choice.index]), step_s, rng)
    if refined is None:
        reason = "the best lag does not come to rest: too little movement"
        return _Found(refusal(*names, "epipolar", reason, overlap_s=overlap_s, rivals_s=rivals))
    lag_s, sigma_s, model = refined
    scale = views.unit_px * np.sqrt(np.array([square[choice.index], usual]))
    note = (
        f"epipolar error on held-back points {scale[0]:.2f} px; at a usual wrong lag "
        f"{scale[1]:.2f} px"
    )
    found = PairLag(
        *(*names, "epipolar", lag_s, sigma_s, choice.confidence, overlap_s, rivals), notes=(note,)
    )
    if overlap_s < settings.drift_from_s:
        return _Found(found, float(square[choice.index]))
    drifting = fit_drift(found, window_lags(views, model, lag_s, settings.window_s, settings.seed))
    return _Found(drifting, float(square[choice.index]))


def _least_overlap_s(views: Views, settings: EpipolarSettings) -> float:
    seen = [len(t.seen_times_s) * t.period_s for t in (views.first, views.second)]
    return max(settings.min_overlap_s, 0.35 * min(seen))


def _candidates(views: Views, settings: EpipolarSettings) -> tuple[np.ndarray, float]:
    """Lags to try, evenly spaced, and their step."""
    a, b = views.first.seen_times_s, views.second.seen_times_s
    if len(a) < LEAST_INSTANTS or len(b) < LEAST_INSTANTS:
        return np.zeros(0), 1.0
    least_s = min(_least_overlap_s(views, settings), 0.9 * min(np.ptp(a), np.ptp(b)))
    low, high = float(b[0] - a[-1]) + least_s, float(b[-1] - a[0]) - least_s
    if settings.max_lag_s is not None:
        low, high = max(low, -settings.max_lag_s), min(high, settings.max_lag_s)
    if high < low:
        return np.zeros(0), 1.0
    step_s = max(0.5 * min(views.first.period_s, views.second.period_s), (high - low) / MOST_LAGS)
    if not settings.near_s:
        count = int(np.ceil((high - low) / step_s))
        return low + step_s * np.arange(count + 1), step_s
    step_s = 0.5 * min(views.first.period_s, views.second.period_s)
    reach = np.arange(-np.ceil(settings.around_s / step_s), np.ceil(settings.around_s / step_s) + 1)
    near = [lag + step_s * reach for lag in settings.near_s]
    # Lags that nobody proposed show what a wrong one looks like.
    lags = np.concatenate([*near, np.linspace(low, high, CONTROL_LAGS)])
    lags = np.unique(np.round(lags / step_s)) * step_s
    return lags[(lags >= low - step_s) & (lags <= high + step_s)], step_s


def _held_back_square(
    views: Views,
    pairs: Pairs,
    rng: np.random.Generator,
    starts: tuple[EpipolarMatrix, ...],
) -> float:
    """Trimmed mean square of the errors of points that the matrix was not fitted to."""
    if views.known is not None:
        return _trimmed(epipolar_error(views.known.matrix, pairs.points)[0] ** 2)
    first_half = _halves(views, pairs)
    errors: list[np.ndarray] = []
    for fitted in (first_half, ~first_half):
        chosen = pairs.points.chosen(np.flatnonzero(fitted))
        model = fit_epipolar(chosen.chosen(thinned(len(chosen))), views.essential, rng, starts)
        if model is None or not (~fitted).any():
            return float("nan")
        errors.append(epipolar_error(model.matrix, pairs.points.chosen(~fitted))[0] ** 2)
    return _trimmed(np.concatenate(errors))


def _halves(views: Views, pairs: Pairs) -> Bool[np.ndarray, " points"]:
    """Blocks of time by turns; halves of the recording would see different movement."""
    instants = np.unique(pairs.instant)
    block_s = max(BLOCK_S, 3 * views.first.period_s)
    block_s = min(block_s, len(instants) * views.first.period_s / 4)
    block = np.floor((views.first.time_s[pairs.instant]) / block_s).astype(int)
    return block % 2 == 0


def _trimmed(squares: Float[np.ndarray, " points"]) -> float:
    if not len(squares):
        return float("nan")
    count = max(1, int(TRIMMED_SHARE * len(squares)))
    return float(np.partition(squares, count - 1)[:count].mean())
