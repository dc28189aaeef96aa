"""The smooth layer: gaps, limits, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from mocap.model import FrameTable, Motion, skeleton_by_name
from mocap.model.config import SmoothingConfig
from mocap.pipeline.smooth import smooth_motion

COCO = skeleton_by_name("coco17")
RATE = 60.0
CONFIG = SmoothingConfig(max_gap_s=0.25)
GAP = 15
"""Frames from one measurement to the next that make up `max_gap_s`."""


def frame_table(numbers: np.ndarray) -> FrameTable:
    time_ns = np.round(numbers / RATE * 1e9).astype(np.int64)
    return FrameTable(numbers, time_ns, np.zeros((len(numbers), 2), np.int64))


def still_person(frames: np.ndarray, person_id: int = 0, offset: float = 0.0) -> Motion:
    n, k = len(frames), len(COCO)
    place = np.arange(k)[:, None] * np.array([0.01, 0.02, 0.1]) + offset
    noise = np.random.default_rng(3).normal(0, 0.004, (n, k, 3))
    return Motion(
        COCO,
        frames,
        frames / RATE,
        np.full(n, person_id),
        place + noise,
        np.tile(0.004**2 * np.eye(3), (n, k, 1, 1)),
        np.full((n, k), 2.0),
        np.full((n, k), 3),
    )


def with_points(motion: Motion, points: np.ndarray) -> Motion:
    lost = np.isnan(points[..., 0])
    covariance = motion.covariance_m2.copy()
    covariance[lost] = np.nan
    reprojection, views = motion.reprojection_px.copy(), motion.n_views.copy()
    reprojection[lost], views[lost] = np.nan, 0
    return Motion(
        COCO,
        motion.frame,
        motion.time_s,
        motion.person_id,
        points,
        covariance,
        reprojection,
        views,
    )


def joined(*parts: Motion) -> Motion:
    names = ("frame", "time_s", "person_id", "points_m", "covariance_m2")
    columns = {
        name: np.concatenate([getattr(p, name) for p in parts])
        for name in (*names, "reprojection_px", "n_views")
    }
    order = np.lexsort((columns["person_id"], columns["frame"]))
    return Motion(COCO, **{name: values[order] for name, values in columns.items()})


def test_noise_becomes_less_and_the_raw_layer_stays_as_it_is():
    frames = np.arange(90)
    raw = still_person(frames)
    before = raw.points_m.copy()
    smooth = smooth_motion(raw, frame_table(frames), CONFIG)
    np.testing.assert_array_equal(raw.points_m, before)
    assert not raw.points_m.flags.writeable
    np.testing.assert_array_equal(smooth.frame, raw.frame)
    np.testing.assert_allclose(smooth.time_s, raw.time_s, atol=1e-9)  # nanoseconds
    np.testing.assert_array_equal(smooth.n_views, raw.n_views)
    assert smooth.points_m.std(axis=0).mean() < 0.6 * raw.points_m.std(axis=0).mean()
    assert np.isfinite(smooth.covariance_m2).all()


def test_gaps_are_filled_up_to_the_limit_and_not_beyond():
    frames = np.arange(90)
    raw = still_person(frames)
    points = raw.points_m.copy()
    points[20 : 20 + GAP - 1, 3] = np.nan  # 15 frames from measurement to measurement: 0.25 s
    points[60 : 60 + GAP, 3] = np.nan  # 16 frames: too long
    smooth = smooth_motion(with_points(raw, points), frame_table(frames), CONFIG)
    present = np.isfinite(smooth.points_m[:, 3, 0])
    np.testing.assert_array_equal(np.flatnonzero(~present), np.arange(60, 60 + GAP))
    filled = slice(20, 20 + GAP - 1)
    assert (smooth.n_views[filled, 3] == 0).all()
    assert np.isnan(smooth.reprojection_px[filled, 3]).all()
    assert np.abs(smooth.points_m[filled, 3] - points[19, 3]).max() < 0.05
    spread = np.trace(smooth.covariance_m2[:, 3], axis1=1, axis2=2)
    assert spread[26] > 2 * spread[10]
    assert np.isfinite(np.delete(smooth.points_m, 3, axis=1)).all()


def test_frames_without_the_person_get_rows_within_the_limit():
    """The person is missing from whole frames, and a frame number is missing altogether."""
    numbers = np.array([n for n in range(60) if n != 40])
    here = np.array([n for n in numbers if not 20 <= n < 26])
    smooth = smooth_motion(still_person(here), frame_table(numbers), CONFIG)
    np.testing.assert_array_equal(smooth.frame, numbers)
    np.testing.assert_allclose(smooth.time_s, numbers / RATE, atol=1e-9)
    assert (smooth.n_views[20:26] == 0).all()
    away = np.array([n for n in range(90) if not 30 <= n < 60])
    smooth = smooth_motion(still_person(away), frame_table(np.arange(90)), CONFIG)
    np.testing.assert_array_equal(smooth.frame, away)


def test_nothing_is_added_before_the_first_or_after_the_last_measurement():
    frames = np.arange(60)
    raw = still_person(frames)
    points = raw.points_m.copy()
    points[:4, 5] = np.nan
    points[57:, 5] = np.nan
    points[:, 6] = np.nan
    smooth = smooth_motion(with_points(raw, points), frame_table(np.arange(-10, 80)), CONFIG)
    np.testing.assert_array_equal(smooth.frame, frames)
    present = np.flatnonzero(np.isfinite(smooth.points_m[:, 5, 0]))
    assert (present[0], present[-1]) == (4, 56)
    assert np.isnan(smooth.points_m[:, 6]).all()
    assert np.isnan(smooth.covariance_m2[:, 6]).all()


def test_an_outlier_is_damped():
    frames = np.arange(60)
    raw = still_person(frames)
    points = raw.points_m.copy()
    points[30, 2] += 0.4
    smooth = smooth_motion(with_points(raw, points), frame_table(frames), CONFIG)
    error = np.linalg.norm(smooth.points_m[:, 2] - np.median(points[:, 2], axis=0), axis=1)
    assert error.max() < 0.05


def test_people_seen_in_few_frames_are_left_out():
    frames = np.arange(30)
    raw = joined(still_person(frames), still_person(np.arange(10, 14), 1, 1.0))
    smooth = smooth_motion(raw, frame_table(frames), CONFIG)
    assert smooth.person_ids == (0,)
    longer = joined(still_person(frames), still_person(np.arange(10, 15), 1, 1.0))
    assert smooth_motion(longer, frame_table(frames), CONFIG).person_ids == (0, 1)


def test_rows_are_ordered_by_frame_then_person():
    frames = np.arange(20)
    raw = joined(still_person(frames, 4), still_person(np.arange(5, 18), 2, 1.0))
    smooth = smooth_motion(raw, frame_table(frames), CONFIG)
    order = np.lexsort((smooth.person_id, smooth.frame))
    np.testing.assert_array_equal(order, np.arange(len(raw)))
    alone = smooth_motion(raw.person(2), frame_table(frames), CONFIG)
    np.testing.assert_array_equal(smooth.person(2).points_m, alone.points_m)


@pytest.mark.parametrize("frames", [0, 1])
def test_nobody_and_a_single_frame(frames):
    raw = still_person(np.arange(frames))
    config = SmoothingConfig(min_frames=1)
    smooth = smooth_motion(raw, frame_table(np.arange(5)), config)
    assert len(smooth) == frames
    np.testing.assert_array_equal(smooth.points_m, raw.points_m)
