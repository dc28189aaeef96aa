"""Euler angles over time that do not jump."""

from __future__ import annotations

import warnings

import numpy as np

from mocap.arrays import Float
from mocap.geometry.rotations import (
    euler_from_matrix,
    matrix_from_euler,
    rotvec_from_matrix,
)


def continuous_euler(
    rotations: Float[np.ndarray, "frames joints 3 3"], order: str
) -> Float[np.ndarray, "frames joints 3"]:
    """Intrinsic Euler angles in radians that change from frame to frame as little as possible.

    Of the two triples that mean the same rotation, and of all full turns, the one nearest to the
    frame before is taken, so that angles may exceed a half turn. Where the middle angle is a
    quarter turn and the outer two act about one axis, the first is kept.

    Args:
        rotations: rotation matrices.
        order: three different letters of XYZ, as in `mocap.geometry.rotations.euler_from_matrix`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gimbal lock is dealt with below
        angles = euler_from_matrix(rotations, order)
    other = angles * (1.0, -1.0, 1.0) + np.pi
    locked = np.abs(np.cos(angles[..., 1])) < 1e-6
    last_axis = "XYZ".index(order[2])
    result = np.empty_like(angles)
    before = np.zeros(angles.shape[1:])
    full = 2.0 * np.pi
    for row in range(len(angles)):
        for joint in np.flatnonzero(locked[row]):
            first, middle = before[joint, 0], angles[row, joint, 1]
            outer = matrix_from_euler(np.array([first, middle, 0.0]), order)
            remainder = rotvec_from_matrix(outer.T @ rotations[row, joint])
            angles[row, joint] = other[row, joint] = (first, middle, remainder[last_axis])
        choices = np.stack((angles[row], other[row]))
        choices -= full * np.round((choices - before) / full)
        cost = np.abs(choices - before).sum(axis=-1)
        result[row] = np.where((cost[0] <= cost[1])[:, None], choices[0], choices[1])
        before = result[row]
    return result
