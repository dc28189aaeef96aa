"""Where the target was, from points seen one by one, and where it lay still."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.checks.tracks import Triangulation
from calibration.solution import TargetPath
from mocap.arrays import Float, Int
from mocap.model import Target

STILL_M = 0.01
"""Corners of a target that lies still stay within this distance of their mean place."""
LEAST_S = 0.4
_MIN_POINTS = 6


@dataclass(frozen=True)
class StillStretch:
    """A time in which the target did not move.

    Attributes:
        start_s: on the session clock.
        end_s: on the session clock.
        rows: of the path.
        T_world_target: its mean pose.
        spread_m: root mean square distance of its corners from their mean place.
    """

    start_s: float
    end_s: float
    rows: Int[np.ndarray, " rows"]
    T_world_target: Float[np.ndarray, "4 4"]
    spread_m: float

    @property
    def duration_s(self) -> float:
        """How long."""
        return self.end_s - self.start_s


def path_of_tracks(
    target: Target, time_s: Float[np.ndarray, " instants"], seen: Triangulation
) -> TargetPath:
    """Poses of the target from its triangulated points (Kabsch, 1976), at all instants at which
    at least 6 points, not in a line, are known; with the least absolute error in the second of two
    passes."""
    times: list[float] = []
    poses: list[np.ndarray] = []
    for t, points in zip(time_s, seen.points, strict=True):
        known = np.isfinite(points).all(axis=1)
        if known.sum() < _MIN_POINTS:
            continue
        weight = np.ones(int(known.sum()))
        pose = rigid_fit(target.points_m[known], points[known], weight)
        if pose is None:
            continue
        miss = target.points_m[known] @ pose[:3, :3].T + pose[:3, 3] - points[known]
        length = np.linalg.norm(miss, axis=1)
        weight = 1 / np.maximum(length, max(float(np.median(length)), 1e-6))
        again = rigid_fit(target.points_m[known], points[known], weight / weight.max())
        times.append(float(t))
        poses.append(again if again is not None else pose)
    stacked = np.array(poses) if poses else np.zeros((0, 4, 4))
    return TargetPath(np.array(times), stacked)


def rigid_fit(
    source: Float[np.ndarray, "n 3"],
    destination: Float[np.ndarray, "n 3"],
    weight: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "4 4"] | None:
    """The rigid transform that maps points onto others with the least weighted squares; None
    where the points lie in a line."""
    share = weight / weight.sum()
    a, b = share @ source, share @ destination
    u, s, vt = np.linalg.svd(((source - a) * share[:, None]).T @ (destination - b))
    if s[1] < 1e-3 * s[0]:
        return None
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    pose = np.eye(4)
    pose[:3, :3] = vt.T @ turn @ u.T
    pose[:3, 3] = b - pose[:3, :3] @ a
    return pose


def still_stretches(
    target: Target, path: TargetPath, *, still_m: float = STILL_M, least_s: float = LEAST_S
) -> list[StillStretch]:
    """All times in which the target did not move, the longest first.

    A stretch grows for as long as the corners stay within `still_m` of their mean (median over the
    corners); it may have instants without a pose in it, since a hand or foot may hide the target.
    """
    corners = path.T_world_target[:, :3, :3] @ outline(target).T
    corners = (corners + path.T_world_target[:, :3, 3:]).transpose(0, 2, 1)
    found: list[StillStretch] = []
    start = 0
    while start < len(path.time_s):
        end, total = start + 1, corners[start].copy()
        while end < len(path.time_s):
            mean = total / (end - start)
            if np.median(np.linalg.norm(corners[end] - mean, axis=1)) > still_m:
                break
            total += corners[end]
            end += 1
        if end - start >= 2 and path.time_s[end - 1] - path.time_s[start] >= least_s:
            # The first instants may still be those of laying it down.
            rows = np.arange(start, end)
            middle = np.median(corners[rows], axis=0)
            away = np.linalg.norm(corners[rows] - middle, axis=2).mean(axis=1)
            rows = rows[away <= min(still_m, max(4 * float(np.median(away)), 2e-4))]
            if len(rows) >= 2 and path.time_s[rows[-1]] - path.time_s[rows[0]] >= least_s:
                found.append(mean_stretch(path, rows, corners))
            start = end
        else:
            start += 1
    return sorted(found, key=lambda stretch: -stretch.duration_s)


def outline(target: Target) -> Float[np.ndarray, "4 3"]:
    """The four outermost points' corners of the target, in its frame."""
    low, high = target.points_m.min(axis=0), target.points_m.max(axis=0)
    return np.array([[low[0], low[1], 0], [high[0], low[1], 0], [high[0], high[1], 0],
                     [low[0], high[1], 0]])  # fmt: skip


def mean_stretch(path: TargetPath, rows: np.ndarray, corners: np.ndarray) -> StillStretch:
    """The stretch that consists of some rows of the path."""
    u, _, vt = np.linalg.svd(path.T_world_target[rows, :3, :3].mean(axis=0))
    pose = np.eye(4)
    pose[:3, :3] = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    middle = corners[rows].mean(axis=(0, 1))
    # Places of the corners, not of the frame's origin, are what was measured well.
    local = np.linalg.solve(
        path.T_world_target[rows[0], :3, :3],
        corners[rows[0]].mean(axis=0) - path.T_world_target[rows[0], :3, 3],
    )
    pose[:3, 3] = middle - pose[:3, :3] @ local
    spread = np.linalg.norm(corners[rows] - corners[rows].mean(axis=0), axis=2)
    return StillStretch(
        float(path.time_s[rows[0]]),
        float(path.time_s[rows[-1]]),
        rows,
        pose,
        float(np.sqrt(np.mean(spread**2))),
    )
