"""Time offsets from the poses of a moved board."""

import numpy as np
import pytest
from board_scene import board_scene

from calibration.board.lag_search import board_lags
from calibration.timing import solve_offsets


def _lags(scene):
    lenses = {camera.name: camera.intrinsics for camera in scene.rig}
    return board_lags(scene.sightings, lenses)


def _true_s(scene, lag):
    return scene.rig[lag.second].time_offset_s - scene.rig[lag.first].time_offset_s


def test_cameras_that_start_far_apart_are_found_within_half_a_frame():
    scene = board_scene(4, fps=30.0, offset_frames=(0.0, 0.4, 7.3, -21.6), seed=1)
    lags = _lags(scene)
    accepted = [lag for lag in lags if lag.accepted]
    for lag in accepted:
        assert lag.lag_s == pytest.approx(_true_s(scene, lag), abs=0.5 / 30)
    assert solve_offsets(scene.sightings.names, lags).complete


def test_other_frame_rates_and_lost_frames_do_not_matter():
    scene = board_scene(
        3, fps=(30.0, 25.0, 30.0), offset_frames=(0.0, 12.0, -5.5), dropped_share=0.1, seed=2
    )
    lags = [lag for lag in _lags(scene) if lag.accepted]
    assert len(lags) >= 2
    for lag in lags:
        assert lag.lag_s == pytest.approx(_true_s(scene, lag), abs=0.5 / 25)


def test_a_board_at_rest_tells_nothing():
    scene = board_scene(3, fps=30.0, still=True, duration_s=0.95)
    for lag in _lags(scene):
        assert not lag.accepted
        assert np.isnan(lag.lag_s)
        assert "move" in lag.refused or "hardly" in lag.refused


def test_a_camera_that_never_saw_the_board_has_no_lag():
    scene = board_scene(2, fps=30.0)
    first, second = scene.sightings.cameras
    blind = type(scene.sightings)(
        scene.sightings.target, (first, second.chosen(np.zeros(len(second), bool)))
    )
    lenses = {camera.name: camera.intrinsics for camera in scene.rig}
    (lag,) = board_lags(blind, lenses)
    assert "hardly saw the board" in lag.refused
