"""Boards with a print on both sides which do not lie on each other."""

from dataclasses import replace

import numpy as np
import pytest
from board_scene import board_scene, real_session, relative_errors

from calibration.board.back import seen_from_front
from calibration.sightings import Sightings
from calibration.with_board import BoardOptions, calibrate_with_board

OPTIONS = BoardOptions(floor="none", time_offsets="none")
BACK_M = (0.004, -0.003, 0.006)


def _given(scene):
    return {camera.name: camera.intrinsics for camera in scene.rig}


@pytest.fixture(scope="module")
def shifted():
    return board_scene(4, seed=11, duration_s=8.0, back_m=BACK_M)


def test_shift_between_the_prints_is_found_and_named_and_no_camera_is_blamed(shifted):
    plain = calibrate_with_board(shifted.sightings, _given(shifted), OPTIONS)
    findings = {finding.check: finding for finding in plain.verdict.findings}
    assert "back_print" in findings and "--two-sided" in findings["back_print"].remedy
    assert findings["back_print"].figures["apart_mm"] == pytest.approx(
        1000 * np.linalg.norm(BACK_M), rel=0.15
    )
    assert not {"bumped", "lens_model", "sync"} & set(findings)
    solved = calibrate_with_board(
        shifted.sightings, _given(shifted), replace(OPTIONS, two_sided=True)
    )
    np.testing.assert_allclose(solved.solution.back_m, BACK_M, atol=0.0006)
    assert solved.verdict.grade == "pass", solved.verdict.text()
    assert any("z +6" in note or "z +5.9" in note for note in solved.solution.notes)
    errors = [relative_errors(r.solution.rig, shifted.rig)[1].max() for r in (plain, solved)]
    assert errors[1] < 0.7 * errors[0]


def test_one_print_seen_through_has_no_shift():
    scene = board_scene(4, seed=11, duration_s=6.0)
    result = calibrate_with_board(scene.sightings, _given(scene), replace(OPTIONS, two_sided=True))
    assert result.verdict.grade == "pass", result.verdict.text()
    assert np.abs(result.solution.back_m).max() < 0.0006
    front = board_scene(2, seed=11, duration_s=3.0, two_sided=False)
    result = calibrate_with_board(front.sightings, _given(front), replace(OPTIONS, two_sided=True))
    assert not np.any(result.solution.back_m)
    assert any("not both seen often enough" in note for note in result.solution.notes)


def test_what_was_seen_of_the_back_is_moved_to_the_front():
    settings = {"seed": 4, "duration_s": 3.0, "noise_px": 1e-4, "missing_share": 0.0}
    apart, together = (board_scene(3, back_m=b, **settings) for b in (BACK_M, (0.0, 0.0, 0.0)))
    moved = seen_from_front(apart.sightings, _given(apart), np.array(BACK_M))
    behind = 0
    for found, before, true in zip(
        moved.cameras, apart.sightings.cameras, together.sightings.cameras, strict=True
    ):
        _, ours, theirs = np.intersect1d(found.frame, true.frame, return_indices=True)
        both = found.seen[ours] & true.seen[theirs]
        away = (found.pixels[ours] - true.pixels[theirs])[both]
        assert np.abs(away).max() < 0.05
        behind += int(before.mirrored.sum())
    assert behind > 20


def _bumped(sightings, lens, name, degrees, at_s):
    """As if a camera had turned about its vertical from a moment on."""
    angle = np.radians(degrees)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )
    homography = lens.matrix @ turn @ np.linalg.inv(lens.matrix)
    cameras = list(sightings.cameras)
    c = sightings.names.index(name)
    pixels = cameras[c].pixels.copy()
    late = cameras[c].time_s >= at_s
    moved = np.concatenate([pixels[late], np.ones((*pixels[late].shape[:2], 1))], -1) @ homography.T
    pixels[late] = moved[..., :2] / moved[..., 2:]
    cameras[c] = replace(cameras[c], pixels=pixels)
    return Sightings(sightings.target, tuple(cameras))


@pytest.mark.slow
def test_a_real_two_sided_board_is_no_bump_and_a_real_bump_is_one(shared_path):
    """In this session the prints are about 3 mm apart, and one lens does not fit; bumps are made
    by turning the pixels of a camera."""
    sightings, lenses = real_session(shared_path("charuco_4cam"))
    options = BoardOptions(floor="none")
    found = calibrate_with_board(sightings, lenses, options).verdict.findings
    assert {"back_print", "lens_model"} <= {f.check for f in found}
    assert not [f for f in found if f.check == "bumped"]
    assert [f.cameras for f in found if f.check == "lens_model"] == [("cam_0",)]
    turned = _bumped(sightings, lenses["cam_2"], "cam_2", 0.5, 5.5)
    (bump,) = [
        f
        for f in calibrate_with_board(turned, lenses, options).verdict.findings
        if f.check == "bumped"
    ]
    assert bump.cameras == ("cam_2",)
    assert bump.figures["time_s"] == pytest.approx(5.5, abs=0.4)
