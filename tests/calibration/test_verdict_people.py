"""What the verdict says of a rig that was calibrated from people."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic_scene import ring_rig
from verdict_scene import sightings_of, solution_of

from calibration.checks.evidence import Evidence
from calibration.checks.tracks import tracks_of_people, tracks_of_sightings
from calibration.checks.uncertainty import check_uncertainty, shape_and_scale


@pytest.fixture(scope="module")
def scene():
    rig = ring_rig(3)
    seen = sightings_of(rig, 1, seconds=2.0)
    solution = solution_of(rig, seen, adjust=False)
    solution = replace(solution, lens_sigma=({},) * 3)
    tracks = tracks_of_sightings(solution.rig, seen)
    people = tracks_of_people(
        solution.rig, tracks.time_s, tracks.pixels, np.where(tracks.seen, 0.9, 0.0)
    )
    return solution, seen, people


def _with_scale(solution, sigma):
    """The solution, all of whose lengths are unsure by a share."""
    first = solution.rig.cameras[0].center_world
    stretch = np.zeros(18)
    for c, camera in enumerate(solution.rig):
        away = camera.center_world - first
        stretch[6 * c + 3 : 6 * c + 6] = -camera.T_cam_world[:3, :3] @ away
    covariance = solution.pose_covariance + sigma**2 * np.outer(stretch, stretch)
    return replace(solution, pose_covariance=covariance)


def test_size_is_told_apart_from_shape(scene):
    solution, _, _ = scene
    alone = replace(solution, pose_covariance=np.zeros((18, 18)))
    shape, scale = shape_and_scale(_with_scale(alone, 0.03))
    assert scale == pytest.approx(0.03)
    assert np.abs(shape).max() < 1e-12
    one, two = (shape_and_scale(_with_scale(solution, sigma))[0] for sigma in (0.0, 0.05))
    np.testing.assert_allclose(one, two, atol=1e-9)


def test_an_unsure_height_is_no_fault_of_a_camera(scene):
    solution, seen, people = scene
    unsure = _with_scale(solution, 0.03)
    assert check_uncertainty(Evidence(unsure, people=people)) == []
    # A board knows its size: there the same covariance is that of a bad pose.
    assert {f.check for f in check_uncertainty(Evidence(unsure, seen))} == {"weak_pose"}
    found = check_uncertainty(Evidence(_with_scale(solution, 0.06), people=people))
    assert [f.check for f in found] == ["weak_scale"]
    assert found[0].severity == "warn" and "--height-m" in found[0].remedy


def test_remedies_speak_of_people(scene):
    solution, seen, people = scene
    blurred = solution.pose_covariance.copy()
    blurred[6:12, 6:12] += np.diag([1e-4] * 3 + [0.05] * 3)
    weak = replace(
        solution,
        pose_covariance=blurred,
        time_offset_sigma_s=np.full(3, 0.01),
        lens_sigma=({"fx": 50.0},) * 3,
    )
    found = check_uncertainty(Evidence(weak, people=people))
    assert {f.check for f in found} >= {"weak_pose", "weak_offset", "weak_lens"}
    assert not any("target" in f.seen + f.remedy for f in found)
    assert any("people walk nearer to cam1" in f.remedy for f in found)
    assert any("target" in f.remedy for f in check_uncertainty(Evidence(weak, seen)))
