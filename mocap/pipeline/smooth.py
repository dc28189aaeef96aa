"""The smooth layer of a session: noise reduced, bones of constant length, short gaps filled.

It is made from the raw layer after the recording and never overwrites it. Its limits: a gap longer
than `max_gap_s` is left open; nothing is added before the first or after the last measurement of a
stretch; and people seen in fewer than `min_frames` frames are left out, since they are nearly
always false.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Int
from mocap.geometry.bone_lengths import impose_lengths, measure_lengths
from mocap.geometry.smoothing import (
    NoiseGain,
    motion_density,
    noise_share,
    process_noise_density,
    segments_within_gap,
    smooth_robustly,
)
from mocap.model import FrameTable, Motion, Skeleton
from mocap.model.config import SmoothingConfig
from mocap.model.skeleton import mirrored_name
from mocap.pipeline.metrics import LIMBS

_MIN_SIGMA_M = 1e-4
_AVERAGED_S = 0.25
_LEAST_DENSITY = 0.1


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
    points, covariance = np.zeros((4, 2, 3)), np.tile(np.eye(3), (4, 2, 1, 1))
    smooth_robustly(points[:, 0], covariance[:, 0], np.arange(4.0), np.ones(4), 1.0)
    bones, sigma = np.array([[0, 1]]), np.ones(1)
    impose_lengths(points, covariance, bones, np.ones(1), sigma)


def rigid_bones(
    skeleton: Skeleton,
) -> tuple[Int[np.ndarray, "bones 2"], Int[np.ndarray, " bones"]]:
    """The bones of constant length that a skeleton has: those of the arms and legs.

    Feet are left out: toes bend, and detectors place heel and toe on the shoe.

    Returns:
        Keypoints at their ends, and for each bone the position of that on the other side.
    """
    names = [(a, b) for a, b in LIMBS if a in skeleton and b in skeleton]
    position = {pair: i for i, pair in enumerate(names)}
    twin = [position.get((mirrored_name(a), mirrored_name(b)), i) for i, (a, b) in enumerate(names)]
    ends = [(skeleton.index(a), skeleton.index(b)) for a, b in names]
    return np.array(ends, np.int64).reshape(-1, 2), np.array(twin, np.int64)


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
    # What was predicted during the run is no measurement; it stays where nothing better is found.
    guessed = np.isfinite(points[..., 0]) & (views == 0)
    guess, guess_spread = points[guessed], covariance[guessed]
    points[guessed], covariance[guessed] = np.nan, np.nan
    for j in range(k):
        points[:, j], covariance[:, j] = _smooth_keypoint(
            points[:, j], covariance[:, j], time_s, config
        )
    still = np.isnan(points[guessed][:, 0])
    points[guessed] = np.where(still[:, None], guess, points[guessed])
    covariance[guessed] = np.where(still[:, None, None], guess_spread, covariance[guessed])
    if config.bone_sigma_m > 0:
        points, covariance = _with_constant_bones(points, covariance, person.skeleton, config)
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


def _with_constant_bones(
    points: np.ndarray, covariance: np.ndarray, skeleton: Skeleton, config: SmoothingConfig
) -> tuple[np.ndarray, np.ndarray]:
    bones, twin = rigid_bones(skeleton)
    lengths, sigma = measure_lengths(points, covariance, bones, twin)
    sigma = np.sqrt(config.bone_sigma_m**2 + np.nan_to_num(sigma) ** 2)
    return impose_lengths(points, covariance, bones, lengths, sigma)


def _smooth_keypoint(
    points: np.ndarray, covariance: np.ndarray, time_s: np.ndarray, config: SmoothingConfig
) -> tuple[np.ndarray, np.ndarray]:
    smooth, spread = np.full_like(points, np.nan), np.full_like(covariance, np.nan)
    measured = np.isfinite(points[:, 0])
    if not measured.any() or len(time_s) < 2:
        return points, covariance
    # A covariance of nearly zero would make the filter singular.
    floored = np.ascontiguousarray(covariance + np.eye(3) * _MIN_SIGMA_M**2)
    steady = process_noise_density(floored, time_s, config.cutoff_hz)
    stretches = segments_within_gap(measured, time_s, config.max_gap_s)
    distance = np.full(len(time_s), np.nan)

    def run(density: np.ndarray, wanted: Sequence[tuple[int, int]]) -> None:
        for first, last in wanted:
            part = slice(first, last + 1)
            smooth[part], spread[part], distance[part] = smooth_robustly(
                np.ascontiguousarray(points[part]),
                floored[part],
                time_s[part],
                density[part],
                config.max_acceleration_m_s2,
            )

    density = np.full(len(time_s), steady)
    run(density, stretches)
    broken = [(a, b) for a, b in stretches if not measured[a : b + 1].all()]
    if broken:
        # The cut-off suits the noise of measurements. Where there are none, what counts is how
        # the keypoint moves.
        into_gap = ~measured | np.concatenate([[False], ~measured[:-1]])
        whole = np.where(measured[:, None], smooth, np.nan)
        density[into_gap] = max(_LEAST_DENSITY * steady, motion_density(whole, time_s))
        run(density, broken)
    gain = NoiseGain.of(config.cutoff_hz, 1 / float(np.median(np.diff(time_s))))
    share = noise_share(distance, gain)
    scale = np.where(measured, share * gain.passed, max(share, 1.0))[:, None, None]
    return smooth, scale * spread + max(1.0 - share, 0.0) * _averaged(floored, time_s)


def _averaged(covariance: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Moving average over time of the covariances; NaN is left out, and filled.

    Steps in the covariance would show as jerks where bones pull at the keypoints.
    """
    measured = np.isfinite(covariance[:, 0, 0])
    half = max(1, round(0.5 * _AVERAGED_S / float(np.median(np.diff(time_s)))))
    window = np.convolve(np.ones(2 * half + 1), np.ones(2 * half + 1))
    flat = np.where(measured[:, None], covariance.reshape(-1, 9), 0.0)
    reach = len(window) // 2

    def total(values: np.ndarray) -> np.ndarray:
        return np.convolve(values, window)[reach : reach + len(values)]

    count = total(measured.astype(float))
    typical = np.nanmedian(covariance[measured], axis=0).reshape(9)
    mean = np.stack([total(column) for column in flat.T], axis=1)
    near = count > 0.5
    out = np.where(near[:, None], mean / np.where(near, count, 1.0)[:, None], typical)
    return out.reshape(-1, 3, 3)
