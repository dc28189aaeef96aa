"""Poses over time: gaps filled for a start, keypoints placed, how freely each unknown moves."""

# pyright: basic

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from mocap.arrays import Bool, Float
from mocap.body.fit_kernels import place_points, pose_body
from mocap.body.fit_shape import Poses
from mocap.body.fit_tables import BodyTables
from mocap.compiled import kernel

MOTION_DENSITY_ROOT = (5.0, 30.0)
"""Density of the noise of the root's acceleration, m^2/s^3, and of its rotation's, rad^2/s^3."""
_DENSITY = 300.0
"""The same of a degree of freedom that has a range of 45 degrees; others by their squares."""
_RANGE_RAD = np.deg2rad(45.0)


def motion_density(body: BodyTables) -> Float[np.ndarray, " unknowns"]:
    """Density of the white noise of every unknown's acceleration.

    A degree of freedom moves the faster the wider its usual range is.
    """
    with np.errstate(divide="ignore"):
        sigma = np.where(body.prior > 0, 1.0 / np.sqrt(np.maximum(body.prior, 1e-12)), _RANGE_RAD)
    density = _DENSITY * np.clip(np.square(sigma / _RANGE_RAD), 0.03, 1.5)
    position, rotation = MOTION_DENSITY_ROOT
    density[:3] = rotation
    return np.concatenate((np.full(3, position), density))


def fill_poses(poses: Poses, done: Bool[np.ndarray, " frames"]) -> Poses:
    """Poses without gaps: interpolated between fitted frames, held before and after."""
    known = np.flatnonzero(done)
    if len(known) in (0, len(done)):
        return poses
    wanted = np.clip(np.arange(len(done)), known[0], known[-1])
    P = np.stack([np.interp(wanted, known, poses.P[known, i]) for i in range(3)], axis=1)
    Q = np.stack(
        [np.interp(wanted, known, poses.Q[known, i]) for i in range(poses.Q.shape[1])], axis=1
    )
    if len(known) == 1:
        R = np.repeat(poses.R[known], len(done), axis=0)
    else:
        R = Slerp(known, Rotation.from_matrix(poses.R[known]))(wanted).as_matrix()
    return Poses(P, R, Q)


def placed_points(body: BodyTables, poses: Poses) -> Float[np.ndarray, "frames keypoints 3"]:
    """World positions of the keypoints in all frames."""
    out = np.zeros((len(poses.P), len(body.point_joint), 3))
    _place_all(body, poses.P, poses.R, poses.Q, out)
    return out


@kernel
def _place_all(body, P, R, Q, out):
    joints, unknowns = len(body.parents), len(body.above)
    position, orientation = np.zeros((joints, 3)), np.zeros((joints, 3, 3))
    twist = np.zeros((unknowns, 6))
    for t in range(len(P)):
        pose_body(body, R[t], Q[t], position, orientation, twist)
        place_points(body, position, orientation, out[t])
        for k in range(out.shape[1]):
            for i in range(3):
                out[t, k, i] += P[t, i]
