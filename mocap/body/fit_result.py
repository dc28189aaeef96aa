"""Poses and covariances of a fit as the motion that others use."""

from __future__ import annotations

import numpy as np

from mocap.arrays import Bool, Float
from mocap.body.fit_data import Measurements
from mocap.body.fit_kernels import pose_body
from mocap.body.fit_poses import placed_points
from mocap.body.fit_shape import Poses
from mocap.body.fit_spread import Spread
from mocap.body.fit_tables import BodyTables
from mocap.body.model import BodyModel
from mocap.geometry.kinematics import forward_kinematics
from mocap.geometry.rotations import quaternion_from_matrix
from mocap.model.body_motion import BodyMotion

_MEASURED_SHARE = 0.85
"""A joint is measured if its own keypoints bring its variance below this share of the prior's."""
_MEASURED_ROOT = 0.1
"""The same of the root, whose prior is one metre and one radian."""


def fitted_motion(
    model: BodyModel,
    measured: Measurements,
    body: BodyTables,
    shape: Float[np.ndarray, " shape"],
    shape_covariance: Float[np.ndarray, "shape shape"],
    poses: Poses,
    spread: Spread,
) -> BodyMotion:
    """The motion of a fit.

    Args:
        model: the body model.
        measured: what was fitted.
        body: tables of the model with this shape.
        shape: its shape numbers.
        shape_covariance: of these.
        poses: of all frames.
        spread: covariances at these poses.
    """
    rest = model.shaped(shape).rest_joints_m
    local = local_rotations(body, poses)
    positions, _ = forward_kinematics(model.tree.parents, rest, poses.P, local)
    points = placed_points(body, poses)
    dofs = model.dofs
    return BodyMotion(
        person_id=measured.person_id,
        model=model.name,
        gender=model.gender,
        tree=model.tree,
        rest_joints_m=rest,
        shape_names=model.shape_names,
        shape=shape,
        shape_sigma=np.sqrt(np.diag(shape_covariance)),
        frame=measured.frame,
        time_s=measured.time_s,
        present=measured.present,
        root_position_m=poses.P,
        rotations=quaternion_from_matrix(local),
        joint_positions_m=positions,
        position_covariance_m2=spread.position,
        rotation_covariance_rad2=spread.rotation,
        measured=_measured_joints(body, spread),
        dof_names=dofs.names[3:],
        dof_rad=poses.Q[:, 3:],
        dof_limits_rad=dofs.limits_rad[3:],
        keypoint_names=measured.names,
        keypoints_m=points,
        residual_m=np.linalg.norm(points - measured.points_m, axis=2),
    )


def local_rotations(body: BodyTables, poses: Poses) -> Float[np.ndarray, "frames joints 3 3"]:
    """Rotation of each joint relative to its parent; of the root, in the world."""
    frames, joints = len(poses.P), len(body.parents)
    position, twist = np.zeros((joints, 3)), np.zeros((len(body.above), 6))
    world = np.zeros((frames, joints, 3, 3))
    for t in range(frames):
        pose_body(body, poses.R[t], poses.Q[t], position, world[t], twist)
    local = world.copy()
    local[:, 1:] = np.swapaxes(world[:, body.parents[1:]], 2, 3) @ world[:, 1:]
    return local


def _measured_joints(body: BodyTables, spread: Spread) -> Bool[np.ndarray, "frames joints"]:
    """Whether the frame's own keypoints narrow down a joint's rotation."""
    prior = np.concatenate((np.ones(6), np.where(body.prior > 0, body.prior, 1.0)[3:]))
    share = spread.own * prior
    result = np.zeros((len(share), len(body.parents)), bool)
    for j, parent in enumerate(body.parents):
        first, stop = body.dof_start[j] + 3, body.dof_start[j + 1] + 3
        if j == 0:
            result[:, 0] = (spread.own[:, :6] < _MEASURED_ROOT).all(axis=1)
        elif first == stop:
            result[:, j] = result[:, parent]
        else:
            result[:, j] = share[:, first:stop].mean(axis=1) < _MEASURED_SHARE
    return result
