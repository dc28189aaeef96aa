"""Lags from movement: speed alone, then geometry; on people whose offsets are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig
from timing_scene import filmed, still_person, studio_people, treadmill, wandering_people

from calibration.timing import (
    CameraTracks,
    EpipolarSettings,
    MotionSettings,
    epipolar_lag,
    motion_lag,
    motion_lags,
    solve_offsets,
)
from calibration.timing.interpolation import can_smooth, interpolate_pixels
from calibration.timing.motion import speed_signal
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Camera, Intrinsics
from mocap.model.skeletons import COCO_17

RIG = ring_rig(4, mixed_lenses=True)
FRAME_S = 1 / 30
OFFSETS = [0.4 * FRAME_S, 7.3 * FRAME_S, -7.3 * FRAME_S]


@pytest.mark.parametrize("late_s", OFFSETS)
def test_speed_finds_the_lag(late_s: float) -> None:
    scene = wandering_people(0)
    first = filmed(scene, RIG, 0)
    second = filmed(scene, RIG, 1, late_s=late_s, missing=0.1)
    found = motion_lag(first, second)
    assert found.accepted, found.refused
    assert found.lag_s == pytest.approx(late_s, abs=0.6 * FRAME_S)
    assert abs(found.lag_s - late_s) < 4 * found.sigma_s
    assert found.confidence > 0.9


def test_exchanging_the_cameras_changes_the_sign() -> None:
    scene = wandering_people(1)
    a, b = filmed(scene, RIG, 0), filmed(scene, RIG, 2, late_s=0.21)
    there, back = motion_lag(a, b), motion_lag(b, a)
    assert there.lag_s == pytest.approx(-back.lag_s, abs=0.25 * FRAME_S)
    assert back.reversed().lag_s == pytest.approx(there.lag_s, abs=0.25 * FRAME_S)


def test_different_frame_rates_and_dropped_frames() -> None:
    scene = wandering_people(5)
    first = filmed(scene, RIG, 0, rate_hz=25.0, dropped=0.05)
    second = filmed(scene, RIG, 1, late_s=0.1117, rate_hz=59.94, dropped=0.05)
    assert motion_lag(first, second).lag_s == pytest.approx(0.1117, abs=0.025)
    settings = EpipolarSettings(max_lag_s=0.4)
    fine = epipolar_lag(first, second, (RIG.cameras[0], RIG.cameras[1]), settings=settings)
    assert fine.lag_s == pytest.approx(0.1117, abs=0.1 * FRAME_S)


def test_recordings_that_began_seconds_apart() -> None:
    scene = wandering_people(3, seconds=20.0)
    first = filmed(scene, RIG, 0, seconds=15.0)
    second = filmed(scene, RIG, 1, late_s=-4.0, seconds=15.0)
    found = motion_lag(first, second)
    assert found.lag_s == pytest.approx(-4.0, abs=0.03)
    assert found.overlap_s == pytest.approx(11.0, abs=0.3)


@pytest.mark.parametrize("mode", ["poses", "lenses", "nothing"])
@pytest.mark.parametrize("late_s", OFFSETS[:2])
def test_geometry_finds_a_tenth_of_a_frame(mode: str, late_s: float) -> None:
    scene = wandering_people(4)
    rig = ring_rig(3) if mode == "nothing" else RIG
    first, second = filmed(scene, rig, 0), filmed(scene, rig, 1, late_s=late_s, missing=0.1)
    cameras = (rig.cameras[0], rig.cameras[1])
    found = epipolar_lag(
        first,
        second,
        cameras if mode == "poses" else None,
        (cameras[0].intrinsics, cameras[1].intrinsics) if mode == "lenses" else None,
        EpipolarSettings(max_lag_s=0.4),
    )
    assert found.accepted, found.refused
    assert abs(found.lag_s - late_s) < 0.1 * FRAME_S
    assert abs(found.lag_s - late_s) < 4 * found.sigma_s


@pytest.mark.slow
def test_geometry_says_how_sure_it_is() -> None:
    normalised = []
    for seed in range(8):
        scene = wandering_people(100 + seed, seconds=5)
        first = filmed(scene, RIG, 0, seconds=4.0, seed=seed)
        second = filmed(scene, RIG, 1, late_s=0.11, seconds=4.0, seed=seed)
        settings = EpipolarSettings(near_s=(0.1,), around_s=0.07)
        found = epipolar_lag(first, second, (RIG.cameras[0], RIG.cameras[1]), settings=settings)
        normalised.append((found.lag_s - 0.11) / found.sigma_s)
    assert 0.1 < float(np.sqrt(np.mean(np.square(normalised)))) < 1.6


def test_two_people_whose_order_differs() -> None:
    scene = wandering_people(5, people=2)
    first, second = filmed(scene, RIG, 0), filmed(scene, RIG, 1, late_s=0.1)
    lenses = (RIG.cameras[0].intrinsics, RIG.cameras[1].intrinsics)
    settings = EpipolarSettings(near_s=(0.12,), around_s=0.15)
    found = epipolar_lag(first, second, lenses=lenses, settings=settings)
    assert found.lag_s == pytest.approx(0.1, abs=0.1 * FRAME_S)


def test_whole_body_exchanged_in_a_third_of_the_frames() -> None:
    scene = wandering_people(6)
    first, second = filmed(scene, RIG, 0), filmed(scene, RIG, 1, late_s=0.1)
    pixels = second.pixels.copy()
    pixels[60:140] = pixels[60:140][:, :, list(COCO_17.mirror)]
    swapped = CameraTracks(second.name, second.time_s, pixels)
    settings = EpipolarSettings(max_lag_s=0.4)
    found = epipolar_lag(first, swapped, (RIG.cameras[0], RIG.cameras[1]), settings=settings)
    assert found.lag_s == pytest.approx(0.1, abs=0.1 * FRAME_S)


def test_a_wrong_pose_is_noticed_and_fitted() -> None:
    scene = wandering_people(7)
    first, second = filmed(scene, RIG, 0), filmed(scene, RIG, 1, late_s=0.1)
    pose = RIG.cameras[1].T_cam_world.copy()
    pose[:3] = matrix_from_rotvec(np.array([0.015, 0.02, -0.01])) @ pose[:3]
    moved = replace(RIG.cameras[1], T_cam_world=pose)
    settings = EpipolarSettings(max_lag_s=0.4)
    found = epipolar_lag(first, second, (RIG.cameras[0], moved), settings=settings)
    assert found.lag_s == pytest.approx(0.1, abs=0.1 * FRAME_S)
    assert any("does not fit" in note for note in found.notes)


def test_a_still_scene_is_refused() -> None:
    first, second = (filmed(still_person(), RIG, c) for c in (0, 1))
    settings = EpipolarSettings(max_lag_s=1.0)
    for found in (
        motion_lag(first, second),
        epipolar_lag(first, second, (RIG.cameras[0], RIG.cameras[1]), settings=settings),
    ):
        assert not found.accepted
        assert np.isnan(found.lag_s)
        assert "hardly anything" in (found.refused or "")


def test_a_treadmill_is_refused_with_the_possible_lags() -> None:
    scene = treadmill(0.8)
    first, second = filmed(scene, RIG, 0), filmed(scene, RIG, 1, late_s=0.1)
    settings = EpipolarSettings(max_lag_s=2.0)
    for found in (
        motion_lag(first, second),
        epipolar_lag(first, second, (RIG.cameras[0], RIG.cameras[1]), settings=settings),
    ):
        assert not found.accepted
        assert "periodic" in (found.refused or "")
        assert found.confidence <= 0.5
        assert min(abs(lag - 0.1) for lag in found.rivals_s) < FRAME_S
        assert min(abs(lag - 0.9) for lag in found.rivals_s) < FRAME_S


def test_different_scenes_are_refused() -> None:
    accepted = 0
    for seed in range(12):
        first = filmed(wandering_people(200 + seed), RIG, 0)
        second = filmed(wandering_people(300 + seed), RIG, 1)
        accepted += motion_lag(first, second).accepted
    assert accepted == 0


def test_nobody_in_one_view_is_named() -> None:
    first = filmed(wandering_people(0), RIG, 0)
    empty = CameraTracks("dark", first.time_s, np.full((len(first.time_s), 0, 17, 2), np.nan))
    found = motion_lag(first, empty)
    assert found.refused == "camera 'dark' sees nobody and no board"
    assert not epipolar_lag(first, empty).accepted


@pytest.mark.slow
def test_drift_of_clocks_shows_in_a_long_recording() -> None:
    scene = wandering_people(8, seconds=65.0)
    keywords = {"seconds": 60.0, "rate_hz": 20.0}
    first = filmed(scene, RIG, 0, **keywords)
    second = filmed(scene, RIG, 1, late_s=0.2, drift_ppm=500.0, **keywords)
    settings = EpipolarSettings(near_s=(0.22,), around_s=0.08, drift_from_s=50.0, window_s=10.0)
    fine = epipolar_lag(first, second, (RIG.cameras[0], RIG.cameras[1]), settings=settings)
    assert fine.drift_ppm == pytest.approx(500.0, abs=max(20.0, 4 * fine.drift_sigma_ppm))
    assert fine.lag_s == pytest.approx(0.2, abs=0.005)
    coarse = motion_lag(
        first, second, MotionSettings(max_lag_s=1.0, drift_from_s=50.0, window_s=10.0)
    )
    assert abs(coarse.drift_ppm - 500.0) < 4 * coarse.drift_sigma_ppm


def test_all_pairs_of_a_rig() -> None:
    scene = wandering_people(9, seconds=6)
    truth = np.array([0.0, 7.3, -2.6, 0.4]) * FRAME_S
    tracks = [filmed(scene, RIG, c, late_s=truth[c], seconds=5.5) for c in range(4)]
    steps: list[tuple[int, int]] = []
    lags = motion_lags(
        tracks,
        cameras={camera.name: camera for camera in RIG},
        max_lag_s=0.4,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert steps[-1] == (6, 6)
    offsets = solve_offsets(RIG.names, lags)
    assert offsets.complete
    assert offsets.offsets_s == pytest.approx(truth, abs=0.1 * FRAME_S)
    assert not offsets.dropped


@pytest.mark.slow
def test_studio_people_without_rendering() -> None:
    from mocap.studio.scene import example_people

    scene = studio_people(example_people(2), 8.0)
    for late_s in OFFSETS[:2]:
        tracks = [filmed(scene, RIG, c, late_s=late_s * (c > 0), seconds=7.4) for c in (0, 1)]
        lags = motion_lags(tracks, cameras={c.name: c for c in RIG}, max_lag_s=1.0)
        found = solve_offsets(RIG.names[:2], lags)
        assert found.offsets_s[1] == pytest.approx(late_s, abs=0.1 * FRAME_S)


def test_speed_is_in_sizes_per_second() -> None:
    time_s = np.arange(0, 3, 1 / 30)
    box = np.array([[0, 0], [30, 0], [30, 40], [0, 40.0]])
    pixels = box + np.array([100.0, 0])[None, None] * time_s[:, None, None]
    tracks = CameraTracks("a", time_s, pixels[:, None])
    speed = speed_signal(tracks, np.arange(0.5, 2.5, 0.01), 0.05) ** 2
    assert speed == pytest.approx(np.full(speed.shape, 2.0), rel=1e-6)
    larger = CameraTracks("a", time_s, 3 * pixels[:, None])
    assert speed_signal(larger, np.array([1.0]), 0.05) ** 2 == pytest.approx(2.0, rel=1e-6)


@pytest.mark.slow
def test_real_board_of_which_one_camera_is_late(shared_path: Callable[[str], Path]) -> None:
    folder = shared_path("charuco_offset")
    reference = json.loads((folder / "reference.json").read_text())
    rows = np.genfromtxt(folder / "corners_opencv5.csv", delimiter=",", skip_header=1)
    tracks, cameras, truth = [], {}, []
    for c, (name, found) in enumerate(reference["cameras"].items()):
        pixels = np.full((111, 1, 12, 2), np.nan)
        own = rows[rows[:, 1] == c]
        pixels[own[:, 0].astype(int), 0, own[:, 2].astype(int)] = own[:, 3:5]
        tracks.append(CameraTracks(name, np.arange(111) / 6, pixels))
        lens = Intrinsics((1280, 720), np.array(found["matrix"]), np.array(found["distortions"]))
        cameras[name] = Camera.from_rotvec(
            name,
            lens,
            np.array(found["rotation_rodrigues_cam0_to_cam"]),
            np.array(found["translation_mm_cam0_to_cam"]) / 1000,
        )
        truth.append(found["time_offset_frames_vs_cam0"] / 6)
    offsets = solve_offsets(tuple(cameras), motion_lags(tracks, cameras=cameras))
    assert offsets.complete
    assert offsets.offsets_s == pytest.approx(truth, abs=0.12 / 6)
    assert (np.abs(offsets.offsets_s - truth)[1:] < 4 * offsets.sigma_s[1:]).all()


def _moving_point(time_s: np.ndarray, curve: np.polynomial.Polynomial) -> CameraTracks:
    pixels = np.stack([curve(time_s), -2 * curve(time_s)], -1)[:, None, None]
    return CameraTracks("a", time_s, pixels)


def test_interpolation_is_exact_for_cubics_and_knows_its_slope() -> None:
    curve = np.polynomial.Polynomial([3.0, -20.0, 15.0, 40.0])
    tracks = _moving_point(np.delete(np.arange(0, 2, 0.1), 7), curve)
    assert not can_smooth(tracks)
    at_s = np.linspace(0.9, 1.85, 40)
    found = interpolate_pixels(tracks, at_s, smooth=False)
    assert found.pixels[:, 0, 0, 0] == pytest.approx(curve(at_s))
    assert found.velocity[:, 0, 0, 1] == pytest.approx(-2 * curve.deriv()(at_s))
    step = 1e-6
    more = interpolate_pixels(tracks, at_s + step, smooth=False)
    assert found.variance_slope == pytest.approx(
        (more.variance - found.variance) / step, rel=1e-3, abs=1e-3
    )
    gap = interpolate_pixels(tracks, np.array([0.65]), smooth=False)
    assert np.isnan(gap.pixels).all()


def test_local_parabolas_are_exact_for_parabolas_and_stop_at_gaps() -> None:
    curve = np.polynomial.Polynomial([3.0, -20.0, 15.0])
    time_s = np.arange(0, 2, 1 / 30)
    tracks = _moving_point(time_s[(time_s < 0.8) | (time_s > 1.1)], curve)
    assert can_smooth(tracks)
    at_s = np.linspace(0.06, 0.72, 40)
    found = interpolate_pixels(tracks, at_s, smooth=True)
    assert found.pixels[:, 0, 0, 0] == pytest.approx(curve(at_s))
    assert found.velocity[:, 0, 0, 1] == pytest.approx(-2 * curve.deriv()(at_s))
    outside = interpolate_pixels(tracks, np.array([-0.01, 0.95, 2.5]), smooth=True)
    assert np.isnan(outside.pixels).all()


def test_local_parabolas_leave_the_same_noise_at_every_instant() -> None:
    rng = np.random.default_rng(0)
    time_s = np.arange(0, 200, 1 / 30)
    tracks = CameraTracks("a", time_s, rng.normal(0, 1, (len(time_s), 1, 5, 2)))
    middle = time_s[10:-10]
    for phase in (0.0, 0.25, 0.5):
        found = interpolate_pixels(tracks, middle + phase / 30, smooth=True)
        assert float(np.std(found.pixels)) == pytest.approx(0.6, abs=0.02)
        # Noise of place and velocity that hang together would pull a lag.
        assert abs(float(np.mean(found.pixels * found.velocity))) / 30 < 0.01
    through = interpolate_pixels(tracks, middle + 0.5 / 30, smooth=False)
    assert float(np.var(through.pixels)) == pytest.approx(float(through.variance[5]), rel=0.05)


def test_projection_of_the_helper_is_that_of_the_rig() -> None:
    scene = wandering_people(0)
    tracks = filmed(scene, RIG, 2, sigma_px=0.0, late_s=0.5, rate_hz=10)
    expected = project_rig(scene(tracks.time_s - 0.5), RIG)[2]
    assert tracks.pixels == pytest.approx(expected, nan_ok=True)
