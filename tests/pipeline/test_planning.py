"""The predicted accuracy is what triangulation really has; blind places are really blind."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_scene import FISHEYE, RADIAL, look_at, make_camera, project_rig, ring_rig

from mocap.errors import InputError
from mocap.model import Rig
from mocap.model.config import TriangulationConfig
from mocap.model.skeletons import COCO_17
from mocap.pipeline.planning import (
    BLIND_ERROR_M,
    NEAREST_M,
    PlanConfig,
    Volume,
    candidate_cameras,
    error_map,
    grid_of,
    looking_at,
    plan_rig,
    sees,
)
from mocap.reconstruction.person import ViewedPerson, keypoint_sigma_px, run_kernel

VOLUME = Volume((-0.8, -0.8, 0.3), (0.8, 0.8, 1.7))


def monte_carlo_rms_m(
    rig: Rig, place: np.ndarray, sigma: np.ndarray, rng: np.random.Generator, samples: int = 800
) -> float:
    """Errors of the real triangulation of a point that every camera sees with noise."""
    pixels = np.repeat(project_rig(place, rig)[:, None], samples, axis=1)
    pixels = pixels + rng.normal(size=pixels.shape) * sigma[:, None, None]
    person = ViewedPerson.from_keypoints(pixels, np.ones(pixels.shape[:2]), rig.arrays)
    noise = np.repeat(sigma[:, None], samples, axis=1)
    points = run_kernel(person, noise, rig.arrays, TriangulationConfig())[0]
    assert np.isfinite(points).mean() > 0.98
    return float(np.sqrt(np.nanmean(np.sum((points - place) ** 2, axis=1))))


@pytest.mark.parametrize("sigma_px", [None, 3.0])
def test_predicted_error_is_that_of_triangulation(sigma_px: float | None) -> None:
    rig = ring_rig(4, mixed_lenses=True)
    errors = error_map(rig, VOLUME, PlanConfig(sigma_px=sigma_px, spacing_m=0.8))
    rng = np.random.default_rng(0)
    compared = 0
    for i, j, k in ((0, 0, 0), (1, 1, 1), (2, 0, 2), (1, 2, 0)):
        if errors.views[i, j, k] < len(rig):
            continue
        place = np.array([errors.x_m[i], errors.y_m[j], errors.z_m[k]])
        if sigma_px is None:
            sigma = keypoint_sigma_px(place, rig.arrays, COCO_17, TriangulationConfig())[:, 0]
        else:
            sigma = np.full(len(rig), sigma_px)
        measured = monte_carlo_rms_m(rig, place, sigma, rng)
        assert measured == pytest.approx(errors.error_m[i, j, k], rel=0.1)
        compared += 1
    assert compared >= 3


def test_predicted_error_of_two_views_is_that_of_triangulation() -> None:
    rig = ring_rig(4).subset(["cam0", "cam1"])
    errors = error_map(rig, VOLUME, PlanConfig(sigma_px=2.0, spacing_m=0.8))
    place = np.array([errors.x_m[1], errors.y_m[1], errors.z_m[1]])
    measured = monte_carlo_rms_m(rig, place, np.full(2, 2.0), np.random.default_rng(0))
    assert measured == pytest.approx(errors.error_m[1, 1, 1], rel=0.1)


def test_error_grows_with_the_noise_and_falls_with_cameras() -> None:
    few = error_map(ring_rig(3), VOLUME, PlanConfig(sigma_px=2.0))
    noisy = error_map(ring_rig(3), VOLUME, PlanConfig(sigma_px=4.0))
    many = error_map(ring_rig(6), VOLUME, PlanConfig(sigma_px=2.0))
    assert noisy.error_m == pytest.approx(2 * few.error_m, nan_ok=True)
    assert many.score_m < few.score_m


def test_places_of_fewer_than_two_views_are_blind() -> None:
    one = error_map(ring_rig(4).subset(["cam0"]), VOLUME)
    assert one.blind.all()
    assert one.views.max() == 1
    assert one.score_m == BLIND_ERROR_M
    assert np.isnan(one.by_place_m).all()


def test_rays_that_are_too_parallel_make_a_blind_place() -> None:
    side_by_side = Rig((make_camera("a", (4, 0, 1)), make_camera("b", (4, 0.05, 1))))
    errors = error_map(side_by_side, VOLUME)
    assert (errors.views == 2).any()
    assert errors.blind.all()
    assert np.rad2deg(errors.widest_angle_rad.max()) < 2
    apart = Rig((make_camera("a", (4, 0, 1)), make_camera("b", (4, 1.0, 1))))
    assert not error_map(apart, VOLUME).blind.all()


def test_a_camera_sees_what_is_before_it_and_in_the_image() -> None:
    camera = make_camera("a", (4, 0, 1), distortions=RADIAL)
    points = np.array(
        [
            [0, 0, 1],  # in the middle
            [8, 0, 1],  # behind
            [0, 0, 9],  # above the image
            [4 - 0.5 * NEAREST_M, 0, 1],  # too near
            [np.nan, 0, 1],
        ]
    )
    assert sees(camera, points).tolist() == [True, False, False, False, False]
    pixels = project_rig(points[:1], Rig((camera,)))[0]
    assert (pixels > 0).all()


def test_lens_polynomials_that_fold_back_do_not_see_aside() -> None:
    camera = make_camera("a", (4, 0, 1), distortions=(-0.3, 0.0, 0.0, 0.0))
    angles = np.deg2rad(np.arange(0, 89))
    points = np.stack([4 - np.cos(angles), np.sin(angles), np.ones_like(angles)], axis=1)
    inside = project_rig(points, Rig((camera,)))[0]
    folded = (inside[:, 0] > 0) & (inside[:, 0] < 1280) & (np.rad2deg(angles) > 55)
    assert folded.any(), "this lens does not fold back"
    seen = sees(camera, points)
    assert seen[:20].all()
    assert not seen[folded].any()


def test_fisheye_cameras_see_aside() -> None:
    camera = make_camera("a", (4, 0, 1), focal=300.0, distortions=FISHEYE, lens="fisheye")
    assert sees(camera, np.array([[4, 2.0, 1], [3, 2.0, 1]])).tolist() == [True, True]


def test_one_more_camera_goes_where_the_view_is_missing() -> None:
    rig = ring_rig(8, start_rad=0.0).subset(["cam0", "cam1"])  # at 0 and 45 degrees
    plan = plan_rig(rig, VOLUME, PlanConfig(spacing_m=0.4))
    assert plan.more.errors.score_m < 0.8 * plan.errors.score_m
    x, y, _ = plan.more.camera.center_world
    # At right angles to the view of both, from either side.
    direction = np.degrees(np.arctan2(y, x)) % 180
    assert direction == pytest.approx(112.5, abs=25)
    assert plan.more.camera.name not in rig.names
    for candidate in candidate_cameras(rig, VOLUME):
        more = error_map(Rig((*rig.cameras, candidate)), VOLUME, PlanConfig(spacing_m=0.4))
        assert more.score_m >= plan.more.errors.score_m - 1e-12


def test_without_a_camera_the_plan_is_that_of_the_others() -> None:
    rig = ring_rig(3)
    plan = plan_rig(rig, VOLUME)
    others = error_map(rig.subset(["cam0", "cam2"]), VOLUME)
    assert plan.without["cam1"] == pytest.approx(others.score_m)
    assert set(plan.without) == set(rig.names)


def test_candidates_stand_outside_of_the_volume_and_look_at_its_middle() -> None:
    volume = Volume((-6, -2, 0), (6, 2, 2))  # the rig's cameras stand inside of this one
    for camera in candidate_cameras(ring_rig(4), volume):
        x, y, _ = camera.center_world
        assert abs(x) > 6 or abs(y) > 2
        assert sees(camera, volume.center[None]).all()


def test_looking_at_is_that_of_the_test_scene() -> None:
    position, target = np.array([3.0, 1.0, 2.0]), np.array([0.0, 0.5, 1.0])
    assert looking_at(position, target) == pytest.approx(look_at(position, target))


def test_grid_has_the_faces_of_the_volume() -> None:
    x, y, z = grid_of(Volume((0, 0, 0), (1, 0.5, 2)), 0.3)
    assert (x[0], x[-1], y[-1], z[-1]) == (0, 1, 0.5, 2)
    assert max(np.diff(x).max(), np.diff(y).max(), np.diff(z).max()) <= 0.3


def test_impossible_volumes_and_settings_are_refused() -> None:
    with pytest.raises(InputError, match="is empty"):
        Volume((0, 0, 0), (1, 0, 2))
    with pytest.raises(InputError, match="not finite"):
        Volume((0, 0, 0), (1, float("nan"), 2))
    with pytest.raises(InputError, match="more than 0"):
        PlanConfig(sigma_px=0.0)
    with pytest.raises(InputError, match="more than 0"):
        PlanConfig(spacing_m=-1.0)
    with pytest.raises(InputError, match="places"):
        error_map(ring_rig(3), Volume((0, 0, 0), (100, 100, 10)))
