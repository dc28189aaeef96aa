"""One matched person to 3D keypoints: what each view contributed, and how noise is stated."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import project_rig, ring_rig, standing_person

from mocap.model import ViewState, skeleton_by_name
from mocap.model.config import TriangulationConfig
from mocap.reconstruction.expectation import Expectation
from mocap.reconstruction.person import (
    ViewedPerson,
    camera_centers,
    coarse_center,
    focal_lengths,
    keypoint_sigma_px,
    triangulate_person,
)

HALPE = skeleton_by_name("halpe26")
CONFIG = TriangulationConfig()
RIG = ring_rig(4, mixed_lenses=True)
TRUTH = standing_person(HALPE, (0.3, -0.4), 0.7)


def viewed(pixels: np.ndarray, confidence: np.ndarray | None = None) -> ViewedPerson:
    trust = np.isfinite(pixels[..., 0]) * 1.0 if confidence is None else confidence
    return ViewedPerson.from_keypoints(pixels, trust, RIG.arrays)


def test_exact_pixels_give_the_exact_person():
    found = triangulate_person(viewed(project_rig(TRUTH, RIG)), RIG.arrays, HALPE, CONFIG)
    np.testing.assert_allclose(found.points_m, TRUTH, atol=1e-7)
    assert (found.view_state == ViewState.USED).all()
    np.testing.assert_array_equal(found.n_views, 4)
    np.testing.assert_allclose(found.residual_px, 0, atol=1e-3)
    np.testing.assert_allclose(found.redundancy.sum(axis=0), 2 * 4 - 3, atol=1e-6)
    deviation = np.sqrt(np.trace(found.covariance_m2, axis1=1, axis2=2))
    assert (deviation < 0.05).all()


def test_every_view_state():
    pixels = project_rig(TRUTH, RIG)
    confidence = np.ones(pixels.shape[:2])
    pixels[0], confidence[0] = np.nan, 0.0  # the camera does not see the person
    pixels[1, 5], confidence[1, 5] = np.nan, 0.0  # this keypoint is missing
    confidence[1, 6] = 0.1  # too unsure
    found = triangulate_person(viewed(pixels, confidence), RIG.arrays, HALPE, CONFIG)
    assert (found.view_state[0] == ViewState.ABSENT).all()
    assert found.view_state[1, 5] == found.view_state[1, 6] == ViewState.MISSING
    assert (found.view_state[2:] == ViewState.USED).all()
    np.testing.assert_array_equal(found.n_views, [2 if k in (5, 6) else 3 for k in range(26)])
    assert np.isnan(found.residual_px[0]).all()
    assert np.isnan(found.residual_px[1, [5, 6]]).all()


def test_a_wrong_keypoint_is_rejected_and_reported_with_its_distance():
    pixels = project_rig(TRUTH, RIG)
    pixels[3, 9] += (150, -200)
    found = triangulate_person(viewed(pixels), RIG.arrays, HALPE, CONFIG)
    assert found.view_state[3, 9] == ViewState.REJECTED
    assert found.residual_px[3, 9] == pytest.approx(250, abs=1)
    assert found.redundancy[3, 9] == 0
    np.testing.assert_allclose(found.points_m, TRUTH, atol=1e-3)


def test_a_keypoint_of_one_view_is_nan():
    pixels = project_rig(TRUTH, RIG)
    pixels[1:, 2] = np.nan
    found = triangulate_person(viewed(pixels), RIG.arrays, HALPE, CONFIG)
    assert np.isnan(found.points_m[2]).all()
    assert np.isnan(found.covariance_m2[2]).all()
    assert np.isnan(found.reprojection_px[2])
    assert found.n_views[2] == 0
    assert found.view_state[0, 2] == ViewState.REJECTED
    assert np.isfinite(np.delete(found.points_m, 2, axis=0)).all()


def test_nobody_at_all_gives_nothing():
    nothing = viewed(np.full((4, 26, 2), np.nan))
    for expected in (None, Expectation(TRUTH, np.full(26, 0.03))):
        found = triangulate_person(nothing, RIG.arrays, HALPE, CONFIG, expected)
        assert np.isnan(found.points_m).all()
        assert (found.view_state == ViewState.ABSENT).all()


def test_noise_is_a_length_on_the_body_plus_a_floor():
    wholebody = skeleton_by_name("coco_wholebody133")
    center = np.array([0.3, -0.4, 1.0])
    sigma = keypoint_sigma_px(center, RIG.arrays, wholebody, CONFIG)
    for c, camera in enumerate(RIG):
        scale = camera.intrinsics.focal_px / np.linalg.norm(center - camera.center_world)
        for part, size in (("body", CONFIG.sigma_body_m), ("face", CONFIG.sigma_detail_m)):
            expected = np.hypot(CONFIG.floor_px, scale * size)
            np.testing.assert_allclose(sigma[c, list(wholebody.indices(part))], expected)
    far = keypoint_sigma_px(np.array([1e6, 0, 0]), RIG.arrays, wholebody, CONFIG)
    np.testing.assert_allclose(far, CONFIG.floor_px, rtol=1e-3)


def test_centres_and_focal_lengths_are_those_of_the_cameras():
    np.testing.assert_allclose(
        camera_centers(RIG.arrays), [c.center_world for c in RIG], atol=1e-12
    )
    np.testing.assert_allclose(focal_lengths(RIG.arrays), [c.intrinsics.focal_px for c in RIG])


def test_the_coarse_centre_is_within_the_person():
    pixels = project_rig(TRUTH, RIG)
    pixels[1, 3] += 300
    center = coarse_center(viewed(pixels), RIG.arrays, HALPE, CONFIG)
    chosen = list(HALPE.association_indices)
    np.testing.assert_allclose(center, np.median(TRUTH[chosen], axis=0), atol=0.05)
    nothing = coarse_center(viewed(np.full((4, 26, 2), np.nan)), RIG.arrays, HALPE, CONFIG)
    np.testing.assert_allclose(nothing, camera_centers(RIG.arrays).mean(axis=0))


def test_a_noisier_camera_counts_less():
    pixels = project_rig(TRUTH, RIG)
    pixels[2] += 6.0
    error = {}
    for scale in (1.0, 4.0):
        found = triangulate_person(
            viewed(pixels), RIG.arrays, HALPE, CONFIG, None, np.array([1.0, 1.0, scale, 1.0])
        )
        error[scale] = np.linalg.norm(found.points_m - TRUTH, axis=1).mean()
    assert error[4.0] < 0.25 * error[1.0]


def test_the_expectation_never_enters_the_positions():
    rng = np.random.default_rng(1)
    person = viewed(project_rig(TRUTH, RIG) + rng.normal(0, 2.0, (4, 26, 2)))
    near = Expectation(TRUTH + 0.03, np.full(26, 0.03))
    plain = triangulate_person(person, RIG.arrays, HALPE, CONFIG)
    led = triangulate_person(person, RIG.arrays, HALPE, CONFIG, near)
    # It tells the distance to the cameras, and with it the noise, so nearly the same remains.
    np.testing.assert_allclose(led.points_m, plain.points_m, atol=2e-3)


def test_mirroring_and_choosing_keypoints():
    person = viewed(project_rig(TRUTH, RIG))
    mirror = np.array(HALPE.mirror)
    cameras = np.array([False, True, False, False])
    turned = person.mirrored(cameras, mirror)
    np.testing.assert_array_equal(turned.keypoints_px[1], person.keypoints_px[1][mirror])
    np.testing.assert_array_equal(turned.rays[1], person.rays[1][mirror])
    np.testing.assert_array_equal(turned.keypoints_px[[0, 2, 3]], person.keypoints_px[[0, 2, 3]])
    again = turned.mirrored(cameras, mirror)
    np.testing.assert_array_equal(again.keypoints_px, person.keypoints_px)
    some = person.keypoints(np.array([3, 5]))
    np.testing.assert_array_equal(some.rays, person.rays[:, [3, 5]])
