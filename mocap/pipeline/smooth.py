"""The smooth layer of a session: noise reduced and short gaps filled, after the recording.

It is made from the raw layer and never overwrites it. Its limits: a gap longer than `max_gap_s` is
left open; nothing is added before the first or after the last measurement of a stretch; and people
seen in fewer than `min_frames` frames are left out, since they are nearly always false.
"""

from __future__ import annotations

import numpy as np

from mocap.geometry.smoothing import process_noise_density, segments_within_gap, smooth_track
from mocap.model import FrameTable, Motion
from mocap.model.config import SmoothingConfig

_MIN_SIGMA_M = 1e-4


def smooth_motion(raw: Motion, frames: FrameTable, config: SmoothingConfig) -> Motion:
    """Makes the smooth layer.

    Args:
        raw: the people as triangulated.
        frames: all frames of the session; rows are made for frames in a gap, too.
        config: limits.

    Returns:
        The smoothed people. Where a position was filled in, `n_views` is 0 and
        `reprojection_px` is NaN, and the covariance says how sure it is.
    """
    parts = [
        _smooth_person(raw.person(person_id), frames, config)
        for person_id in raw.person_ids
        if (raw.person_id == person_id).sum() >= config.min_frames
    ]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts] or [getattr(raw, name)[:0]])
        for name in (
            *("frame", "time_s", "person_id", "points_m", "covariance_m2"),
            *("reprojection_px", "n_views"),
        )
    }
    order = np.lexsort((columns["person_id"], columns["frame"]))
    return Motion(raw.skeleton, **{name: values[order] for name, values in columns.items()})


def warm_up_smoothing() -> None:
    """Compiles the smoother, or loads it from its cache, ahead of its use."""
    smooth_track(np.zeros((2, 3)), np.stack([np.eye(3)] * 2), np.arange(2.0), 1.0)


def _smooth_person(person: Motion, frames: FrameTable, config: SmoothingConfig) -> Motion:
    span = (frames.number >= person.frame[0]) & (frames.number <= person.frame[-1])
    number, time_s = frames.number[span], frames.time_ns[span] * 1e-9
    rows = np.searchsorted(number, person.frame)
    n, k = len(number), len(person.skeleton)
    points, covariance = np.full((n, k, 3), np.nan), np.full((n, k, 3, 3), np.nan)
    points[rows] = person.points_m
    covariance[rows] = person.covariance_m2
    reprojection, views = np.full((n, k), np.nan), np.zeros((n, k), np.int64)
    reprojection[rows], views[rows] = person.reprojection_px, person.n_views
    for j in range(k):
        points[:, j], covariance[:, j] = _smooth_keypoint(
            points[:, j], covariance[:, j], time_s, config
        )
    keep = np.isfinite(points[..., 0]).any(axis=1)
    return Motion(
        person.skeleton,
        number[keep],
        time_s[keep],
        np.full(keep.sum(), person.person_id[0]),
        points[keep],
        covariance[keep],
        reprojection[keep],
        views[keep],
    )


def _smooth_keypoint(
    points: np.ndarray, covariance: np.ndarray, time_s: np.ndarray, config: SmoothingConfig
) -> tuple[np.ndarray, np.ndarray]:
    smooth, spread = np.full_like(points, np.nan), np.full_like(covariance, np.nan)
    measured = np.isfinite(points[:, 0])
    if not measured.any() or len(time_s) < 2:
        return points, covariance
    # A covariance of nearly zero would make the filter singular.
    floored = covariance + np.eye(3) * _MIN_SIGMA_M**2
    density = process_noise_density(floored, time_s, config.cutoff_hz)
    for first, last in segments_within_gap(measured, time_s, config.max_gap_s):
        part = slice(first, last + 1)
        smooth[part], spread[part] = smooth_track(
            np.ascontiguousarray(points[part]),
            np.ascontiguousarray(floored[part]),
            np.ascontiguousarray(time_s[part]),
            density,
        )
    return smooth, spread
