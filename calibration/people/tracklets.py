"""People followed in the images of one camera, before anything is known of the cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from calibration.people.tracks import CameraPeople
from mocap.arrays import Int

MAX_GAP_S = 0.4
_MAX_STEP = 0.35
"""Largest mean step of the keypoints from frame to frame, in sizes of the person."""
_MIN_COMMON = 4
_MIN_FRAMES = 5
_MIN_CONFIDENCE = 0.3
_MAX_TRACKLETS = 12


@dataclass(frozen=True)
class Tracklet:
    """One person in one camera for a while.

    Attributes:
        rows: the row of the camera's people in each of its frames; -1 where not seen.
    """

    rows: Int[np.ndarray, " frames"]

    def __len__(self) -> int:
        return int((self.rows >= 0).sum())


def follow_people(camera: CameraPeople) -> list[Tracklet]:
    """Links the 2D people of successive frames whose keypoints hardly move.

    Returns:
        The longest tracklets, the longest first.
    """
    pixels = np.where(
        (camera.confidence >= _MIN_CONFIDENCE)[..., None], camera.keypoints_px, np.nan
    )
    open_rows: list[dict[int, int]] = []
    for frame in range(len(camera.frame)):
        own = camera.rows_of(frame)
        own = own[np.isfinite(pixels[own, :, 0]).sum(axis=1) >= _MIN_COMMON]
        now = camera.time_s[frame]
        alive = [
            t for t, seen in enumerate(open_rows) if now - camera.time_s[max(seen)] <= MAX_GAP_S
        ]
        cost = np.full((len(alive), len(own)), np.inf)
        for i, t in enumerate(alive):
            last = open_rows[t][max(open_rows[t])]
            for j, row in enumerate(own):
                cost[i, j] = _step(pixels[last], pixels[row])
        taken: set[int] = set()
        if cost.size:
            finite = np.where(cost <= _MAX_STEP, cost, 10.0)
            for i, j in zip(*linear_sum_assignment(finite), strict=True):
                if cost[i, j] <= _MAX_STEP:
                    open_rows[alive[i]][frame] = int(own[j])
                    taken.add(int(j))
        open_rows += [{frame: int(row)} for j, row in enumerate(own) if j not in taken]
    tracklets: list[Tracklet] = []
    for seen in open_rows:
        if len(seen) >= _MIN_FRAMES:
            rows = np.full(len(camera.frame), -1)
            rows[list(seen)] = list(seen.values())
            tracklets.append(Tracklet(rows))
    return sorted(tracklets, key=lambda tracklet: -len(tracklet))[:_MAX_TRACKLETS]


def _step(before: np.ndarray, after: np.ndarray) -> float:
    """Median step of the common keypoints, by the size of the person."""
    common = np.isfinite(before[:, 0]) & np.isfinite(after[:, 0])
    if common.sum() < _MIN_COMMON:
        return float("inf")
    size = max(float(np.linalg.norm(np.ptp(before[common], axis=0))), 1.0)
    return float(np.median(np.linalg.norm(before[common] - after[common], axis=1))) / size
