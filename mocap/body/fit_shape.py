"""The shape of a person, from a few frames: poses and shape together, poses eliminated.

Each frame's pose is solved for the shape of the moment; the normal equations of the shape are then
reduced by those of all poses (Schur complement), so that a length is not held back by poses that
could follow it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mocap.arrays import Float
from mocap.body.fit_frame import FrameWork, Prediction, fit_frame, frame_work, linearise
from mocap.body.fit_kernels import at_limit
from mocap.body.fit_start import loose_prediction
from mocap.body.fit_tables import BodyTables, PointData, body_tables
from mocap.body.model import BodyModel, ShapedBody

_ROUNDS = 8
_CONVERGED = 0.02
"""Change of a shape number, in its standard deviations among people, at which it is settled."""
_INDEPENDENT = 0.25
"""What a frame counts for the shape: errors of neighbouring frames are alike."""


class Poses(NamedTuple):
    """Poses of F frames.

    Attributes:
        P: root positions.
        R: root rotations.
        Q: values of the degrees of freedom; the first three are not used.
    """

    P: Float[np.ndarray, "frames 3"]
    R: Float[np.ndarray, "frames 3 3"]
    Q: Float[np.ndarray, "frames dofs"]

    def frames(self, start: int, stop: int) -> Poses:
        """The poses of some frames, copied."""
        return Poses(
            self.P[start:stop].copy(), self.R[start:stop].copy(), self.Q[start:stop].copy()
        )

    def chosen(self, rows: np.ndarray) -> Poses:
        """The poses of chosen frames, copied."""
        return Poses(self.P[rows].copy(), self.R[rows].copy(), self.Q[rows].copy())


def fit_shape(
    model: BodyModel,
    keypoints: list[int],
    data: PointData,
    poses: Poses,
    shape: Float[np.ndarray, " shape"],
    *,
    rounds: int = _ROUNDS,
) -> tuple[Float[np.ndarray, " shape"], Float[np.ndarray, "shape shape"]]:
    """Shape and its covariance; the poses are improved in place.

    Args:
        model: the body model.
        keypoints: those of its keypoints that are in the data.
        data: measurements of the chosen frames.
        poses: of the same frames.
        shape: where to start.
        rounds: most rounds of poses and shape.
    """
    mean, sigma = model.shape_mean, model.shape_sigma
    prior = np.diag(1.0 / sigma**2)
    covariance = np.diag(sigma**2)
    body = body_tables(model, shape, keypoints)
    work = frame_work(len(body.parents), len(keypoints), len(body.above))
    expect = loose_prediction(body)
    for _ in range(rounds):
        body = body_tables(model, shape, keypoints)
        shaped = model.shaped(shape)
        normal, b = prior.copy(), prior @ (mean - shape)
        for t in range(len(poses.P)):
            fit_frame(body, data, t, expect, poses.P[t], poses.R[t], poses.Q[t], 8, work)
            frame_H, frame_b = reduced_shape_equations(
                shaped, keypoints, body, data, t, expect, poses, work
            )
            normal += _INDEPENDENT * frame_H
            b += _INDEPENDENT * frame_b
        covariance = np.linalg.inv(normal)
        step = covariance @ b
        shape = shape + step
        if np.abs(step / sigma).max() < _CONVERGED:
            break
    return shape, covariance


def reduced_shape_equations(
    shaped: ShapedBody,
    keypoints: list[int],
    body: BodyTables,
    data: PointData,
    t: int,
    expect: Prediction,
    poses: Poses,
    work: FrameWork,
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations of the shape from one frame, its pose eliminated."""
    linearise(body, data, t, expect, poses.P[t], poses.R[t], poses.Q[t], work)
    free = np.ones(len(work.b), bool)
    for i in range(3, len(body.axis)):
        free[i + 3] = not at_limit(body, poses.Q[t], work.b, i)
    pose_H = work.H + np.tril(work.H, -1).T
    by_pose = pose_jacobian(body, work)
    by_shape = shape_jacobian(shaped, keypoints, body, work)
    weighted = work.W @ by_shape
    flat = weighted.reshape(-1, by_shape.shape[2])
    H = by_shape.reshape(flat.shape).T @ flat
    mixed = (by_pose.reshape(len(flat), -1).T @ flat)[free]
    b = by_shape.reshape(flat.shape).T @ work.g.ravel()
    solved = np.linalg.solve(
        pose_H[np.ix_(free, free)] + 1e-6 * np.eye(int(free.sum())),
        np.column_stack((mixed, work.b[free])),
    )
    return H - mixed.T @ solved[:, :-1], b - mixed.T @ solved[:, -1]


def pose_jacobian(body: BodyTables, work: FrameWork) -> Float[np.ndarray, "keypoints 3 unknowns"]:
    """Derivatives of the keypoints by the unknowns of the pose that `work` holds."""
    related = _related(body)[body.point_joint]
    w, v = work.twist[:, :3], work.twist[:, 3:]
    columns = v[None] + np.cross(w[None], work.points[:, None])
    return np.where(related[:, None], np.swapaxes(columns, 1, 2), 0.0)


def _related(body: BodyTables) -> np.ndarray:
    """Whether a joint's bone is moved by an unknown, (J, N)."""
    related = np.zeros((len(body.parents), len(body.above)), bool)
    for j, parent in enumerate(body.parents):
        if j:
            related[j] = related[parent]
        related[j, body.dof_start[j] + 3 : body.dof_start[j + 1] + 3] = True
    related[:, :3] = True
    return related


def shape_jacobian(
    shaped: ShapedBody, keypoints: list[int], body: BodyTables, work: FrameWork
) -> Float[np.ndarray, "keypoints 3 shape"]:
    """Derivatives of the keypoints by the shape, in the pose that `work` holds."""
    joints = shaped.rest_joints_by_shape
    moved = np.zeros_like(joints)
    for j in range(1, len(joints)):
        a = body.parents[j]
        moved[j] = moved[a] + work.orientation[a] @ (joints[j] - joints[a])
    at = body.point_joint
    local = shaped.keypoints_by_shape[keypoints] - joints[at]
    return moved[at] + work.orientation[at] @ local
