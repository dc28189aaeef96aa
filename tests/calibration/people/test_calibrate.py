"""Rigs calibrated from synthetic people, against the true rig, and what cannot be calibrated."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import ring_rig
from walking_people import errors_after_alignment, film

from calibration.people.calibrate import assumed_lens, calibrate_rig_from_people
from mocap.errors import CalibrationError

FPS = 30.0
LENSES = [camera.intrinsics for camera in ring_rig(4)]


def test_four_cameras_with_offsets_and_a_mirrored_stretch():
    rig = ring_rig(4)
    late = np.array([0.0, 0.4, -0.3, 7.3]) / FPS
    tracks = film(rig, offsets_s=late, flips=((1, 30, 70),))
    found = calibrate_rig_from_people(
        tracks, LENSES, height_m=1.75, initial_offsets_s=[0, 0, 0, 7 / FPS], most_instants=60
    )
    center, rotation, scale = errors_after_alignment(rig, found.solution.rig)
    assert center.max() < 0.012
    assert np.degrees(rotation.max()) < 0.15
    # This person's bones are those of anthropometry, longer than detectors see them.
    assert scale == pytest.approx(0.779 / 0.75, abs=0.03)
    offsets = np.array([camera.time_offset_s for camera in found.solution.rig])
    np.testing.assert_allclose(FPS * offsets, FPS * late, atol=0.1)
    assert found.solution.gauge == "cam0"
    assert not found.solution.pose_covariance[:6, :6].any()
    # The world stands upright on the floor.
    heights = [camera.center_world[2] for camera in found.solution.rig]
    np.testing.assert_allclose(heights, [c.center_world[2] for c in rig], atol=0.15)
    assert np.nanpercentile(found.people.points_m[..., 2], 1) == pytest.approx(0.0, abs=0.06)
    assert np.nanmedian(found.solution.residuals.length_px) < 6.0


def test_camera_distance_sets_the_scale():
    rig = ring_rig(3)
    distance = float(np.linalg.norm(rig["cam0"].center_world - rig["cam2"].center_world))
    found = calibrate_rig_from_people(
        film(rig, frames=120),
        [c.intrinsics for c in rig],
        camera_distance=("cam0", "cam2", distance),
        solve_offsets=False,
        most_instants=40,
    )
    again = found.solution.rig
    measured = np.linalg.norm(again["cam0"].center_world - again["cam2"].center_world)
    assert measured == pytest.approx(distance, rel=1e-9)
    assert found.scale_sigma == 0.0


@pytest.mark.slow
def test_unknown_lenses_and_several_people():
    rig = ring_rig(4)
    people = ({}, {"phase": 2.5, "stature": 1.6, "start": (0.3, 0.2)})
    found = calibrate_rig_from_people(film(rig, people, frames=150), height_m=1.75)
    center, rotation, _ = errors_after_alignment(rig, found.solution.rig)
    assert center.max() < 0.06 and np.degrees(rotation.max()) < 1.0
    for true, lens in zip(rig, found.solution.rig, strict=True):
        assert lens.intrinsics.focal_px == pytest.approx(true.intrinsics.focal_px, rel=0.02)
    assert found.labelled.people == 2
    assert any("focal" in note for note in found.solution.notes)


@pytest.mark.slow
@pytest.mark.parametrize("cameras", [2, 8])
def test_other_numbers_of_cameras(cameras):
    rig = ring_rig(8) if cameras == 8 else ring_rig(5).subset(["cam0", "cam1"])
    lenses = [c.intrinsics for c in rig]
    found = calibrate_rig_from_people(film(rig), lenses, height_m=1.75, most_instants=60)
    center, rotation, _ = errors_after_alignment(rig, found.solution.rig)
    assert center.max() < 0.012 and np.degrees(rotation.max()) < 0.25


def test_without_a_height_a_note_says_so():
    rig = ring_rig(3)
    found = calibrate_rig_from_people(
        film(rig, frames=60), [c.intrinsics for c in rig], solve_offsets=False, most_instants=20
    )
    assert any("no height was given" in note for note in found.solution.notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.subset(["cam0"]), "1 camera"),
        (lambda t: t.between(0.0, 0.1), "few frames"),
        (lambda t: _nobody(t, 2), "'cam2' sees nobody"),
        (lambda t: _apart(t), "no two cameras see the same person"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_with_a_remedy(change, message):
    tracks = change(film(ring_rig(3), frames=40))
    with pytest.raises(CalibrationError, match=message) as caught:
        calibrate_rig_from_people(tracks, LENSES[: len(tracks.cameras)], height_m=1.75)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height_m": 175.0}, "height is 175"),
        ({"height_m": 1.7, "known_length": ("left_hip", "right_hip", 0.3)}, "given twice"),
        ({"camera_distance": ("cam0", "cam1", -1.0)}, "positive number"),
        ({"camera_distance": ("cam0", "camX", 1.0)}, "no camera 'camX'"),
        ({"initial_offsets_s": [0.0]}, "1 time offsets for 3 cameras"),
    ],
)
def test_options_that_make_no_sense(options, message):
    with pytest.raises(CalibrationError, match=message):
        calibrate_rig_from_people(film(ring_rig(3), frames=10), **options)


def test_assumed_lens():
    lens = assumed_lens((1280, 720), 90.0)
    assert lens.matrix[0, 0] == pytest.approx(640.0)
    np.testing.assert_allclose(lens.matrix[:2, 2], (639.5, 359.5))
    with pytest.raises(CalibrationError, match="field of view"):
        assumed_lens((1280, 720), 190.0)


def _nobody(tracks, camera):
    cameras = list(tracks.cameras)
    own = cameras[camera]
    cameras[camera] = replace(
        own,
        row_frame=own.row_frame[:0],
        keypoints_px=own.keypoints_px[:0],
        confidence=own.confidence[:0],
    )
    return replace(tracks, cameras=tuple(cameras))


def _apart(tracks):
    cameras = [replace(c, time_s=c.time_s + 100.0 * i) for i, c in enumerate(tracks.cameras)]
    return replace(tracks, cameras=tuple(cameras))
