"""The smooth layer: gaps, limits, and what it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from mocap.model import FrameTable, Motion, Skeleton, skeleton_by_name
from mocap.model.config import ReconstructionConfig, SmoothingConfig
from mocap.pipeline.metrics import LIMBS, limb_deviation_m, reconstruct_all
from mocap.pipeline.smooth import rigid_bones, smooth_motion
from mocap.storage.observation_file import load_observations
from mocap.storage.rig_file import load_rig

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


def walker(frames: int, seed: int, lasting: float) -> tuple[Motion, np.ndarray]:
    """Rigid limbs that swing, with noise part of which lasts for half a second; and the truth."""
    rng, time_s = np.random.default_rng(seed), np.arange(frames) / RATE
    swing = np.stack([np.sin(3 * time_s), 0 * time_s, -np.cos(0.4 * np.sin(3 * time_s))], axis=1)
    swing /= np.linalg.norm(swing, axis=1, keepdims=True)
    truth = np.tile(np.arange(len(COCO))[:, None] * np.array([0.1, 0.0, 0.05]), (frames, 1, 1))
    for n, (a, b) in enumerate(LIMBS):
        truth[:, COCO.index(b)] = truth[:, COCO.index(a)] + (0.25 + 0.02 * (n % 4)) * swing
    root = np.linalg.qr(rng.normal(size=(len(COCO), 3, 3)))[0] * np.array([0.005, 0.007, 0.012])
    keep = np.exp(-1 / (0.5 * RATE))
    white = rng.normal(size=truth.shape)
    slow = rng.normal(size=truth.shape)
    for t in range(1, frames):
        slow[t] = keep * slow[t - 1] + np.sqrt(1 - keep**2) * slow[t]
    noise = np.sqrt(1 - lasting) * white + np.sqrt(lasting) * slow
    points = truth + np.einsum("kij,tkj->tki", root, noise)
    covariance = np.tile(root @ root.transpose(0, 2, 1), (frames, 1, 1, 1))
    motion = Motion(
        COCO,
        np.arange(frames),
        time_s,
        np.zeros(frames, np.int64),
        points,
        covariance,
        np.full(points.shape[:2], 2.0),
        np.full(points.shape[:2], 3),
    )
    return motion, truth


MOVED = [COCO.index(name) for bone in LIMBS for name in bone]


@pytest.mark.parametrize("lasting", [0.0, 0.7])
def test_bones_are_constant_positions_better_and_the_covariance_honest(lasting):
    errors: dict[float, float] = {}
    inside: list[np.ndarray] = []
    for seed in range(3):
        raw, truth = walker(240, seed, lasting)
        table = frame_table(np.arange(240))
        for sigma in (0.0, 0.003):
            smooth = smooth_motion(raw, table, SmoothingConfig(bone_sigma_m=sigma))
            error = (smooth.points_m - truth)[:, MOVED]
            errors[sigma] = errors.get(sigma, 0.0) + float((error**2).sum())
            deviation = list(limb_deviation_m(smooth).values())
            assert (max(deviation) < 0.003) == (sigma > 0)
            if sigma:
                spread = smooth.covariance_m2[:, MOVED]
                solved = np.linalg.solve(spread, error[..., None])[..., 0]
                inside.append((error * solved).sum(axis=2).ravel())
    assert errors[0.003] < 0.9 * errors[0.0]
    squared = np.concatenate(inside)
    assert 0.42 < (squared < 2.366).mean() < 0.68
    assert 0.82 < (squared < 6.251).mean() < 0.97


def test_what_a_gap_hides_lies_within_what_the_covariance_says():
    """Gaps of a quarter to one second; the longer, the less sure."""
    raw, truth = walker(600, 5, 0.0)
    points = raw.points_m.copy()
    wrist = COCO.index("left_wrist")
    spans = {15: 60, 30: 180, 58: 320}
    for length, start in spans.items():
        points[start : start + length, wrist] = np.nan
    config = SmoothingConfig(max_gap_s=1.0)
    smooth = smooth_motion(with_points(raw, points), frame_table(np.arange(600)), config)
    worst = []
    for length, start in spans.items():
        inner = slice(start, start + length)
        assert (smooth.n_views[inner, wrist] == 0).all()
        error = (smooth.points_m - truth)[inner, wrist]
        spread = smooth.covariance_m2[inner, wrist]
        solved = np.linalg.solve(spread, error[..., None])[..., 0]
        assert (error * solved).sum(axis=1).mean() < 11.3  # 99 %
        worst.append(float(np.trace(spread, axis1=1, axis2=2).max()))
    measured = np.trace(smooth.covariance_m2[5:50, wrist], axis1=1, axis2=2).max()
    assert measured < worst[0] < worst[1] < worst[2]


def test_a_wild_frame_of_a_session_neither_shows_nor_moves_its_neighbours():
    raw, truth = walker(120, 7, 0.0)
    points = raw.points_m.copy()
    points[60, 9] += (0.0, 0.8, 0.0)
    smooth = smooth_motion(with_points(raw, points), frame_table(np.arange(120)), SmoothingConfig())
    assert np.linalg.norm((smooth.points_m - truth)[50:70, 9], axis=1).max() < 0.025


def test_predictions_of_the_run_are_no_measurements_but_stay_where_nothing_else_is():
    raw, _ = walker(120, 8, 0.0)
    lost, points, views = raw.points_m.copy(), raw.points_m.copy(), raw.n_views.copy()
    for span in (slice(40, 52), slice(110, 120)):
        points[span, 0] += 0.5
        views[span, 0] = 0
        lost[span, 0] = np.nan
    columns = (raw.frame, raw.time_s, raw.person_id, points, raw.covariance_m2)
    guessed = Motion(COCO, *columns, raw.reprojection_px, views)
    table = frame_table(np.arange(120))
    smooth = smooth_motion(guessed, table, CONFIG)
    expected = smooth_motion(with_points(raw, lost), table, CONFIG)
    np.testing.assert_array_equal(smooth.points_m[:110], expected.points_m[:110])
    assert np.isnan(expected.points_m[110:, 0]).all()
    np.testing.assert_array_equal(smooth.points_m[110:, 0], points[110:, 0])
    np.testing.assert_array_equal(smooth.covariance_m2[110:, 0], raw.covariance_m2[110:, 0])
    assert (smooth.n_views[110:, 0] == 0).all()


def test_the_rigid_bones_are_arms_and_legs_with_their_twins():
    bones, twin = rigid_bones(COCO)
    assert {(COCO.keypoints[a], COCO.keypoints[b]) for a, b in bones} == set(LIMBS)
    for i, j in enumerate(twin):
        assert [COCO.mirror[k] for k in bones[i]] == list(bones[j])
    nothing = Skeleton("none", ("nose", "left_eye"), ("body", "body"), (), ())
    bones, twin = rigid_bones(nothing)
    assert bones.shape == (0, 2)
    assert twin.shape == (0,)


@pytest.mark.slow
def test_bones_are_constant_on_a_real_session(shared_path):
    """Real two-dimensional people, five cameras, four actors."""
    shelf = shared_path("shelf_dev")
    rig = load_rig(shelf / "calibration.toml")
    observations = load_observations(shelf / "detections.npz")
    sets = observations.frame_sets(rig, 25.0)[:120]
    raw = reconstruct_all(sets, rig, observations.skeleton, ReconstructionConfig())
    time_ns = np.array([s.time_ns for s in sets], np.int64)
    frames = FrameTable(np.arange(120), time_ns, np.zeros((120, len(rig)), np.int64))
    smooth = smooth_motion(raw, frames, SmoothingConfig())
    long = [i for i in smooth.person_ids if (smooth.person_id == i).sum() > 60]
    assert len(long) >= 2
    for person_id in long:
        before = np.nanmean(list(limb_deviation_m(raw.person(person_id)).values()))
        after = np.nanmean(list(limb_deviation_m(smooth.person(person_id)).values()))
        assert after < 0.006
        assert after < before
