"""Which person of one camera is which of another, at a given lag."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from calibration.timing.tracks import CameraTracks
from calibration.timing.two_view import PointPairs, epipolar_error
from mocap.arrays import Float

LEAST_FRAMES = 6
SAMPLED_FRAMES = 60


def match_by_geometry(
    F: Float[np.ndarray, "3 3"],
    first: Float[np.ndarray, "instants things points 2"],
    second: Float[np.ndarray, "instants others points 2"],
    variance: Float[np.ndarray, " instants"],
) -> list[tuple[int, int]]:
    """Pairs of things whose points lie best on each other's epipolar lines.

    A thing is given several partners where these are seen at different times: tracks break.
    """
    things, others = first.shape[1], second.shape[1]
    if things == 1 and others == 1:
        return [(0, 0)]
    cost = np.full((things, others), np.inf)
    seen_first, seen_second = _seen(first), _seen(second)
    for i in range(things):
        for j in range(others):
            both = np.flatnonzero(seen_first[:, i] & seen_second[:, j])
            if len(both) < LEAST_FRAMES:
                continue
            both = both[:: max(1, len(both) // SAMPLED_FRAMES)]
            x, y = first[both, i], second[both, j]
            known = np.isfinite(x).all(axis=-1) & np.isfinite(y).all(axis=-1)
            if known.sum() < LEAST_FRAMES:
                continue
            g = np.broadcast_to(variance[both][:, None], known.shape)[known]
            one = np.ones((int(known.sum()), 1))
            pairs = PointPairs(
                np.hstack([x[known], one]), np.hstack([y[known], one]), np.ones(len(g)), g
            )
            cost[i, j] = np.median(np.abs(epipolar_error(F, pairs)[0]))
    return _chosen(cost, seen_first, seen_second)


def all_matchings(things: int, others: int) -> list[list[tuple[int, int]]]:
    """Every way to give each thing of the camera with fewer of them a partner of its own.

    For few things only: people who mirror each other's movement cannot be told apart by speed.
    """
    if things > others:
        return [[(j, i) for i, j in matching] for matching in all_matchings(others, things)]
    return [list(enumerate(choice)) for choice in permutations(range(others), things)]


def match_by_speed(
    first: CameraTracks,
    second: Float[np.ndarray, "instants others points 2"],
    velocity: Float[np.ndarray, "instants others points 2"],
) -> list[tuple[int, int]]:
    """Pairs of things whose points move at the same times, where no geometry is known.

    Args:
        first: tracks of the first camera.
        second: points of the other camera at the first one's instants.
        velocity: of these, per second.
    """
    ours = first.pixels
    things, others = ours.shape[1], second.shape[1]
    if things == 1 and others == 1:
        return [(0, 0)]
    step = np.gradient(ours, first.time_s, axis=0)
    speed_first = np.sqrt(np.linalg.norm(step, axis=-1))
    speed_second = np.sqrt(np.linalg.norm(velocity, axis=-1))
    cost = np.full((things, others), np.inf)
    for i in range(things):
        for j in range(others):
            a, b = speed_first[:, i].copy(), speed_second[:, j].copy()
            known = np.isfinite(a) & np.isfinite(b)
            enough = known.sum(axis=0) >= LEAST_FRAMES
            if not enough.any():
                continue
            a[~known], b[~known] = np.nan, np.nan
            a, b = a[:, enough] - np.nanmean(a[:, enough], axis=0), b[:, enough]
            b = b - np.nanmean(b, axis=0)
            correlation = np.nansum(a * b) / np.sqrt(np.nansum(a * a) * np.nansum(b * b) + 1e-30)
            cost[i, j] = 1.0 - correlation
    return _chosen(cost, _seen(ours), _seen(second))


def _seen(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(pixels).all(axis=-1).any(axis=-1))


def _chosen(
    cost: np.ndarray, seen_first: np.ndarray, seen_second: np.ndarray
) -> list[tuple[int, int]]:
    """Takes the cheapest pairs, each thing at most one partner at a time."""
    order = np.argsort(cost, axis=None, kind="stable")
    taken_first, taken_second = np.zeros_like(seen_first), np.zeros_like(seen_second)
    chosen: list[tuple[int, int]] = []
    for flat in order:
        i, j = np.unravel_index(flat, cost.shape)
        if not np.isfinite(cost[i, j]):
            break
        both = seen_first[:, i] & seen_second[:, j]
        if (taken_first[both, i].mean() > 0.2) or (taken_second[both, j].mean() > 0.2):
            continue
        taken_first[both, i] = True
        taken_second[both, j] = True
        chosen.append((int(i), int(j)))
    return chosen
