"""Poses of single views, against the truth and OpenCV."""

import cv2
import numpy as np
import pytest

from calibration.board.planar_pose import planar_poses
from mocap.geometry.rotations import matrix_from_rotvec
from mocap.model import Target

TARGET = Target("charuco", (5, 7), 0.06, 0.045, "DICT_4X4_50")


def _views(count=60, seed=0):
    rng = np.random.default_rng(seed)
    rotation = matrix_from_rotvec(rng.normal(0, 1.2, (4 * count, 3)))
    rotation = rotation[np.abs(rotation[:, 2, 2]) > 0.35][:count]
    translation = rng.uniform((-0.5, -0.4, 0.8), (0.5, 0.4, 2.5), (len(rotation), 3))
    return rotation, translation


def _rays(rotation, translation):
    points = TARGET.points_m @ np.swapaxes(rotation, 1, 2) + translation[:, None]
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


def test_exact_rays_give_the_exact_pose_front_and_back():
    rotation, translation = _views()
    assert (rotation[:, 2, 2] < 0).any() and (rotation[:, 2, 2] > 0).any()
    found = planar_poses(TARGET.points_m, _rays(rotation, translation))
    np.testing.assert_allclose(found.T_cam_target[:, 0, :3, :3], rotation, atol=1e-5)
    np.testing.assert_allclose(found.T_cam_target[:, 0, :3, 3], translation, atol=1e-5)
    assert np.all(found.rms_rad[:, 0] <= found.rms_rad[:, 1])


def test_both_solutions_are_those_of_opencv():
    rotation, translation = _views(20, 3)
    rng = np.random.default_rng(1)
    rays = _rays(rotation, translation)
    image = rays[..., :2] / rays[..., 2:] + rng.normal(0, 4e-4, (*rays.shape[:2], 2))
    rays = np.concatenate([image, np.ones((*image.shape[:2], 1))], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    found = planar_poses(TARGET.points_m, rays)
    points = TARGET.points_m - TARGET.points_m.mean(axis=0)
    compared = 0
    for v in range(len(rays)):
        _, rvecs, _, _ = cv2.solvePnPGeneric(
            points, image[v], np.eye(3), None, flags=cv2.SOLVEPNP_IPPE
        )
        for rvec in rvecs:
            # Ours are refined, OpenCV's are the closed form: near, and one of the two.
            away = found.T_cam_target[v, :, :3, :3] @ matrix_from_rotvec(np.ravel(rvec)).T
            angle = np.arccos(np.clip((np.trace(away, axis1=1, axis2=2) - 1) / 2, -1, 1))
            compared += angle.min() < np.deg2rad(3)
    assert compared >= 38


def test_a_lens_that_sees_beyond_90_degrees_is_no_obstacle():
    # A board beside the camera, a little behind it.
    rotation = matrix_from_rotvec(np.array([[0.1, 1.7, 0.2]]))
    translation = np.array([[1.2, 0.1, -0.2]])
    found = planar_poses(TARGET.points_m, _rays(rotation, translation))
    np.testing.assert_allclose(found.T_cam_target[0, 0, :3, :3], rotation[0], atol=1e-4)
    np.testing.assert_allclose(found.T_cam_target[0, 0, :3, 3], translation[0], atol=1e-4)


def test_missing_points_are_left_out_and_too_few_or_a_line_give_nothing():
    rotation, translation = _views(4)
    rays = _rays(rotation, translation)
    rays[0, ::2] = np.nan
    rays[1, 3:] = np.nan
    nx = TARGET.shape[0]
    rays[2, nx:] = np.nan
    found = planar_poses(TARGET.points_m, rays)
    assert found.found.tolist() == [True, False, False, True]
    np.testing.assert_allclose(found.T_cam_target[0, 0, :3, 3], translation[0], atol=1e-5)
    assert np.isnan(found.T_cam_target[1]).all()


@pytest.mark.parametrize("views", [0, 1])
def test_few_views_are_fine(views):
    rotation, translation = _views(1)
    found = planar_poses(TARGET.points_m, _rays(rotation, translation)[:views])
    assert found.T_cam_target.shape == (views, 2, 4, 4)
