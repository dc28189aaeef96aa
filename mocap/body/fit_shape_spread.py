"""What the uncertainty of the shape adds to the covariances of joints and rotations.

The poses are fitted for the shape as it is found. Were the shape another by ds, they would be
others by dx = -H^-1 G ds, H being the normal matrix of the poses and G that between poses and
shape. So, with C of the shape, poses have the covariance H^-1 + (H^-1 G) C (H^-1 G)^T, which is
that of poses and shape estimated together (Schur complement). A joint moves by its pose, and by
its bones.
"""

# pyright: basic

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mocap.arrays import Float
from mocap.body.model import ShapedBody
from mocap.compiled import kernel

_LEAST_M = 0.0002
"""A direction is left out that moves rest joints and keypoints by less (root mean square)."""


class ShapeFactor(NamedTuple):
    """Independent directions of the shape's uncertainty, R of them, one standard deviation each.

    Attributes:
        joint: by how much each moves the joints of the rest pose.
        point: by how much each moves the keypoints of the rest pose.
    """

    joint: Float[np.ndarray, "joints 3 directions"]
    point: Float[np.ndarray, "keypoints 3 directions"]


def shape_factor(
    shaped: ShapedBody, keypoints: Sequence[int], covariance: Float[np.ndarray, "shape shape"]
) -> ShapeFactor:
    """The directions of the shape's uncertainty that matter.

    Args:
        shaped: the body, with its derivatives by the shape.
        keypoints: the keypoints that are fitted.
        covariance: of the shape numbers.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    joint = shaped.rest_joints_by_shape @ root
    point = shaped.keypoints_by_shape[list(keypoints)] @ root
    both = np.concatenate((joint, point)).reshape(-1, root.shape[1])
    _, size, directions = np.linalg.svd(both, full_matrices=False)
    count = max(int((size > _LEAST_M * np.sqrt(len(both) / 3)).sum()), 1)
    turn = np.ascontiguousarray(directions[:count].T)
    return ShapeFactor(np.ascontiguousarray(joint @ turn), np.ascontiguousarray(point @ turn))


@kernel
def move_by_shape(body, orientation, factor, joint, point):
    """Writes by how much joints and keypoints move with the shape while the pose stays.

    Args:
        body: `BodyTables`.
        orientation: of the joints in the world.
        factor: `ShapeFactor`.
        joint: gets the displacements of the joints from the root, world, (J, 3, R).
        point: gets those of the keypoints, (K, 3, R).
    """
    directions = joint.shape[2]
    joint[0] = 0.0
    for j in range(1, len(body.parents)):
        a = body.parents[j]
        G = orientation[a]
        for c in range(directions):
            for i in range(3):
                total = joint[a, i, c]
                for m in range(3):
                    total += G[i, m] * (factor.joint[j, m, c] - factor.joint[a, m, c])
                joint[j, i, c] = total
    for k in range(len(body.point_joint)):
        j = body.point_joint[k]
        G = orientation[j]
        for c in range(directions):
            for i in range(3):
                total = joint[j, i, c]
                for m in range(3):
                    total += G[i, m] * (factor.point[k, m, c] - factor.joint[j, m, c])
                point[k, i, c] = total


@kernel
def pull_of_shape(body, twist, points, W, moved, force, out):
    """Writes J^T W moved of the keypoints, (N, R): the normal matrix between pose and shape.

    Args:
        body: `BodyTables`.
        twist: of the unknowns.
        points: keypoints from the root.
        W: their information.
        moved: their displacements with the shape, (K, 3, R).
        force: work space, (J, 6).
        out: gets the matrix.
    """
    for c in range(moved.shape[2]):
        force[:] = 0.0
        for k in range(len(points)):
            f = force[body.point_joint[k]]
            x, y, z = points[k, 0], points[k, 1], points[k, 2]
            u, v, w = moved[k, 0, c], moved[k, 1, c], moved[k, 2, c]
            g0 = W[k, 0, 0] * u + W[k, 0, 1] * v + W[k, 0, 2] * w
            g1 = W[k, 1, 0] * u + W[k, 1, 1] * v + W[k, 1, 2] * w
            g2 = W[k, 2, 0] * u + W[k, 2, 1] * v + W[k, 2, 2] * w
            f[0] += y * g2 - z * g1
            f[1] += z * g0 - x * g2
            f[2] += x * g1 - y * g0
            f[3] += g0
            f[4] += g1
            f[5] += g2
        for j in range(len(body.parents) - 1, 0, -1):
            for i in range(6):
                force[body.parents[j], i] += force[j, i]
        for j in range(len(body.parents)):
            first = 0 if j == 0 else body.dof_start[j] + 3
            for i in range(first, body.dof_start[j + 1] + 3):
                total = 0.0
                for m in range(6):
                    total += twist[i, m] * force[j, m]
                out[i, c] = total
