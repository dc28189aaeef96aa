"""The judge of rigs, and the real sessions."""

from dataclasses import replace

import numpy as np
import pytest
from board_scene import board_scene, pair_errors, real_session, reference_rig

from calibration.board import (
    calibrate_rig_from_board,
    triangulation_report,
)
from calibration.sightings import Sightings
from mocap.errors import CalibrationError, RigError
from mocap.model import Camera, Rig


def test_the_true_rig_leaves_the_noise():
    scene = board_scene(4, seed=0, fps=8.0, duration_s=5.0, missing_share=0.0)
    report = triangulation_report(scene.rig, scene.sightings)
    # Of 2 n residuals of a point, 3 are used up.
    views = report.seen.views[report.seen.views >= 2]
    expected = 0.3 * np.sqrt(2 * (1 - 1.5 * len(views) / views.sum()))
    assert report.rmse_px == pytest.approx(expected, rel=0.05)
    assert report.edge_mean_mm == pytest.approx(120.0, abs=0.1)
    assert 0.1 < report.edge_sd_mm < 2.0 and 0.1 < report.pair_rmse_mm < 2.0


def test_time_offsets_of_the_rig_are_respected():
    scene = board_scene(4, seed=1, fps=15.0, duration_s=5.0, offset_frames=(0, 0.4, -0.3, 0.2))
    right = triangulation_report(scene.rig, scene.sightings)
    blind = Rig(tuple(replace(c, time_offset_s=0.0) for c in scene.rig))
    wrong = triangulation_report(blind, scene.sightings)
    assert right.rmse_px < 0.45 < 2.0 < wrong.rmse_px
    assert right.pair_rmse_mm < 0.3 * wrong.pair_rmse_mm


def test_nothing_is_removed():
    scene = board_scene(4, seed=2, fps=8.0, duration_s=5.0, wrong_share=0.02)
    report = triangulation_report(scene.rig, scene.sightings)
    assert report.rmse_px > 1.0
    given = sum(int(c.seen.sum()) for c in scene.sightings.cameras)
    assert report.tracks.seen.sum() == given


def test_points_are_those_of_least_reprojection_error():
    scene = board_scene(4, seed=3, fps=5.0, duration_s=2.0, missing_share=0.0)
    report = triangulation_report(scene.rig, scene.sightings)
    flat = report.tracks.pixels.reshape(4, -1, 2)
    points = report.seen.points.reshape(-1, 3)
    from synthetic_scene import project_rig

    def cost(moved):
        return np.nansum((project_rig(moved, scene.rig) - flat) ** 2)

    best = cost(points)
    for axis in range(3):
        for step in (-1e-4, 1e-4):
            moved = points.copy()
            moved[:, axis] += step
            assert cost(moved) > best


def test_no_common_view_and_unknown_cameras_are_said():
    scene = board_scene(2, seed=4, fps=5.0, duration_s=4.0)
    first, second = scene.sightings.cameras
    apart = (first.chosen(first.frame < 8), second.chosen(second.frame > 11))
    with pytest.raises(CalibrationError, match="two cameras at the same time"):
        triangulation_report(scene.rig, Sightings(scene.sightings.target, apart))
    other = Rig(tuple(Camera("x" + c.name, c.intrinsics, c.T_cam_world) for c in scene.rig))
    with pytest.raises(RigError, match="cam0"):
        triangulation_report(other, scene.sightings)


def test_synchronised_real_session(shared_path):
    folder = shared_path("charuco_4cam")
    sightings, lenses = real_session(folder)
    truth = reference_rig(folder, lenses)
    held = calibrate_rig_from_board(sightings, lenses, solve_offsets=False)
    solved = calibrate_rig_from_board(sightings, lenses)
    for found, limit in ((held, 0.61), (solved, 0.57)):
        report = triangulation_report(found.rig, sightings)
        assert report.rmse_px <= limit
        assert report.edge_mean_mm == pytest.approx(54.03, abs=0.15)
        assert report.edge_sd_mm <= 0.36 and report.pair_rmse_mm <= 0.40
        turn, shift = pair_errors(found.rig, truth)
        assert turn < 0.5 and shift < 8.0


def test_real_session_in_which_a_camera_is_late(shared_path):
    folder = shared_path("charuco_offset")
    sightings, lenses = real_session(folder)
    truth = reference_rig(folder, lenses)
    found = calibrate_rig_from_board(sightings, lenses)
    report = triangulation_report(found.rig, sightings)
    assert report.rmse_px <= 0.55
    assert report.edge_mean_mm == pytest.approx(54.0, abs=0.1)
    assert report.edge_sd_mm <= 0.33 and report.pair_rmse_mm <= 0.42
    turn, shift = pair_errors(found.rig, truth)
    assert turn < 0.5 and shift < 8.0
    late = [6 * (c.time_offset_s - truth[c.name].time_offset_s) for c in found.rig]
    assert np.abs(late).max() < 0.12
    assert any(note.startswith("cam_1 runs 1") and " ms late" in note for note in found.notes)
    # What hides it: without offsets the rig looks usable, and is off.
    blind = calibrate_rig_from_board(sightings, lenses, solve_offsets=False)
    assert triangulation_report(blind.rig, sightings).rmse_px > 1.0


def test_halves_of_a_session_agree(shared_path):
    sightings, lenses = real_session(shared_path("charuco_offset"))
    halves = [
        Sightings(sightings.target, tuple(c.chosen(keep(c.frame)) for c in sightings.cameras))
        for keep in (lambda f: f <= 88, lambda f: f > 88)
    ]
    rigs = [calibrate_rig_from_board(half, lenses).rig for half in halves]
    turn, shift = pair_errors(rigs[0], rigs[1])
    assert turn < 0.8 and shift < 12.0
