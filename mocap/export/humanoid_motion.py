"""A solved humanoid as a body motion."""

from __future__ import annotations

import numpy as np

from mocap.export.axes import Y_UP
from mocap.export.humanoid import solve_humanoid
from mocap.geometry.rotations import quaternion_from_matrix
from mocap.model import BodyMotion, JointTree, Motion


def humanoid_motion(person: Motion, *, fingers: bool) -> BodyMotion:
    """Solves the skeleton of one person."""
    humanoid = solve_humanoid(person, fingers=fingers)
    rest = humanoid.rest_offsets_m.copy()
    for j, parent in enumerate(humanoid.parents):
        if parent >= 0:
            rest[j] += rest[parent]
    joints, frames = len(humanoid.joints), len(humanoid.frame)
    rotations = Y_UP.T @ humanoid.local_rotations @ Y_UP
    nan = np.full((frames, joints, 3, 3), np.nan)
    return BodyMotion(
        person_id=humanoid.person_id,
        model="skeleton",
        gender="neutral",
        tree=JointTree(humanoid.joints, humanoid.parents),
        rest_joints_m=rest @ Y_UP,
        shape_names=(),
        shape=np.zeros(0),
        shape_sigma=np.zeros(0),
        frame=humanoid.frame,
        time_s=person.time_s[0] + humanoid.frame_time_s * np.arange(frames),
        present=humanoid.present,
        root_position_m=humanoid.root_positions_m @ Y_UP,
        rotations=quaternion_from_matrix(rotations),
        joint_positions_m=humanoid.joint_positions_m @ Y_UP,
        position_covariance_m2=nan,
        rotation_covariance_rad2=nan,
        measured=humanoid.measured,
        dof_names=(),
        dof_rad=np.zeros((frames, 0)),
        dof_limits_rad=np.zeros((0, 2)),
        keypoint_names=(),
        keypoints_m=np.zeros((frames, 0, 3)),
        residual_m=np.zeros((frames, 0)),
    )
