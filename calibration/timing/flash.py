"""The lag of two cameras from light that all of them see: a flash, or lights switched.

The mean brightness of the images over time shows a step or a short pulse. A frame that is exposed
while the light changes is partly lit, and how much tells when within the frame. Several events
narrow the lag further, because they meet the shutters at different moments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

import numpy as np

from calibration.timing.results import PairLag, refusal
from mocap.arrays import Float, frozen_array

EventKind = Literal["on", "off", "pulse"]

LEAST_NOISES = 8.0
LEAST_CHANGE = 4.0
"""Grey levels, of 255."""
LONGEST_EDGE = 3
"""Frames over which a light may come on; what takes longer is a person or an automatic exposure."""
LONGEST_PULSE = 2
LIKELY_EXPOSURE, EXPOSURE_SIGMA = 0.67, 0.24
"""Of a frame interval, where a partly lit frame is all that is known of the exposure: uniform
between 0 and 1, weighted by how often an edge then falls into it."""
LEAST_SIGMA = 0.03
RIVAL_SHARE = 0.4
EDGE_S = 0.1
SINGLE_CONFIDENCE, DOUBLE_CONFIDENCE, MANY_CONFIDENCE = 0.92, 0.98, 0.995


@dataclass(frozen=True)
class BrightnessSeries:
    """How bright the images of one camera are.

    Attributes:
        name: of the camera.
        time_s: of each frame, by the camera's own clock, ascending.
        brightness: mean grey level, 0 to 255.
        exposure_s: how long the shutter is open, as far as known.
    """

    name: str
    time_s: Float[np.ndarray, " frames"]
    brightness: Float[np.ndarray, " frames"]
    exposure_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("time_s", "brightness"):
            array = frozen_array(getattr(self, name), np.float64, (None,), name)
            object.__setattr__(self, name, array)
        if len(self.time_s) != len(self.brightness) or np.any(np.diff(self.time_s) <= 0):
            raise ValueError(f"camera {self.name!r}: one brightness per ascending time is expected")


@dataclass(frozen=True)
class LightEvent:
    """A moment at which the light changes.

    Attributes:
        kind: switched on, switched off, or a pulse shorter than about two frames.
        time_s: on the camera's clock; of a frame, its time is the middle of its exposure.
        sigma_s: standard deviation.
        change: grey levels.
    """

    kind: EventKind
    time_s: float
    sigma_s: float
    change: float


@dataclass(frozen=True)
class _Edge:
    first: int
    last: int
    change: float


def light_events(series: BrightnessSeries) -> list[LightEvent]:
    """Steps and pulses of the light, in order of time; empty where there are none."""
    level = series.brightness
    if len(level) < 6:
        return []
    steps = np.diff(level)
    period_s = float(np.median(np.diff(series.time_s)))
    noise = 1.4826 * float(np.median(np.abs(steps - np.median(steps)))) + 1e-3
    edges = _edges(steps, max(LEAST_CHANGE, LEAST_NOISES * noise))
    events: list[LightEvent] = []
    skip = False
    for edge, following in zip_longest(edges, edges[1:]):
        if skip:
            skip = False
            continue
        back = following is not None and (
            following.last - edge.first <= LONGEST_PULSE + 1
            and abs(edge.change + following.change) < 0.3 * abs(edge.change)
        )
        if back and following is not None:
            events.append(_pulse(series, edge, following, period_s))
            skip = True
        else:
            events.append(_step(series, edge, period_s, noise))
    return events


def flash_lag(
    first: BrightnessSeries, second: BrightnessSeries, max_lag_s: float | None = None
) -> PairLag:
    """The lag of two cameras that saw the same changes of light.

    Args:
        first: of the camera from which the lag counts.
        second: of the other.
        max_lag_s: largest lag to consider; None for all.
    """
    names = (first.name, second.name)
    ours, theirs = light_events(first), light_events(second)
    for series, events in ((first, ours), (second, theirs)):
        if not events:
            largest = float(np.abs(np.diff(series.brightness)).max(initial=0.0))
            reason = (
                f"camera {series.name!r} shows no flash and no switched light: its brightness "
                f"changes by at most {largest:.1f} of 255 from frame to frame"
            )
            return refusal(*names, "flash", reason)
    limit = math.inf if max_lag_s is None else max_lag_s
    pairs = [
        (a, b, b.time_s - a.time_s)
        for a in ours
        for b in theirs
        if a.kind == b.kind and abs(b.time_s - a.time_s) <= limit
    ]
    if not pairs:
        reason = f"no change of light of {first.name!r} is of the kind of one of {second.name!r}"
        return refusal(*names, "flash", reason)
    tried = [_match(ours, theirs, lag, first, second) for _, _, lag in pairs]
    best = max(tried, key=lambda match: match.score)
    matched = best.matched
    if best.missed > len(matched):
        reason = (
            f"only {len(matched)} of the changes of light agree at the best lag, {best.missed} "
            f"that both should have seen do not"
        )
        return refusal(*names, "flash", reason, rivals_s=(best.lag_s,))
    weights = np.array([1 / (a.sigma_s**2 + b.sigma_s**2) for a, b in matched])
    lags = np.array([b.time_s - a.time_s for a, b in matched])
    lag_s = float(weights @ lags / weights.sum())
    excess = float(weights @ (lags - lag_s) ** 2) / max(1, len(lags) - 1)
    sigma_s = math.sqrt(max(1.0, excess) / float(weights.sum()))
    tolerance_s = max(0.2, 5 * sigma_s)
    rivals: list[float] = []
    for match in sorted(tried, key=lambda match: -match.score):
        near = any(abs(match.lag_s - other) < tolerance_s for other in (lag_s, *rivals))
        # A lag with fewer matches, but because the cameras then share less, is as good.
        enough = len(match.matched) >= RIVAL_SHARE * len(matched)
        if not near and enough and match.missed <= best.missed:
            rivals.append(match.lag_s)
    overlap_s = max(
        0.0,
        min(first.time_s[-1], second.time_s[-1] - lag_s)
        - max(first.time_s[0], second.time_s[0] - lag_s),
    )
    if rivals:
        reason = f"{1 + len(rivals)} lags match as many changes of light"
        rivals = [lag_s, *rivals]
        return refusal(
            *names,
            "flash",
            reason,
            confidence=1 / len(rivals),
            overlap_s=float(overlap_s),
            rivals_s=tuple(rivals),
        )
    confidence = (SINGLE_CONFIDENCE, DOUBLE_CONFIDENCE, MANY_CONFIDENCE)[min(len(matched), 3) - 1]
    note = f"{len(matched)} of {len(ours)} and {len(theirs)} changes of light agree"
    return PairLag(*(*names, "flash", lag_s, sigma_s, confidence, float(overlap_s)), notes=(note,))


def _edges(steps: np.ndarray, least: float) -> list[_Edge]:
    """Runs of changes in one direction that are sharp and high enough."""
    edges: list[_Edge] = []
    i = 0
    while i < len(steps):
        if abs(steps[i]) < 0.25 * least:
            i += 1
            continue
        last = i
        while (
            last + 1 < len(steps)
            and steps[last + 1] * steps[i] > 0
            and abs(steps[last + 1]) >= 0.25 * least
        ):
            last += 1
        change = float(steps[i : last + 1].sum())
        if abs(change) >= least and last - i < LONGEST_EDGE:
            edges.append(_Edge(i, last + 1, change))
        i = last + 1
    return edges


def _step(series: BrightnessSeries, edge: _Edge, period_s: float, noise: float) -> LightEvent:
    """The moment of a step, from the share of light in the frames of its edge."""
    time_s, level = series.time_s, series.brightness
    kind: EventKind = "on" if edge.change > 0 else "off"
    partial = np.arange(edge.first + 1, edge.last)
    if not len(partial):
        # It fell between two exposures, or where it hardly shows.
        gap_s = time_s[edge.last] - time_s[edge.first]
        open_s = series.exposure_s or 0.0
        place = 0.5 * (time_s[edge.first] + time_s[edge.last])
        sigma = max(gap_s - open_s, LEAST_SIGMA * period_s) / math.sqrt(12)
        return LightEvent(kind, float(place), float(sigma), edge.change)
    share = (level[partial] - level[edge.first]) / edge.change
    if series.exposure_s is not None:
        exposure_s, exposure_sigma = series.exposure_s, 0.05 * series.exposure_s
    else:
        exposure_s, exposure_sigma = LIKELY_EXPOSURE * period_s, EXPOSURE_SIGMA * period_s
    if len(partial) > 1:
        # Longer than a frame: where the sum of what was missing says.
        place = time_s[edge.last] - (share.sum() + 0.5) * period_s
        return LightEvent(kind, float(place), period_s / math.sqrt(12), edge.change)
    lit = float(np.clip(share[0], 0.0, 1.0))
    place = time_s[partial[0]] + exposure_s * (0.5 - lit)
    sigma = math.hypot(
        exposure_sigma * (0.5 - lit),
        exposure_s * noise / abs(edge.change),
        LEAST_SIGMA * period_s,
    )
    return LightEvent(kind, float(place), float(sigma), edge.change)


def _pulse(series: BrightnessSeries, up: _Edge, down: _Edge, period_s: float) -> LightEvent:
    """The moment of a pulse: the mean time of its light."""
    frames = np.arange(up.first + 1, down.last)
    base = 0.5 * (series.brightness[up.first] + series.brightness[down.last])
    light = np.abs(series.brightness[frames] - base)
    place = float(light @ series.time_s[frames] / light.sum())
    # In one frame it may have been anywhere in the exposure; two that share it tell more.
    spread = series.exposure_s if series.exposure_s is not None else period_s
    sigma = spread / math.sqrt(12) if len(frames) == 1 else 0.5 * spread / math.sqrt(12)
    return LightEvent("pulse", place, max(sigma, LEAST_SIGMA * period_s), up.change)


@dataclass(frozen=True)
class _Match:
    """Events that belong together at a lag, and how many should but do not."""

    lag_s: float
    matched: list[tuple[LightEvent, LightEvent]]
    missed: int
    misfit: float

    @property
    def score(self) -> float:
        return 2.0 * len(self.matched) - self.missed - 0.01 * self.misfit


def _match(
    ours: list[LightEvent],
    theirs: list[LightEvent],
    lag_s: float,
    first: BrightnessSeries,
    second: BrightnessSeries,
) -> _Match:
    matched: list[tuple[LightEvent, LightEvent]] = []
    for a in ours:
        near = [
            b
            for b in theirs
            if b.kind == a.kind
            and abs(b.time_s - a.time_s - lag_s) <= 4 * math.hypot(a.sigma_s, b.sigma_s)
        ]
        if near:
            matched.append((a, min(near, key=lambda b: abs(b.time_s - a.time_s - lag_s))))
    # An event near an end may fall outside the other recording by its own uncertainty.
    low, high = second.time_s[[0, -1]] + (EDGE_S, -EDGE_S)
    expected = sum(low <= a.time_s + lag_s <= high for a in ours)
    low, high = first.time_s[[0, -1]] + (EDGE_S, -EDGE_S)
    expected += sum(low <= b.time_s - lag_s <= high for b in theirs)
    missed = max(0, int(expected) - 2 * len(matched))
    misfit = sum(
        (b.time_s - a.time_s - lag_s) ** 2 / (a.sigma_s**2 + b.sigma_s**2) for a, b in matched
    )
    return _Match(lag_s, matched, missed, float(misfit))
