"""Forward kinematics of a joint tree: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mocap.arrays import Float


def forward_kinematics(
    parents: Sequence[int],
    rest_joints_m: Float[np.ndarray, "*#batch joints 3"],
    root_position_m: Float[np.ndarray, "*#batch 3"],
    rotations: Float[np.ndarray, "*#batch joints 3 3"],
) -> tuple[Float[np.ndarray, "*batch joints 3"], Float[np.ndarray, "*batch joints 3 3"]]:
    """World positions and world orientations of all joints.

    With G_j the orientation and p_j the position of joint j, and a its parent:
    G_j = G_a R_j and p_j = p_a + G_a (rest_j - rest_a); the root has G = R and p = its position.

    Args:
        parents: index of each joint's parent, smaller than its own; -1 for the root, which is
            joint 0.
        rest_joints_m: positions in the rest pose, in the frame of the model, metres.
        root_position_m: world position of the root joint, metres.
        rotations: R, of each joint relative to its parent; of the root from the frame of the
            model to the world.

    Returns:
        Positions in metres, and rotation matrices from the frame of the model to the world.
    """
    batch = np.broadcast_shapes(
        rest_joints_m.shape[:-2], root_position_m.shape[:-1], rotations.shape[:-3]
    )
    joints = len(parents)
    position = np.empty((*batch, joints, 3))
    orientation = np.empty((*batch, joints, 3, 3))
    position[..., 0, :] = root_position_m
    orientation[..., 0, :, :] = rotations[..., 0, :, :]
    for j in range(1, joints):
        a = parents[j]
        bone = (rest_joints_m[..., j, :] - rest_joints_m[..., a, :])[..., None]
        position[..., j, :] = position[..., a, :] + (orientation[..., a, :, :] @ bone)[..., 0]
        orientation[..., j, :, :] = orientation[..., a, :, :] @ rotations[..., j, :, :]
    return position, orientation
