"""From sightings of a board to a judged rig: all steps together."""

from dataclasses import replace

import numpy as np
import pytest
from board_scene import board_scene, pair_errors, relative_errors

from calibration.sightings import Sightings
from calibration.with_board import BoardOptions, calibrate_with_board, weakly_known
from mocap.errors import CalibrationError

OPTIONS = BoardOptions(floor="none", lens_models=("pinhole k1 k2",))


def _given(scene):
    return {camera.name: camera.intrinsics for camera in scene.rig}


def test_given_lenses_stay_as_they_are_and_poses_are_right():
    scene = board_scene(3, seed=3)
    result = calibrate_with_board(scene.sightings, _given(scene), OPTIONS)
    turn, shift = relative_errors(result.solution.rig, scene.rig)
    assert turn.max() < 0.1
    assert shift.max() < 5.0
    for camera in scene.rig:
        assert result.solution.rig[camera.name].intrinsics == camera.intrinsics
        assert result.lenses[camera.name].given
    assert result.verdict.grade == "pass"
    assert result.evidence.lenses_given


def test_cameras_started_seven_frames_apart_come_out_in_step():
    scene = board_scene(3, seed=5, fps=30.0, offset_frames=(0.0, 0.4, 7.3))
    result = calibrate_with_board(scene.sightings, _given(scene), OPTIONS)
    for camera in scene.rig:
        found = result.solution.rig[camera.name].time_offset_s
        assert found == pytest.approx(camera.time_offset_s, abs=0.1 / 30)
    assert any("late" in note for note in result.solution.notes)
    without = calibrate_with_board(
        scene.sightings, _given(scene), replace(OPTIONS, time_offsets="none")
    )
    assert without.verdict.grade == "fail"


@pytest.mark.slow
def test_lenses_come_from_the_same_footage_or_from_other_footage():
    scene = board_scene(3, seed=7, duration_s=14.0)
    same = calibrate_with_board(scene.sightings, {}, OPTIONS)
    near = board_scene(3, seed=8, duration_s=14.0, rig=scene.rig)
    other = calibrate_with_board(scene.sightings, {}, OPTIONS, lens_sightings=near.sightings)
    for result in (same, other):
        for camera in scene.rig:
            focal = result.solution.rig[camera.name].intrinsics.focal_px
            assert focal == pytest.approx(camera.intrinsics.focal_px, rel=0.02)
            assert not result.lenses[camera.name].given
        turn, shift = relative_errors(result.solution.rig, scene.rig)
        assert turn.max() < 1.0
        assert shift.max() < 40.0
    assert not same.evidence.lenses_given


def test_given_lenses_can_be_improved_on_request():
    scene = board_scene(3, seed=9)
    wrong = {
        name: replace(lens, matrix=lens.matrix * np.array([[1.01], [1.01], [1.0]]))
        for name, lens in _given(scene).items()
    }
    kept = calibrate_with_board(scene.sightings, wrong, OPTIONS)
    refined = calibrate_with_board(scene.sightings, wrong, replace(OPTIONS, refine_lenses=True))
    assert (
        pair_errors(refined.solution.rig, scene.rig)[1]
        < pair_errors(kept.solution.rig, scene.rig)[1]
    )


def test_the_floor_is_where_the_board_lay_and_else_a_note_says_that_it_is_unknown():
    scene = board_scene(3, seed=3)
    auto = calibrate_with_board(scene.sightings, _given(scene), replace(OPTIONS, floor="auto"))
    if auto.evidence.floor_set:
        assert "floor from the target" in auto.solution.rig.metadata.world_frame
    else:
        assert "floor is unknown" in auto.solution.rig.metadata.world_frame
        with pytest.raises(CalibrationError, match="floor"):
            calibrate_with_board(scene.sightings, _given(scene), replace(OPTIONS, floor="board"))


def test_what_cannot_be_calibrated_is_refused_with_the_remedy():
    scene = board_scene(3, seed=3)
    first, second, third = scene.sightings.cameras
    nobody = np.zeros(0, int)

    def tried(cameras):
        return calibrate_with_board(
            Sightings(scene.sightings.target, tuple(cameras)), _given(scene), OPTIONS
        )

    with pytest.raises(CalibrationError, match="a rig needs at least two"):
        tried([first])
    with pytest.raises(CalibrationError, match=r"no camera saw the board .* check the description"):
        tried([first.chosen(nobody), second.chosen(nobody), third.chosen(nobody)])
    with pytest.raises(CalibrationError, match=f"only {second.name} saw the board"):
        tried([first.chosen(nobody), second, third.chosen(nobody)])


def test_lens_from_the_same_footage_is_put_in_by_what_holds_of_any_lens_alone():
    scene = board_scene(2, seed=3)
    options = replace(OPTIONS, lens_models=("pinhole k1 fx,fy",))
    lens = calibrate_with_board(scene.sightings, {}, options).lenses[scene.rig.names[0]]
    for aspect in (0.99, 1.01):
        matrix = lens.intrinsics.matrix.copy()
        matrix[1, 1] = aspect * matrix[0, 0]
        oblong = replace(lens, intrinsics=replace(lens.intrinsics, matrix=matrix))
        freedom = weakly_known(oblong)
        covariance = freedom.basis @ freedom.covariance @ freedom.basis.T
        sigma = dict(zip(lens.parameters, np.sqrt(np.diag(covariance)), strict=True))
        # What was found of fy must not hold it: only fy / fx is known of any lens.
        assert sigma["fx"] == pytest.approx(0.1 * matrix[0, 0])
        assert sigma["fy"] == pytest.approx(0.1 * matrix[1, 1], rel=0.01)
        ratio = np.zeros(len(lens.parameters))
        ratio[:2] = -aspect / matrix[0, 0], 1 / matrix[0, 0]
        assert np.sqrt(ratio @ covariance @ ratio) == pytest.approx(0.005, rel=0.02)
        # The terms that the evidence left out stay open about nought.
        assert sigma["k1"] > sigma["k2"] > 0 and sigma["p1"] > 0 and sigma["p2"] > 0
        assert sigma["k3"] == 0
