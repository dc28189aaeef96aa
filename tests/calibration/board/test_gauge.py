"""Covariances in other gauges."""

import numpy as np
import pytest
from synthetic_scene import ring_rig

from calibration.board.gauge import center_jacobian, center_sigma_m, change_gauge
from mocap.errors import CalibrationError
from mocap.geometry.rotations import matrix_from_rotvec, rotvec_from_matrix


def _moved(pose, change):
    result = pose.copy()
    result[:3, :3] = matrix_from_rotvec(change[:3]) @ pose[:3, :3]
    result[:3, 3] += change[3:]
    return result


def _fixed_first(rig, seed=0):
    rng = np.random.default_rng(seed)
    n = 6 * len(rig)
    factor = rng.normal(0, 1e-3, (n, n - 6))
    factor[:6] = 0
    return factor @ factor.T, factor


def test_holding_another_camera_is_what_samples_show():
    rig = ring_rig(4)
    covariance, factor = _fixed_first(rig)
    changed = change_gauge(covariance, rig, "cam2")
    rng = np.random.default_rng(1)
    samples = []
    for _ in range(4000):
        change = factor @ rng.normal(size=factor.shape[1]) * 0.05
        poses = [_moved(c.T_cam_world, change[6 * i : 6 * i + 6]) for i, c in enumerate(rig)]
        # The world is moved so that camera 2 is where it was.
        back = np.linalg.inv(poses[2]) @ rig["cam2"].T_cam_world
        row = []
        for camera, pose in zip(rig, poses, strict=True):
            pose = pose @ back
            row += [*rotvec_from_matrix(pose[:3, :3] @ camera.T_cam_world[:3, :3].T)]
            row += [*(pose[:3, 3] - camera.T_cam_world[:3, 3])]
        samples.append(row)
    sampled = np.cov(np.array(samples).T) / 0.05**2
    scale = np.sqrt(np.diag(changed))
    assert np.all(scale[12:18] < 1e-12)
    keep = scale > 1e-12
    ratio = (sampled - changed)[np.ix_(keep, keep)] / np.outer(scale[keep], scale[keep])
    assert np.abs(ratio).max() < 0.12


def test_gauges_lead_back_to_each_other():
    rig = ring_rig(4)
    covariance, _ = _fixed_first(rig)
    for fixed in ("cam1", "cam3", None):
        there = change_gauge(covariance, rig, fixed)
        np.testing.assert_allclose(change_gauge(there, rig, "cam0"), covariance, atol=1e-12)


def test_inner_constraints_spread_the_uncertainty_over_all_cameras():
    rig = ring_rig(4)
    covariance, _ = _fixed_first(rig)
    inner = change_gauge(covariance, rig, None)
    sigma, before = center_sigma_m(inner, rig), center_sigma_m(covariance, rig)
    assert np.all(before[0] == 0) and np.all(sigma[0] > 0)
    assert (sigma**2).sum() < (before**2).sum()


def test_derivative_of_the_centre():
    rig = ring_rig(3)
    camera = rig.cameras[1]
    jacobian = center_jacobian(rig, 1)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-6
        ends = []
        for sign in (1, -1):
            pose = _moved(camera.T_cam_world, sign * step)
            ends.append(-pose[:3, :3].T @ pose[:3, 3])
        np.testing.assert_allclose(jacobian[:3, k], (ends[0] - ends[1]) / 2e-6, atol=1e-6)


def test_an_unknown_camera_is_named():
    rig = ring_rig(3)
    with pytest.raises(CalibrationError, match=r"'cam9'.*cam0, cam1, cam2"):
        change_gauge(np.zeros((18, 18)), rig, "cam9")
