"""Rigs from simulated sightings, against the truth."""

from dataclasses import replace

import numpy as np
import pytest
from board_scene import board_scene, relative_errors
from scipy.stats import chi2, norm
from synthetic_scene import ring_rig

from calibration.board import (
    calibrate_rig_from_board,
    change_gauge,
    known_freedom,
    shared_views,
)
from calibration.sightings import Sightings
from mocap.errors import CalibrationError
from mocap.geometry.rotations import rotvec_from_matrix


def _lenses(rig):
    return {camera.name: camera.intrinsics for camera in rig}


def _offset_errors(found, scene):
    return np.array([c.time_offset_s - scene.rig[c.name].time_offset_s for c in found.rig])


@pytest.mark.parametrize(("cameras", "distorted"), [(2, True), (4, False), (4, True), (8, True)])
def test_cameras_are_found(cameras, distorted):
    scene = board_scene(cameras, seed=1, distorted=distorted, fps=8.0, duration_s=6.0)
    found = calibrate_rig_from_board(scene.sightings, _lenses(scene.rig))
    turn, shift = relative_errors(found.rig, scene.rig)
    assert found.converged and found.gauge == "cam0" and found.rig.names == scene.rig.names
    assert turn.max() < 0.08 and shift.max() < 4.0
    assert 0.27 < found.sigma_px < 0.33
    assert found.residuals.rmse_px() == pytest.approx(0.3 * np.sqrt(2), rel=0.12)
    assert np.isnan(found.time_offset_sigma_s).all()
    assert all(c.time_offset_s == 0 for c in found.rig)
    np.testing.assert_allclose(found.rig.cameras[0].T_cam_world, np.eye(4))
    for c, camera in enumerate(found.rig):
        block = found.pose_covariance[6 * c : 6 * c + 6, 6 * c : 6 * c + 6]
        np.testing.assert_allclose(camera.pose_covariance, block)


def test_mixed_lenses_with_fisheye():
    rig = ring_rig(4, radius=2.6, mixed_lenses=True)
    scene = board_scene(4, seed=2, rig=rig, fps=8.0, duration_s=6.0)
    found = calibrate_rig_from_board(scene.sightings, _lenses(rig))
    turn, shift = relative_errors(found.rig, rig)
    assert turn.max() < 0.08 and shift.max() < 4.0


def test_offsets_of_0_4_and_7_3_frames_and_drift_with_dropped_frames():
    scene = board_scene(
        4,
        seed=3,
        offset_frames=(0.0, 0.4, 7.3, -1.2),
        drift_ppm=(0.0, 300.0, -200.0, 0.0),
        dropped_share=0.05,
    )
    rough = {c.name: round(c.time_offset_s / 0.05) * 0.05 for c in scene.rig}
    found = calibrate_rig_from_board(
        scene.sightings, _lenses(scene.rig), initial_offsets_s=rough, solve_drift=True
    )
    assert np.abs(_offset_errors(found, scene)).max() * 15 < 0.1
    assert np.nanmax(np.abs(found.drift_ppm - scene.drift_ppm)) < 120
    turn, shift = relative_errors(found.rig, scene.rig)
    assert turn.max() < 0.08 and shift.max() < 4.0
    assert "cam1 runs 27 ms late against cam0 (0.40 frames" in " ".join(found.notes)


def test_offsets_are_taken_over_only_where_there_are_any():
    late = board_scene(4, seed=4, offset_frames=(0, 0.4, 0, 0), fps=10.0, duration_s=6.0)
    found = calibrate_rig_from_board(late.sightings, _lenses(late.rig))
    assert np.abs(_offset_errors(found, late)).max() * 10 < 0.05
    assert np.isfinite(found.time_offset_sigma_s[1:]).all()
    held = calibrate_rig_from_board(late.sightings, _lenses(late.rig), solve_offsets=False)
    assert held.residuals.rmse_px() > 3 * found.residuals.rmse_px()
    still = board_scene(4, seed=4, still=True, offset_frames=(0, 0.4, 0, 0), fps=10.0)
    found = calibrate_rig_from_board(still.sightings, _lenses(still.rig))
    turn, _ = relative_errors(found.rig, still.rig)
    # A board that rests most of the time says little of time, and does no harm.
    assert turn.max() < 0.3


def test_cameras_of_different_frame_rates():
    scene = board_scene(4, seed=5, fps=(15.0, 12.0, 10.0, 30.0), duration_s=6.0)
    found = calibrate_rig_from_board(scene.sightings, _lenses(scene.rig))
    assert np.abs(_offset_errors(found, scene)).max() < 0.002
    turn, shift = relative_errors(found.rig, scene.rig)
    assert turn.max() < 0.08 and shift.max() < 4.0


def test_wrong_corners_are_seen_through_and_said():
    scene = board_scene(4, seed=6, wrong_share=0.08, fps=8.0, duration_s=6.0)
    found = calibrate_rig_from_board(scene.sightings, _lenses(scene.rig))
    turn, shift = relative_errors(found.rig, scene.rig)
    assert turn.max() < 0.08 and shift.max() < 4.0
    far = found.residuals.length_px > 4.5
    assert far.mean() > 0.06 and not found.residuals.inlier[far].any()
    assert found.residuals.inlier[~far].mean() > 0.99


def test_a_wrong_lens_is_mended_as_far_as_it_is_free():
    scene = board_scene(4, seed=7, duration_s=8.0, fps=8.0)
    lenses = _lenses(scene.rig)
    wrong = {}
    for name, lens in lenses.items():
        matrix = lens.matrix.copy()
        matrix[:2, :2] *= 1.02 if name == "cam1" else 1.0
        wrong[name] = replace(lens, matrix=matrix)
    fixed = calibrate_rig_from_board(scene.sightings, wrong)
    mended = calibrate_rig_from_board(scene.sightings, wrong, lens_freedom="focal")
    true = lenses["cam1"].matrix[0, 0]
    assert abs(mended.rig["cam1"].intrinsics.matrix[0, 0] / true - 1) < 0.002
    assert set(mended.lens_sigma[1]) == {"fx", "fy"} and fixed.lens_sigma[1] == {}
    assert mended.residuals.rmse_px() < 0.95 * fixed.residuals.rmse_px()
    everything = calibrate_rig_from_board(scene.sightings, wrong, lens_freedom="all")
    assert set(everything.lens_sigma[0]) >= {"fx", "cx", "cy", "k1", "k2", "p1"}
    sigma = (
        np.diag([20.0, 20.0, *[0.0] * 10]) @ np.ones((12, 12)) @ np.diag([20.0, 20.0, *[0.0] * 10])
    )
    only = calibrate_rig_from_board(
        scene.sightings, wrong, lens_freedom={"cam1": known_freedom(wrong["cam1"], sigma)}
    )
    assert abs(only.rig["cam1"].intrinsics.matrix[0, 0] / true - 1) < 0.002
    assert only.rig["cam0"].intrinsics == wrong["cam0"]


def test_90_percent_regions_hold_the_truth():
    inside, outside_offsets = [], []
    for seed in range(10):
        scene = board_scene(
            4, seed=20 + seed, fps=7.0, duration_s=7.0, offset_frames=(0, 0.2, 0, 0)
        )
        found = calibrate_rig_from_board(scene.sightings, _lenses(scene.rig), solve_offsets=True)
        base = scene.rig.cameras[0]
        for c in range(1, 4):
            camera = found.rig.cameras[c]
            true = scene.rig[camera.name].T_cam_world @ base.T_world_cam
            error = np.append(
                rotvec_from_matrix(true[:3, :3] @ camera.T_cam_world[:3, :3].T),
                true[:3, 3] - camera.T_cam_world[:3, 3],
            )
            distance = error @ np.linalg.solve(camera.pose_covariance, error)
            inside.append(distance < chi2.ppf(0.9, 6))
            away = abs(_offset_errors(found, scene)[c]) / found.time_offset_sigma_s[c]
            outside_offsets.append(away > norm.ppf(0.95))
    # 30 correlated trials: the bounds are wide; the benchmark has the many.
    assert 0.7 <= np.mean(inside) <= 1.0
    assert np.mean(outside_offsets) < 0.35


def test_errors_shared_by_a_view_widen_the_covariance():
    plain = board_scene(4, seed=8, fps=8.0, duration_s=6.0)
    shared = board_scene(4, seed=8, fps=8.0, duration_s=6.0, view_noise_px=0.4)
    sigma = []
    for scene in (plain, shared):
        found = calibrate_rig_from_board(scene.sightings, _lenses(scene.rig), solve_offsets=False)
        sigma.append(np.sqrt(np.diag(found.pose_covariance)[6:]).mean() / found.sigma_px)
    # The residuals' own scatter grows less than what matters for the cameras.
    assert sigma[1] > 1.5 * sigma[0]


def test_the_order_of_cameras_changes_nothing():
    scene = board_scene(4, seed=9, fps=8.0, duration_s=5.0)
    lenses = _lenses(scene.rig)
    one = calibrate_rig_from_board(scene.sightings, lenses, solve_offsets=False)
    turned = Sightings(scene.sightings.target, scene.sightings.cameras[::-1])
    two = calibrate_rig_from_board(turned, lenses, solve_offsets=False)
    assert two.rig.names == ("cam3", "cam2", "cam1", "cam0")
    relative = [rig["cam2"].T_cam_world @ rig["cam1"].T_world_cam for rig in (one.rig, two.rig)]
    np.testing.assert_allclose(relative[0], relative[1], atol=2e-5)
    order = [18, 12, 6, 0]
    index = np.concatenate([np.arange(k, k + 6) for k in order])
    same = change_gauge(two.pose_covariance[np.ix_(index, index)], one.rig, "cam0")
    rotations = np.array([6, 7, 8, 12, 13, 14, 18, 19, 20])
    np.testing.assert_allclose(
        np.sqrt(np.diag(same))[rotations],
        np.sqrt(np.diag(one.pose_covariance))[rotations],
        rtol=0.05,
    )


def test_a_board_that_rests_is_enough():
    scene = board_scene(4, seed=10, still=True, fps=5.0)
    found = calibrate_rig_from_board(scene.sightings, _lenses(scene.rig))
    turn, shift = relative_errors(found.rig, scene.rig)
    assert turn.max() < 0.1 and shift.max() < 5.0


def _only(camera, keep):
    return camera.chosen(np.isin(camera.frame, keep))


def _split(scene):
    """cam0 and cam1 see other frames than cam2 and cam3."""
    cameras = scene.sightings.cameras
    early, late = np.arange(0, 30), np.arange(30, 100)
    parts = [_only(c, early if i < 2 else late) for i, c in enumerate(cameras)]
    return Sightings(scene.sightings.target, tuple(parts))


def test_cameras_that_share_no_views_are_named_or_left_out():
    scene = board_scene(4, seed=11, fps=8.0, duration_s=8.0)
    sightings = _split(scene)
    with pytest.raises(CalibrationError, match=r"cam0, cam1 \| cam2, cam3.*leave out"):
        calibrate_rig_from_board(sightings, _lenses(scene.rig))
    found = calibrate_rig_from_board(sightings, _lenses(scene.rig), exclude_unconnected=True)
    assert found.rig.names == ("cam0", "cam1")
    assert any("cam2, cam3" in note for note in found.notes)
    edges = shared_views(sightings, _lenses(scene.rig)).edges
    assert {(e.first, e.second) for e in edges if e.shared > 2} == {(0, 1), (2, 3)}


def test_views_at_wrong_times_connect_nothing():
    scene = board_scene(2, seed=12, fps=10.0, duration_s=8.0, offset_frames=(0, 23.0))
    with pytest.raises(CalibrationError, match="do not agree"):
        calibrate_rig_from_board(scene.sightings, _lenses(scene.rig))


def test_users_mistakes():
    scene = board_scene(3, seed=13, fps=5.0, duration_s=4.0)
    lenses = _lenses(scene.rig)
    with pytest.raises(CalibrationError, match="no intrinsics for cameras cam2"):
        calibrate_rig_from_board(scene.sightings, {k: lenses[k] for k in ("cam0", "cam1")})
    with pytest.raises(CalibrationError, match="unknown cameras camX"):
        calibrate_rig_from_board(scene.sightings, lenses, initial_offsets_s={"camX": 0.1})
    with pytest.raises(CalibrationError, match="lens_freedom is 'some'"):
        calibrate_rig_from_board(scene.sightings, lenses, lens_freedom="some")
    one = Sightings(scene.sightings.target, scene.sightings.cameras[:1])
    with pytest.raises(CalibrationError, match="one camera"):
        calibrate_rig_from_board(one, lenses)
    none = [c.chosen(np.zeros(len(c), bool)) for c in scene.sightings.cameras]
    with pytest.raises(CalibrationError, match="cam0"):
        calibrate_rig_from_board(Sightings(scene.sightings.target, tuple(none)), lenses)
