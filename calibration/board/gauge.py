"""Relative to what the poses of a rig are uncertain.

A board determines cameras relative to each other only, so a covariance of poses means nothing
without saying what is held fixed: one camera, or all together (inner constraints).
"""

from __future__ import annotations

import numpy as np

from mocap.arrays import Float
from mocap.errors import CalibrationError, valid_choices
from mocap.geometry.rotations import skew_matrix
from mocap.model import Rig


def change_gauge(
    covariance: Float[np.ndarray, "six_cameras six_cameras"], rig: Rig, fixed: str | None
) -> Float[np.ndarray, "six_cameras six_cameras"]:
    """The joint covariance of camera poses with something else held fixed.

    Args:
        covariance: per camera 6 numbers in rig order: a small rotation (rad) to the left of
            `T_cam_world`'s rotation, and the translation (m) of `T_cam_world`; in any gauge.
        rig: at whose poses the covariance stands.
        fixed: the camera to be held; None for the inner constraints, which hold the mean of all
            centres, and the mean rotation as centres and axes together show it.

    Raises:
        CalibrationError: there is no such camera.
    """
    cameras = len(rig)
    moves = np.zeros((6 * cameras, 6))
    for c, camera in enumerate(rig):
        # A small motion of the world, right of T_cam_world, as a change of this camera's pose.
        moves[6 * c : 6 * c + 3, :3] = camera.T_cam_world[:3, :3]
        moves[6 * c + 3 : 6 * c + 6, 3:] = camera.T_cam_world[:3, :3]
    if fixed is not None:
        if fixed not in rig.names:
            raise CalibrationError(
                f"no camera {fixed!r} in the rig to hold fixed; its cameras are "
                f"{valid_choices(rig.names)}"
            )
        first = 6 * rig.names.index(fixed)
        select = np.zeros((6, 6 * cameras))
        select[:, first : first + 6] = np.eye(6)
    else:
        centers = np.stack([camera.center_world for camera in rig])
        reach = float(np.sqrt(np.mean(np.sum((centers - centers.mean(axis=0)) ** 2, axis=1))))
        weighing = np.zeros((6 * cameras, 6 * cameras))
        for c in range(cameras):
            part = center_jacobian(rig, c)
            part[3:] *= max(reach, 1e-6)
            weighing[6 * c : 6 * c + 6, 6 * c : 6 * c + 6] = part
        weighted = weighing @ moves
        select = weighted.T @ weighing
    keep = np.eye(6 * cameras) - moves @ np.linalg.solve(select @ moves, select)
    result = keep @ covariance @ keep.T
    return 0.5 * (result + result.T)


def center_jacobian(rig: Rig, camera: int) -> Float[np.ndarray, "6 6"]:
    """Derivative of a camera's centre in the world (m) and of its small rotation about world
    axes (rad), by the 6 numbers of its pose."""
    pose = rig.cameras[camera].T_cam_world
    back = pose[:3, :3].T
    result = np.zeros((6, 6))
    result[:3, :3] = -back @ skew_matrix(pose[:3, 3])
    result[:3, 3:] = -back
    result[3:, :3] = -back
    return result


def center_sigma_m(
    covariance: Float[np.ndarray, "six_cameras six_cameras"], rig: Rig
) -> Float[np.ndarray, "cameras 3"]:
    """Standard deviation of every camera's centre along the world axes, in metres."""
    found = []
    for c in range(len(rig)):
        part = center_jacobian(rig, c)[:3]
        block = covariance[6 * c : 6 * c + 6, 6 * c : 6 * c + 6]
        found.append(np.sqrt(np.clip(np.diag(part @ block @ part.T), 0.0, None)))
    return np.array(found)
